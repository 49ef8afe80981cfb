"""Parameter randomisation of a LeNet on MNIST, beside published figures.

The set-up of Hedström et al., 2023 ("Sanity checks revisited"), as their notebook has it: 1,000 test digits, the logit
of the label explained, Spearman's correlation of sizes while layers lose what they have learnt, from the output on.
SmoothGrad has 20 draws, integrated gradients 20 steps from zero, Grad-CAM looks at the first convolution and has no
ReLU. Pixels have mean 0 and spread 1 over the data set, or lie between 0 and 1 (`--pixels unit`).

Two rows know nothing of the model: random numbers, and random numbers times the input. Three more readings of the test
are beside the metric's, which is the mean over the layers: all layers random; layers drawn anew as PyTorch initialises
them (uniform, up to 1 / sqrt(inputs) in size) instead of with the mean and the spread of the trained weights; and the
correlation of values with their signs in place of sizes.
"""

import argparse

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

import tf_xai as xai
from tf_xai.core import random, randomised, statistics, trees

# Mean over 1,000 digits, from the output of the authors' notebook: MPRT from the output on, and eMPRT.
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
    "grad_cam": xai.Explainer("grad_cam", space="logit", layer="relu_1", relu=False),
}
CONTROLS = {
    "random": lambda inputs, target: tf.random.uniform(tf.shape(inputs)),
    "input x random": lambda inputs, target: inputs * tf.random.uniform(tf.shape(inputs)),
}


# What is taken from a pixel between 0 and 1, and what it is divided by.
PIXELS = {"standard": (0.1307, 0.3081), "unit": (0.0, 1.0)}


def load(path, pixels):
    (mean, spread), scaled = PIXELS[pixels], lambda x: ((x / 255.0 - mean) / spread).astype("float32")[..., None]
    with np.load(path) as file:
        images = {name: scaled(file[f"x_{name}"]) for name in ("train", "test")}
        return (images["train"], file["y_train"].astype("int32")), (images["test"], file["y_test"].astype("int32"))


def lenet(x, y, epochs, seed):
    """Two convolutions and three dense layers, trained."""
    keras.utils.set_random_seed(seed)
    layers, image = keras.layers, keras.Input((28, 28, 1))
    hidden = image
    for number, filters in enumerate((6, 16), start=1):
        hidden = layers.ReLU(name=f"relu_{number}")(layers.Conv2D(filters, 5)(hidden))
        hidden = layers.MaxPooling2D(2)(hidden)
    hidden = layers.Flatten()(hidden)
    for units in (120, 84):
        hidden = layers.Dense(units, "relu")(hidden)
    model = keras.Model(image, layers.Dense(10, "softmax")(hidden))
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=128, epochs=epochs, verbose=0)
    return model


def as_initialised(variables, seed):
    """Values as PyTorch draws them before training: pairs `(variable, values)`."""
    bound = float(np.prod(variables[0].shape[:-1])) ** -0.5  # the kernel comes first
    draw = lambda number, v: bound * (2 * random.uniform(random.fold(seed, number), v.shape) - 1)
    return [(variable, draw(number, variable)) for number, variable in enumerate(variables)]


def cascade(model, explain, x, y, own, draws, seed, sizes=tf.abs):
    """The mean correlation with `own` after every layer, `(layers,)`."""
    pairs, found = [], []
    for number, variables in enumerate(randomised.layers(model)):
        pairs = pairs + draws(variables, random.fold(seed, number))
        after = randomised.under(pairs, lambda pairs=pairs: explain(x, y))
        found.append(np.nanmean(statistics.spearman(*[sizes(trees.columns(tree)) for tree in (own, after)])))
    return np.array(found, "float64")


def row(name, model, x, y, seed):
    """All readings of one method."""
    explain = CONTROLS[name] if name in CONTROLS else METHODS[name].bind(model)
    own, score = explain(x, y), xai.Score(model)
    metric = lambda function: float(np.nanmean(function(score, x, y, own, explain=explain, seed=seed)))
    layers = lambda draws, **options: cascade(model, explain, x, y, own, draws, seed, **options)
    by_layer = layers(randomised.draws)
    return {
        "metric": metric(xai.metrics.parameter_randomisation),
        "all layers": by_layer[-1],
        "as initialised": layers(as_initialised).mean(),
        "signed": layers(randomised.draws, sizes=tf.identity).mean(),
        "efficient_mprt": metric(xai.metrics.efficient_mprt),
        "by layer": " ".join(f"{value:.2f}" for value in by_layer),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="mnist.npz as keras.datasets.mnist.load_data() keeps it")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--pixels", choices=PIXELS, default="standard")
    options = parser.parse_args()
    train, (x_test, y_test) = load(options.data, options.pixels)
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
