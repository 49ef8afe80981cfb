"""Magnetic tiles: where Grad-CAM looks in a picture with a defect, without and with `EnergyGuidance`.

The data of Huang et al., 2018 (https://github.com/abin24/Magnetic-tile-defect-datasets.), as grey 96 x 96 pictures
with masks of the defects. A tile was photographed several times: training, validation and test share no tile. A small
network tells defects from free surfaces; its last feature maps are averaged, so that Grad-CAM shows exactly what every
place contributes. Evidence are the masks; free surfaces have none. The weight is chosen on validation tiles.

Measured on the defects of the test: the part of the positive attribution inside the mask ("mass"), and how often the
largest value is there ("pointing"). A map without anything positive counts 0.
"""

import argparse

import keras
import numpy as np
import pandas as pd

import tf_xai as xai

# Shares of the tiles for training, validation and test.
PARTS = (0.5, 0.2, 0.3)


def load(path):
    """Standardised pictures and masks `(n, 96, 96, 1)`, 1 for a defect, the kind of defect, and the tile."""
    with np.load(path) as file:
        x, labels, tiles = file["x"].astype("float32")[..., None], file["y"], file["group"]
        masks = np.unpackbits(file["mask"], axis=2).astype("float32")[..., None]
    x -= x.mean(axis=(1, 2, 3), keepdims=True)
    return x / x.std(axis=(1, 2, 3), keepdims=True), masks, (labels > 0).astype("int32"), labels, tiles


def split(labels, tiles, seed):
    """The rows of the three parts: tiles of every kind of defect in about the same shares."""
    generator, parts = np.random.default_rng(seed), ([], [], [])
    kind = {tile: labels[tiles == tile].max() for tile in np.unique(tiles)}
    for label in np.unique(labels):
        own = generator.permutation([tile for tile in kind if kind[tile] == label])
        ends = np.round(np.cumsum(PARTS)[:2] * len(own)).astype(int)
        for part, some in zip(parts, np.split(own, ends), strict=True):
            part.extend(some)
    return [np.flatnonzero(np.isin(tiles, part)) for part in parts]


def network():
    """Normalised by the picture: statistics of the batch would not be those of the penalty."""
    layers = []
    for filters, size, strides in ((16, 5, 2), (24, 3, 2), (32, 3, 1), (32, 3, 1)):
        layers += [keras.layers.Conv2D(filters, size, strides, padding="same", use_bias=False)]
        layers += [keras.layers.GroupNormalization(4), keras.layers.Activation("gelu")]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, "sigmoid")]
    return keras.Sequential([keras.Input((96, 96, 1)), *layers])


def flipped(x, masks, y):
    """Every picture as it is, mirrored, upside down, and both."""
    every = lambda pictures: np.concatenate([pictures[:, ::a, ::b] for a in (1, -1) for b in (1, -1)])
    return every(x), every(masks), np.tile(y, 4)


def train(x, masks, y, weight, options, seed):
    keras.utils.set_random_seed(seed)
    steps = options.epochs * -(-len(x) // 32)
    model = xai.compile(
        network(),
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(options.rate, steps)),
        "binary_crossentropy",
        explanation_loss=[xai.losses.EnergyGuidance("grad_cam", weight=weight)] if weight else None,
        # What is to be moved has to be there first.
        tradeoff=xai.tradeoff.Schedule(warmup=steps // 10, ramp=steps // 5),
    )
    model.fit(xai.with_evidence(x, relevant=masks), y, batch_size=32, epochs=options.epochs, verbose=0)
    return model


def report(model, x, masks, y, methods=("grad_cam",)):
    """AUC, and mass and pointing of every method."""
    p, defect = model.predict(x, verbose=0)[:, 0], y == 1
    figures = {"AUC": float(np.mean(np.sign(p[defect][:, None] - p[~defect]) + 1) / 2)}
    for method in methods:
        explained = xai.explain(model, x[defect], y[defect], method=method, space="logit", verbose=0)
        maps = np.maximum(explained.values, 0).reshape(defect.sum(), -1)
        inside, total = masks[defect].reshape(maps.shape), maps.sum(axis=1)
        mass = np.divide((maps * inside).sum(axis=1), total, out=np.zeros_like(total), where=total > 0)
        pointing = (inside[np.arange(len(maps)), maps.argmax(axis=1)] > 0) & (total > 0)
        figures |= {f"{method} mass": float(mass.mean()), f"{method} pointing": float(pointing.mean())}
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="npz with x, mask (bits), y and group, see `load`")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--weights", type=float, nargs="+", default=[1.0, 3.0])
    options = parser.parse_args()
    x, masks, y, labels, tiles = load(options.data)
    rows = []
    for seed in range(options.seeds):
        training, validation, test = ([part[rows] for part in (x, masks, y)] for rows in split(labels, tiles, seed))
        models = {w: train(*flipped(*training), w, options, seed) for w in (0.0, *options.weights)}
        chosen = {w: report(model, *validation) for w, model in models.items()}
        print(seed, chosen, flush=True)
        # The one whose maps are best among those that tell defects as well as the plain model.
        good = [w for w in options.weights if chosen[w]["AUC"] >= chosen[0.0]["AUC"]] or options.weights
        best = max(good, key=lambda w: chosen[w]["grad_cam mass"])
        for name, weight in {"plain": 0.0, "EnergyGuidance": best}.items():
            figures = report(models[weight], *test, methods=("grad_cam", "integrated_gradients"))
            rows.append({"case": name, "seed": seed, "weight": weight, **figures})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows).drop(columns="seed").groupby("case", sort=False).agg(["mean", "std"])
    print(table.round(3).T.to_string())
    means = table.xs("mean", axis=1, level=1).drop(columns="weight")
    print((means.loc["EnergyGuidance"] / means.loc["plain"]).round(2).to_string())


if __name__ == "__main__":
    main()
