"""Colour MNIST: every digit has its colour in training, and that of 9 less itself in the test.

The recipe of Rieger et al., 2020 (CDEP). A plain network reads the colour and fails on nearly every test digit. Here
picture and colour are two inputs that the network multiplies before its first convolution, so that an explanation says
what each of them is worth, and evidence can say that colours are no reason. Test colours are seen in training, but
never on these digits. With `--validate` the last 10,000 training digits, in inverted colours, take the place of the
test: to choose a weight and the number of draws.
"""

import argparse
import colorsys

import keras
import numpy as np
import pandas as pd

import tf_xai as xai

COLOURS = np.array([colorsys.hsv_to_rgb(k / 10, 1, 1) for k in range(10)], "float32")

# Test accuracy: the authors' demo, the best of their three figures.
PUBLISHED = {"plain": 0.0, "CDEP": 0.343}


def load(path, part):
    with np.load(path) as file:
        return (file[f"x_{part}"] / 255).astype("float32")[..., None], file[f"y_{part}"].astype("int32")


def network():
    picture, colour = keras.Input((28, 28, 1), name="picture"), keras.Input((3,), name="colour")
    x = picture * colour[:, None, None, :]
    for filters in (16, 32):
        x = keras.layers.MaxPooling2D()(keras.layers.Conv2D(filters, 3, activation="relu")(x))
    x = keras.layers.Dense(64, "relu")(keras.layers.Flatten()(x))
    return keras.Model({"picture": picture, "colour": colour}, keras.layers.Dense(10, "softmax")(x))


def losses(weight, draws):
    reasons = xai.losses.RightReasons
    shap = xai.Explainer("expected_gradients", samples=draws, space="logit")
    return {
        "plain": reasons(weight=0.0),
        "RightReasons, gradient": reasons(weight=weight),
        "RightReasons, expected gradients": reasons(shap, weight=weight),
    }


def train(x, y, loss, options, seed):
    keras.utils.set_random_seed(seed)
    inputs = {"picture": x, "colour": COLOURS[y]}
    irrelevant = {"picture": np.zeros((1, 1, 1, 1), "float32"), "colour": np.ones((1, 3), "float32")}
    model = xai.compile(network(), "adam", "sparse_categorical_crossentropy", explanation_loss=loss)
    model.fit(xai.with_evidence(inputs, irrelevant=irrelevant), y, batch_size=128, epochs=options.epochs, verbose=0)
    return model


def accuracy(model, x, colours, y):
    answers = model.predict({"picture": x, "colour": COLOURS[colours]}, batch_size=1000, verbose=0).argmax(axis=1)
    return float((answers == y).mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="mnist.npz as keras.datasets.mnist.load_data() keeps it")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--weight", type=float, default=1.0)
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--validate", action="store_true", help="on the last training digits")
    options = parser.parse_args()
    (x, y), (x_test, y_test) = load(options.data, "train"), load(options.data, "test")
    if options.validate:
        (x, y), (x_test, y_test) = (x[:-10_000], y[:-10_000]), (x[-10_000:], y[-10_000:])
    x, y = x[: options.rows], y[: options.rows]
    rows = []
    for seed in range(options.seeds):
        for name, loss in losses(options.weight, options.draws).items():
            model = train(x, y, loss, options, seed)
            inverted = accuracy(model, x_test, 9 - y_test, y_test)
            shares = {"inverted colours": inverted, "own colours": accuracy(model, x_test, y_test, y_test)}
            rows.append({"case": name, "seed": seed, **shares})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows).drop(columns="seed").groupby("case", sort=False).agg(["mean", "std"])
    print(table.round(4).to_string())
    print("published, inverted colours:", PUBLISHED)


if __name__ == "__main__":
    main()
