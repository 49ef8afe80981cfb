"""`Constraint` beside a sweep of fixed weights: how small the penalty gets within a bound on the task loss.

The bound is 1.02 times the training loss of a plain model, epoch by epoch. All models are trained for as many epochs,
with a learning rate that falls to zero by a cosine, and all numbers are those of the training data in inference mode:
what is compared is how well a problem on these data is solved. Aims: a task loss within the bound, and a penalty that
is no larger than that of the best fixed weight, the one with the least penalty among those within the bound.

- decoy MNIST with `RightReasons`: 8,000 digits with a square that tells the label (see decoy_mnist.py). The plain model
  is trained without the squares. With them its loss is what the square gives away, and within 2 % of that no model can
  do without it.
- red wine with `LIMEFidelity`: 11 columns, two layers of 100. The plain model is the one of its best validation epoch,
  as one would use it (see lime_regression.py): in the end it has learnt the training rows by heart.

`--mnist` is mnist.npz as keras.datasets.mnist.load_data() keeps it, `--wine` UCI's winequality-red as CSV with commas
(https://archive.ics.uci.edu/dataset/186/wine+quality).
"""

import argparse
import pathlib
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd

import tf_xai as xai
from tf_xai.datasets import decoy

FACTOR = 1.02


class Problem(NamedTuple):
    """What `fit` gets, how models are made and trained, the bound, and the weights of the sweep."""

    x: object
    y: np.ndarray
    build: object  # (loss, tradeoff) -> compiled model
    penalty: object  # weight -> loss
    fit: dict
    bounds: list
    weights: tuple


def compiled(layers, steps, loss, explanation_loss=(), tradeoff=None):
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    base = keras.Sequential(layers)
    return xai.compile(
        base, keras.optimizers.Adam(rate), loss, explanation_loss=list(explanation_loss), tradeoff=tradeoff
    )


def decoy_mnist(path, seed, epochs):
    with np.load(path) as file:
        digits = (file["x_test"][:8000] / 255.0).astype("float32")[..., None]
        y = file["y_test"][:8000].astype("int32")
    shown, masks = decoy(digits, y, seed=seed)
    fit = {"batch_size": 256, "epochs": epochs}

    def build(*arguments):
        dense = keras.layers.Dense
        layers = [keras.Input((28, 28, 1)), keras.layers.Flatten(), dense(50, "relu"), dense(30, "relu")]
        layers.append(dense(10, "softmax"))
        return compiled(layers, epochs * 32, "sparse_categorical_crossentropy", *arguments)

    keras.utils.set_random_seed(seed)
    plain, without = build(), np.where(masks, 0, shown)
    losses = plain.fit(without, y, verbose=0, **fit).history["loss"]
    bounds = [*losses, plain.evaluate(without, y, batch_size=1000, verbose=0, return_dict=True)["loss"]]
    penalty = lambda weight: xai.losses.RightReasons(weight=weight)
    weights = tuple(10.0**power for power in range(-5, 2))
    return Problem(xai.with_evidence(shown, irrelevant=masks), y, build, penalty, fit, bounds, weights)


def red_wine(path, seed, epochs):
    values = pd.read_csv(path).drop_duplicates().sample(frac=1, random_state=seed).to_numpy("float32")
    half = len(values) // 2
    values = (values - values[:half].mean(axis=0)) / values[:half].std(axis=0)
    (x, y), validation, _ = ((part[:, :-1], part[:, -1]) for part in np.split(values, [half, half * 3 // 2]))
    fit = {"batch_size": 128, "epochs": epochs}

    def build(*arguments):
        hidden = [layer for _ in range(2) for layer in (keras.layers.Dense(100), keras.layers.LeakyReLU(0.2))]
        return compiled(
            [keras.Input((11,)), *hidden, keras.layers.Dense(1)], epochs * -(-half // 128), "mse", *arguments
        )

    keras.utils.set_random_seed(seed)
    plain, stop = build(), keras.callbacks.EarlyStopping("val_loss", patience=50, restore_best_weights=True)
    history = plain.fit(x, y, validation_data=validation, callbacks=[stop], verbose=0, **fit).history
    losses = history["loss"][: np.argmin(history["val_loss"]) + 1]
    bounds = [*losses, plain.evaluate(x, y, verbose=0, return_dict=True)["loss"]]
    penalty = lambda weight: xai.losses.LIMEFidelity(weight=weight, samples=22, normalize=False, fraction=0.25)
    weights = tuple(3.0**power for power in range(7))
    return Problem(x, y, build, penalty, fit, bounds, weights)


def compare(problem, seed):
    """The sweep, and a line that sums it up beside the constraint."""
    sweep = xai.tradeoff.pareto_sweep(
        lambda weight: problem.build([problem.penalty(weight)]),
        problem.weights,
        problem.x,
        problem.y,
        validation=(problem.x, problem.y),  # how well the problem is solved, not how well that generalises
        seeds=[seed],
        verbose=0,
        **problem.fit,
    )
    keras.utils.set_random_seed(seed)
    steps, allowed = -(-len(problem.y) // problem.fit["batch_size"]), FACTOR * problem.bounds[-1]
    constraint = xai.tradeoff.Constraint(problem.bounds, FACTOR, steps_per_epoch=steps)
    model = problem.build([problem.penalty(1.0)], constraint)
    model.fit(problem.x, problem.y, verbose=0, **problem.fit)
    result = model.evaluate(problem.x, problem.y, verbose=0, return_dict=True)
    (line,) = (name for name in result if name.startswith("xai_"))
    within = sweep[sweep["loss"] <= allowed]
    best = within.loc[within[line].idxmin()] if len(within) else {"weight": np.nan, line: np.nan}
    return sweep[["weight", "loss", line]], {
        "seed": seed,
        "bound": allowed,
        "task / bound": result["loss"] / allowed,
        "penalty": result[line],
        "best weight": best["weight"],
        "its penalty": best[line],
        "ratio": result[line] / best[line],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=pathlib.Path, help="mnist.npz")
    parser.add_argument("--wine", type=pathlib.Path, help="CSV of the red wines")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--digit-epochs", type=int, default=30)
    parser.add_argument("--wine-epochs", type=int, default=200)
    options = parser.parse_args()
    cases = {
        "decoy MNIST": (decoy_mnist, options.mnist, options.digit_epochs),
        "red wine": (red_wine, options.wine, options.wine_epochs),
    }
    for name, (make, path, epochs) in cases.items():
        if path is None:
            continue
        lines = []
        for seed in range(options.seeds):
            sweep, line = compare(make(path, seed, epochs), seed)
            lines.append(line)
            print(sweep.to_string(index=False, float_format="{:.5g}".format), flush=True)
        print(f"{name}, {epochs} epochs")
        print(pd.DataFrame(lines).to_string(index=False, float_format="{:.5g}".format), flush=True)


if __name__ == "__main__":
    main()
