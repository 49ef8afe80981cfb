"""Parameter randomisation of a LeNet on MNIST, beside published figures.

The set-up of Hedström et al., 2023 ("Sanity checks revisited"), from their repository and from that of MetaQuantus,
where the network and the digits come from that they load: two convolutions, the first with a margin, and three dense
layers; 15 epochs of SGD; pixels between 0 and 1; digits, the test's too, turned by up to 10 degrees, scaled by 0.8 to
1.1 and one in four mirrored; the logit of the label of the first 1,000 test digits explained. SmoothGrad has 20 draws
with a noise of 0.1 of the range, integrated gradients 20 steps from zero, Grad-CAM looks at the second convolution,
before its ReLU, and has none itself.

"as published" is how their figures seem to have been made: the structural similarity of attributions, with signs, and
of those after all layers are drawn as PyTorch initialises them (uniform, up to 1 / sqrt(inputs) in size), both as one
row of 784 pixels divided by its root mean square. Their helpers have these settings and their plots this label. The
cell of the notebook above the figures, which loaded them and did not make them, has Spearman's correlation of sizes;
with the weights of MetaQuantus that gives 0.99 for integrated gradients, and 0.02 with signs, where 0.751 is published.

The metric is Spearman's correlation of sizes, its mean over the layers, from the output on, which get normal weights
of the mean and the spread of the trained ones. Beside it are all layers random, all of them as PyTorch initialises
them, and the metric with signs. Two rows know nothing of the model: random numbers, and random numbers times the input.
"""

import argparse

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

import tf_xai as xai
from tf_xai.core import random, randomised, statistics, trees

# Mean over 1,000 digits, from the output of the authors' notebook: MPRT and eMPRT.
PUBLISHED = {
    "gradient": (0.044, 0.216),
    "smooth_grad": (0.104, 0.200),
    "integrated_gradients": (0.751, 0.022),
    "grad_cam": (0.037, -0.002),
    "random": (0.006, 0.0),
}
METHODS = {
    "gradient": xai.Explainer("gradient", space="logit"),
    "smooth_grad": xai.Explainer("smooth_grad", space="logit", samples=20, noise=0.1),
    "integrated_gradients": xai.Explainer("integrated_gradients", space="logit", steps=20),
    "grad_cam": xai.Explainer("grad_cam", space="logit", layer="conv_2", relu=False),
}
CONTROLS = {
    "random": lambda inputs, target: tf.random.uniform(tf.shape(inputs)),
    "input x random": lambda inputs, target: inputs * tf.random.uniform(tf.shape(inputs)),
}

DRAWS = 5  # of untrained networks, for every trained one: Grad-CAM's figures differ by 0.02 from draw to draw


def load(path):
    """Training digits as they are stored, and test digits that are `ready`, with their labels."""
    with np.load(path) as file:
        x_test = ready(file["x_test"], np.random.default_rng(0))
        return (file["x_train"], file["y_train"].astype("int32")), (x_test, file["y_test"].astype("int32"))


def ready(images, draw):
    """Digits `moved`, with pixels between 0 and 1."""
    return (moved(images, draw) / 255.0).astype("float32")[..., None]


def moved(images, draw):
    """Every image turned clockwise, scaled about its middle and perhaps mirrored; pixels of the nearest place."""
    count, size = len(images), images.shape[1]
    angle, scale = np.radians(draw.uniform(0, 10, count)), draw.uniform(0.8, 1.1, count)
    place = np.stack(np.meshgrid(np.arange(size), np.arange(size))).reshape(2, -1) + 0.5 - size / 2  # x, y
    back = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / scale
    source = np.floor(back.transpose(2, 0, 1) @ place + size / 2).astype(int)
    inside, (column, line) = ((source >= 0) & (source < size)).all(1), source.clip(0, size - 1).transpose(1, 0, 2)
    found = np.where(inside, images[np.arange(count)[:, None], line, column], 0).reshape(images.shape)
    mirrored = draw.uniform(size=(count, 1, 1)) < 0.25
    return np.where(mirrored, found[:, :, ::-1], found)


