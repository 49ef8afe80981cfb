"""Decoy MNIST: accuracy without and with `EnergyGuidance`, whose evidence is all but the square in the corner.

The data of `decoy_mnist`, and two networks: its MLP 50-30, explained by LRP, and a small CNN, explained by HiResCAM.
The CNN has strides in place of pooling, which would blur the square so much that a plain network can hardly use it.
The map is that of the first convolution: a place sees 5 x 5 pixels there, so that what the square contributes lies on
the square; further layers carry it to places that are evidence. (Grad-CAM itself averages the gradient over places, and
says what a place contributes only before global pooling, where a place sees everything.)

Adam 1e-3, batch 256, pixels 0 to 1. With `--validate` the last 10,000 training digits are left out and take the place
of the test.
"""

import argparse

import keras
import pandas as pd
from decoy_mnist import PUBLISHED, accuracies, load

import tf_xai as xai
from tf_xai.datasets import decoy


def mlp():
    dense = keras.layers.Dense
    return [keras.layers.Flatten(), dense(50, "relu"), dense(30, "relu")]


def cnn():
    conv = lambda filters, size, name: keras.layers.Conv2D(
        filters, size, strides=2, padding="same", activation="relu", name=name
    )
    return [conv(16, 5, "first"), conv(32, 3, "second"), keras.layers.Flatten()]


# Networks, and how they are explained.
CASES = {
    "MLP": (mlp, xai.Explainer("lrp", composite="epsilon")),
    "CNN": (cnn, xai.Explainer("hires_cam", layer="first")),
}


def train(layers, x, masks, y, losses, epochs, seed):
    keras.utils.set_random_seed(seed)
    base = keras.Sequential([keras.Input((28, 28, 1)), *layers(), keras.layers.Dense(10, "softmax")])
    model = xai.compile(base, keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", explanation_loss=losses)
    model.fit(xai.with_evidence(x, irrelevant=masks), y, batch_size=256, epochs=epochs, verbose=0)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="mnist.npz as keras.datasets.mnist.load_data() keeps it")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--weights", type=float, nargs="+", default=[30.0])
    parser.add_argument("--validate", action="store_true", help="on the last training digits, to choose a weight")
    options = parser.parse_args()
    (x, y), test = load(options.data, "60k")
    if options.validate:
        (x, y), test = (x[:-10_000], y[:-10_000]), (x[-10_000:], y[-10_000:])
    x, y, rows = x[: options.rows], y[: options.rows], []
    for seed in range(options.seeds):
        shown, masks = decoy(x, y, seed=seed)
        for case in options.cases:
            layers, explainer = CASES[case]
            for weight in (0.0, *options.weights):
                losses = [xai.losses.EnergyGuidance(explainer, weight=weight)] if weight else []
                model = train(layers, shown, masks, y, losses, options.epochs, seed)
                name = f"{case}, EnergyGuidance by {explainer.method}, {weight:g}" if weight else f"{case}, plain"
                rows.append({"case": name, "seed": seed, **accuracies(model, *test, seed)})
                print(rows[-1], flush=True)
    table = pd.DataFrame(rows).drop(columns="seed").groupby("case", sort=False).agg(["mean", "std"])
    print(table.round(4).to_string())
    print("published for the MLP and the gradient, random squares:", PUBLISHED)


if __name__ == "__main__":
    main()
