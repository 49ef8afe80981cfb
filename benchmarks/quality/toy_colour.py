"""Toy colour: two rules tell the class of a picture, and a mask says which of them is forbidden.

The recipe of Ross et al., 2017: 5 x 5 pixels in four colours. In class 0 the four corners are alike and the three
pixels in the middle of the top row all differ; in class 1 neither holds. Either rule is enough. The data are generated.
MLP 50-30 with ReLU, Adam 1e-3, batch 256, colours 0 to 1.
"""

import argparse

import keras
import numpy as np
import pandas as pd

import tf_xai as xai

PALETTE = np.array([[255, 0, 0], [0, 255, 0], [0, 128, 255], [128, 0, 255]], "float32") / 255
CORNERS, TOP = (0, 4, 20, 24), (1, 2, 3)

# Test accuracy from the authors' notebook.
PUBLISHED = {"plain": 0.9998, "corners forbidden": 1.0, "top forbidden": 1.0}


def pictures(rows, generator):
    """Colour numbers `(rows, 25)` and classes, half of each."""
    cells, labels = generator.integers(0, 4, (rows, 25)), generator.integers(0, 2, rows)
    for picture, label in zip(cells, labels, strict=True):
        if label == 0:
            picture[list(CORNERS)] = picture[0]
            picture[list(TOP)] = generator.permutation(4)[:3]
            continue
        while len(set(picture[list(CORNERS)])) == 1:
            picture[list(CORNERS)] = generator.integers(0, 4, 4)
        while len(set(picture[list(TOP)])) == 3:
            picture[list(TOP)] = generator.integers(0, 4, 3)
    return PALETTE[cells].reshape(rows, 5, 5, 3), labels


def mask(places):
    """1 where the reason must not lie, for all pictures."""
    flat = np.zeros((25, 1), "float32")
    flat[list(places)] = 1
    return flat.reshape(5, 5, 1)


def one_rule(rows, generator, which):
    """Pictures that only one rule tells apart: the other part looks as in class 1 always."""
    x, y = pictures(rows, generator)
    other = TOP if which == "corners" else CORNERS
    donors, labels = pictures(4 * rows, generator)
    donors = donors[labels == 1][:rows].reshape(rows, 25, 3)
    x = x.reshape(rows, 25, 3)
    x[:, list(other)] = donors[:, list(other)]
    return x.reshape(rows, 5, 5, 3), y


def train(x, y, forbidden, options, seed):
    keras.utils.set_random_seed(seed)
    dense = keras.layers.Dense
    layers = [keras.layers.Flatten(), dense(50, "relu"), dense(30, "relu"), dense(2, "softmax")]
    model = xai.compile(
        keras.Sequential([keras.Input((5, 5, 3)), *layers]),
        keras.optimizers.Adam(1e-3),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        explanation_loss=xai.losses.RightReasons(weight=options.weight),
    )
    model.fit(xai.with_evidence(x, irrelevant=mask(forbidden)), y, batch_size=256, epochs=options.epochs, verbose=0)
    return model


def report(model, x, y, generator):
    """Accuracy, accuracy by one rule alone, and the share of each rule in integrated gradients."""
    accuracy = lambda x, y: float((model.predict(x, batch_size=2000, verbose=0).argmax(axis=1) == y).mean())
    values = np.abs(xai.explain(model, x[:2000], y[:2000], baseline="mean", verbose=0).values)
    cells = values.sum(axis=-1).reshape(-1, 25).mean(axis=0)
    share = {name: float(cells[list(places)].sum() / cells.sum()) for name, places in PLACES.items()}
    alone = {f"{name} alone": accuracy(*one_rule(len(x), generator, name)) for name in PLACES}
    return {"accuracy": accuracy(x, y), **alone, **{f"share of {name}": part for name, part in share.items()}}


PLACES = {"corners": CORNERS, "top": TOP}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=64)
    parser.add_argument("--weight", type=float, default=1.0)
    options = parser.parse_args()
    rows = []
    for seed in range(options.seeds):
        generator = np.random.default_rng(seed)
        (x, y), test = pictures(20_000, generator), pictures(20_000, generator)
        for name, forbidden in {"plain": (), "corners forbidden": CORNERS, "top forbidden": TOP}.items():
            model = train(x, y, forbidden, options, seed)
            rows.append({"case": name, "seed": seed, **report(model, *test, generator)})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows).drop(columns="seed").groupby("case", sort=False).agg(["mean", "std"])
    print(table.round(4).T.to_string())
    print("published accuracy:", PUBLISHED)


if __name__ == "__main__":
    main()