def lenet(x, y, epochs, seed):
    """Two convolutions and three dense layers, trained."""
    keras.utils.set_random_seed(seed)
    layers, image, draw = keras.layers, keras.Input((28, 28, 1)), np.random.default_rng(seed + 1)
    hidden = image
    for number, (filters, padding) in enumerate(((6, "same"), (16, "valid")), start=1):
        hidden = layers.Conv2D(filters, 5, padding=padding, name=f"conv_{number}")(hidden)
        hidden = layers.MaxPooling2D(2)(layers.ReLU()(hidden))
    hidden = layers.Flatten()(hidden)
    for units in (120, 84):
        hidden = layers.Dense(units, "relu")(hidden)
    model = keras.Model(image, layers.Dense(10, "softmax")(hidden))
    for variable, values in untrained(model, random.fold(seed, -1)):  # numbers that no reading draws again
        variable.assign(values)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    for _ in range(epochs):
        model.fit(ready(x, draw), y, batch_size=128, verbose=0)
    return model


def untrained(model, seed):
    """Weights as PyTorch draws them before training: pairs `(variable, values)`."""
    pairs = []
    for number, variables in enumerate(randomised.layers(model)):
        bound = float(np.prod(variables[0].shape[:-1])) ** -0.5  # the kernel comes first
        for place, variable in enumerate(variables):
            drawn = random.uniform(random.fold(random.fold(seed, number), place), variable.shape)
            pairs.append((variable, bound * (2 * drawn - 1)))
    return pairs


def cascade(model, explain, x, y, seed):
    """Attributions `(rows, pixels)` after every layer that the metric draws anew."""
    pairs, found = [], []
    for number, variables in enumerate(randomised.layers(model)):
        pairs = pairs + randomised.draws(variables, random.fold(seed, number))
        found.append(trees.columns(randomised.under(pairs, lambda pairs=pairs: explain(x, y))))
    return found


def similarity(a, b):
    """Mean structural similarity of rows of pixels, the same row of both, divided by their root mean square."""
    from skimage.metrics import structural_similarity

    unit = lambda rows: np.array(rows, "float64") / np.sqrt(np.mean(np.square(rows), axis=1, keepdims=True))
    spread = lambda *rows: np.max(rows) - np.min(rows)
    return np.mean(
        [structural_similarity(*pair, data_range=spread(*pair)) for pair in zip(unit(a), unit(b), strict=True)]
    )


def row(name, model, x, y, seed):
    """All readings of one method."""
    explain = CONTROLS[name] if name in CONTROLS else METHODS[name].bind(model)
    tree, score = explain(x, y), xai.Score(model)
    metric = lambda function: float(np.nanmean(function(score, x, y, tree, explain=explain, seed=seed)))
    own, normal = trees.columns(tree), cascade(model, explain, x, y, seed)
    redrawn = lambda draw: randomised.under(untrained(model, random.fold(seed, draw)), lambda: explain(x, y))
    initial = [trees.columns(redrawn(draw)) for draw in range(DRAWS)]
    alike = lambda after, sizes=tf.abs: float(np.nanmean([statistics.spearman(sizes(own), sizes(a)) for a in after]))
    published = lambda sizes: float(np.mean([similarity(sizes(own), sizes(after)) for after in initial]))
    return {
        "metric": metric(xai.metrics.parameter_randomisation),
        "all layers": alike(normal[-1:]),
        "as initialised": alike(initial),
        "signed": alike(normal, sizes=tf.identity),
        "as published": published(tf.identity),
        "as published, sizes": published(tf.abs),
        "efficient_mprt": metric(xai.metrics.efficient_mprt),
        "by layer": " ".join(f"{alike([after]):.2f}" for after in normal),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="mnist.npz as keras.datasets.mnist.load_data() keeps it")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--rows", type=int, default=1000)
    options = parser.parse_args()
    train, (x_test, y_test) = load(options.data)
    x, y = tf.constant(x_test[: options.rows]), tf.constant(y_test[: options.rows])
    rows = []
    for seed in range(options.seeds):
        model = lenet(*train, options.epochs, seed)
        print("accuracy", round(model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"], 4), flush=True)
        for name in (*METHODS, *CONTROLS):
            rows.append({"method": name, **row(name, model, x, y, seed)})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows).drop(columns="by layer").groupby("method", sort=False).agg(["mean", "std"])
    print(table.round(3).to_string())
    means = table.xs("mean", axis=1, level=1)
    published = pd.DataFrame(PUBLISHED, index=["parameter_randomisation", "efficient_mprt"]).T
    print("published", published.to_string(), sep="\n")
    for column in means:
        against = published["efficient_mprt" if column == "efficient_mprt" else "parameter_randomisation"]
        order = means.loc[list(PUBLISHED), column].rank().corr(against.rank())
        print(f"rank correlation with the published rows, {column}: {order:.2f}")


if __name__ == "__main__":
    main()
