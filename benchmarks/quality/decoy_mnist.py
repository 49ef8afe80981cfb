"""Decoy MNIST: accuracy without and with `RightReasons`, beside the authors' figures.

The recipe of Ross et al., 2017: a grey square in a corner tells the label in training and a random one in the test.
MLP 50-30 with ReLU, Adam 1e-3, batch 256, pixels 0 to 1.
"""

import argparse

import keras
import numpy as np
import pandas as pd

import tf_xai as xai
from tf_xai.datasets import decoy

# Test accuracy on 60,000 training images after 64 epochs, from the authors' notebook.
PUBLISHED = {"plain": 0.516, "RightReasons": 0.961}


def load(path, part):
    """Images and labels for training and test: the 10,000 test digits split 8,000/2,000, or the full set."""
    with np.load(path) as file:
        images = {name: (file[f"x_{name}"] / 255.0).astype("float32")[..., None] for name in ("train", "test")}
        labels = {name: file[f"y_{name}"].astype("int32") for name in ("train", "test")}
    if part == "60k":
        return (images["train"], labels["train"]), (images["test"], labels["test"])
    return (images["test"][:8000], labels["test"][:8000]), (images["test"][8000:], labels["test"][8000:])


def train(x, masks, y, losses, epochs, seed):
    keras.utils.set_random_seed(seed)
    dense = keras.layers.Dense
    layers = [keras.layers.Flatten(), dense(50, "relu"), dense(30, "relu"), dense(10, "softmax")]
    base = keras.Sequential([keras.Input((28, 28, 1)), *layers])
    model = xai.compile(
        base,
        keras.optimizers.Adam(1e-3),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        explanation_loss=losses,
    )
    model.fit(xai.with_evidence(x, irrelevant=masks), y, batch_size=256, epochs=epochs, verbose=0)
    return model


def accuracies(model, x, y, seed):
    """With random squares, without squares, and in the worst of the ten classes with random squares."""
    shown, _ = decoy(x, y, informative=False, seed=seed + 1000)
    right = model.predict(shown, batch_size=1000, verbose=0).argmax(axis=1) == y
    clean = model.predict(x, batch_size=1000, verbose=0).argmax(axis=1) == y
    worst = min(right[y == label].mean() for label in range(10))
    return {"random squares": float(right.mean()), "no squares": float(clean.mean()), "worst class": float(worst)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="mnist.npz as keras.datasets.mnist.load_data() keeps it")
    parser.add_argument("--parts", nargs="+", default=["10k", "60k"], choices=["10k", "60k"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--weight", type=float, default=1.0)
    options = parser.parse_args()
    rows = []
    for part in options.parts:
        (x, y), test = load(options.data, part)
        for seed in range(options.seeds):
            shown, masks = decoy(x, y, seed=seed)
            for name, weight in {"plain": 0.0, "RightReasons": options.weight}.items():
                model = train(shown, masks, y, [xai.losses.RightReasons(weight=weight)], options.epochs, seed)
                rows.append({"data": part, "case": name, "seed": seed, **accuracies(model, *test, seed)})
                print(rows[-1], flush=True)
    table = pd.DataFrame(rows).drop(columns="seed").groupby(["data", "case"], sort=False).agg(["mean", "std"])
    print(table.round(4).to_string())
    print("published, 60k, random squares:", PUBLISHED)


if __name__ == "__main__":
    main()
