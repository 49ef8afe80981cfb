"""Three regressions: how well LIME describes a model and how steady it is, with and without the LIME losses.

The protocol of ExpO (Plumb et al., 2020): standardised columns and target, 50/25/25 split, fully connected networks of
the authors' sizes, Adam 1e-3, stop 50 epochs after the best validation MSE. The weight is a share of the task loss at
the start. All shares are shown; the chosen one is the smallest with which the mean error of validation rows falls as
far as it should. (The validation MSE would not do: of 126 houses it scatters too much.)

Errors are those of the lime package's explanations of test rows (without discretisation, 1,000 samples):
- neighbourhood: the mean squared difference of model and explanation at x' ~ N(x, 0.1^2), the authors' definition.
- stability: the squared distance of the explanations of x and of x'. (The authors' code explains x again in place of
  x', so that their figures are not comparable.) Once with fresh samples, and once with the same samples for both.
- local: the same as stability, of least-squares slopes on 200 neighbours N(x, 0.5^2), the same noise for both.

All are in squared units of the target, whose variance is 1. A flat model would have none: beside them stands the
variance of the predictions. A linear model, by ridge regression, shows what is to be had without a network.

`--data` is a folder with autompg.csv.gz and winequality_red.csv.gz (https://archive.ics.uci.edu/dataset/9 and /186) and
boston_housing_expo.csv.gz (Datasets/housing.csv of https://github.com/GDPlumb/ExpO), each with a header row. Rows of
the same features stay on one side of the split: 240 wines are there twice.
"""

import argparse
import pathlib
from typing import NamedTuple

import keras
import lime.lime_tabular
import numpy as np
import pandas as pd
import tensorflow as tf
from sklearn.linear_model import RidgeCV

import tf_xai as xai


class Setting(NamedTuple):
    """A data set with the network that the authors use for it, and their figures: (MSE, neighbourhood error).

    The error is to be divided by `aim`.
    """

    file: str
    target: str
    depth: int
    width: int
    aim: float
    plain: tuple
    expo: tuple


SETTINGS = {
    "auto mpg": Setting("autompg.csv.gz", "mpg", 2, 200, 3, (0.14, 0.041), (0.13, 0.011)),
    "housing": Setting("boston_housing_expo.csv.gz", "MEDV", 5, 100, 2, (0.14, 0.14), (0.15, 0.057)),
    "wine": Setting("winequality_red.csv.gz", "quality", 4, 300, 5, (0.65, 0.033), (0.64, 0.0025)),
}
SHARES = (0.0015, 0.003, 0.005, 0.01, 0.1)
fidelity, stability = xai.losses.LIMEFidelity, xai.losses.LIMEStability
LOSSES = {
    "LIMEFidelity": lambda **weight: fidelity(normalize=False, neighbourhood="background", **weight),
    "LIMEFidelity, gaussian": lambda **weight: fidelity(normalize=False, **weight),  # the authors'
    "LIMEStability": lambda **weight: stability(normalize=False, **weight),
}


def load(folder, setting, seed):
    """Standardised `(x, y)` for training, validation and test."""
    frame = pd.read_csv(pathlib.Path(folder) / setting.file).drop(columns="upstream_part", errors="ignore")
    features = frame.drop(columns=setting.target)
    groups = features.groupby(list(features)).ngroup().to_numpy()
    order = np.random.default_rng(seed).permutation(groups.max() + 1)[groups]
    parts = np.digitize(order, np.quantile(order, [0.5, 0.75]), right=True)
    values = np.column_stack([features, frame[setting.target]]).astype("float32")
    values = (values - values[parts == 0].mean(axis=0)) / values[parts == 0].std(axis=0)
    return [(values[parts == part, :-1], values[parts == part, -1]) for part in range(3)]


def train(parts, setting, losses, seed, batch):
    """The outputs of a trained model, as a function of rows."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    (x, y), validation, _ = parts
    layer = lambda: [keras.layers.Dense(setting.width), keras.layers.LeakyReLU(0.2)]
    hidden = [part for _ in range(setting.depth) for part in layer()]
    base = keras.Sequential([keras.Input(x.shape[1:]), *hidden, keras.layers.Dense(1)])
    # Ten epochs at a time: a validation after each one would take most of the time.
    steps = 10 * (len(x) // batch)
    options = {"explanation_loss": losses, "steps_per_execution": steps}
    model = xai.compile(base, keras.optimizers.Adam(1e-3), "mse", **options)
    rows = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=seed).repeat()
    batches, validation = rows.batch(batch, drop_remainder=True), tf.data.Dataset.from_tensors(validation)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    options = {"steps_per_epoch": steps, "epochs": 100, "callbacks": [stop], "shuffle": False, "verbose": 0}
    model.fit(batches, validation_data=validation, **options)
    return tf.function(lambda rows: base(rows)[:, 0], reduce_retracing=True)


def linear(parts):
    """The outputs of a ridge regression, as a function of rows."""
    found = RidgeCV(np.logspace(-3, 3, 13)).fit(*parts[0])
    slopes, intercept = tf.constant(found.coef_, tf.float32), tf.constant(found.intercept_, tf.float32)
    return tf.function(lambda rows: tf.linalg.matvec(rows, slopes) + intercept, reduce_retracing=True)


def mse(predict, rows):
    x, y = rows
    return float(np.mean(np.square(predict(x) - y)))


def explanations(predict, x_train, x, seed):
    """Intercept and slopes that the lime package gives for every row, `(rows, 1 + columns)`; seeded row by row."""
    explainer = lime.lime_tabular.LimeTabularExplainer(x_train, mode="regression", discretize_continuous=False)
    found = np.zeros((len(x), 1 + x.shape[1]))
    scores = lambda z: predict(tf.constant(z, tf.float32)).numpy()
    for number, (row, out) in enumerate(zip(x, found, strict=True)):
        explainer.random_state = np.random.RandomState(1000 * seed + number)
        explanation = explainer.explain_instance(row, scores, num_features=len(row), num_samples=1000)
        for feature, weight in explanation.local_exp[1]:
            out[1 + feature] = weight / explainer.scaler.scale_[feature]
        out[0] = explanation.intercept[1] - out[1:] @ explainer.scaler.mean_
    return found


def local_slopes(predict, x, scale=0.5, samples=200):
    """Slopes of least-squares fits around every row, `(rows, columns)`."""
    noise = np.random.default_rng(0).normal(0, scale, (samples, x.shape[1])).astype("float32")
    scores = predict((x + noise[:, None]).reshape(-1, x.shape[1])).numpy().reshape(samples, -1)
    return np.linalg.lstsq(np.column_stack([noise, np.ones(samples)]), scores, rcond=None)[0][:-1].T


def errors(predict, x_train, x, scale=0.1, near=5):
    """The measures of the description at the top."""
    neighbours = x + np.random.default_rng(0).normal(0, scale, (near, *x.shape)).astype("float32")
    own = explanations(predict, x_train, x, 0)
    described = own[:, 0] + np.einsum("knd,nd->kn", neighbours, own[:, 1:])
    scores = predict(neighbours.reshape(-1, x.shape[1])).numpy().reshape(near, -1)
    far = lambda one, other: float(np.mean(np.sum((one - other) ** 2, axis=-1)))
    return {
        "neighbourhood": float(np.mean((scores - described) ** 2)),
        "stability": far(explanations(predict, x_train, neighbours[0], 1), own),
        "same samples": far(explanations(predict, x_train, neighbours[0], 0), own),
        "local": far(local_slopes(predict, neighbours[0]), local_slopes(predict, x)),
    }


def measure(model, parts, rows):
    """The MSE and the errors, of test rows and, with "val " before the name, of validation rows."""
    found = {}
    for prefix, part in zip(("val ", ""), parts[1:], strict=True):
        found[prefix + "MSE"] = mse(model, part)
        found[prefix + "variance"] = float(np.var(model(part[0])))
        found |= {prefix + error: value for error, value in errors(model, parts[0][0], part[0][:rows]).items()}
    return found


def compare(name, options):
    """Means and standard deviations over the seeds, for the plain model and for every loss and share."""
    setting, found = SETTINGS[name], []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        parts = load(options.data, setting, seed)
        found.append({"case": "linear", "share": 0.0, **measure(linear(parts), parts, options.rows)})
        for case in ["plain", *options.losses]:
            for share in [0.0] if case == "plain" else sorted(options.shares):
                losses = [] if case == "plain" else [LOSSES[case](weight="auto", auto_share=share)]
                model = train(parts, setting, losses, seed, options.batch)
                found.append({"case": case, "share": share, **measure(model, parts, options.rows)})
    table = pd.DataFrame(found).groupby(["case", "share"], sort=False)
    return table.mean(), table.std()


def choose(means, case, aim):
    """The smallest share with which the error of validation rows falls to `1 / aim`, None if there is none."""
    error = "val stability" if "Stability" in case else "val neighbourhood"
    ratios = means[error] / means.loc["plain", error].iloc[0]
    return next((share for share, ratio in ratios.loc[case].items() if ratio <= 1 / aim), None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with the three files")
    parser.add_argument("--sets", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--losses", nargs="*", default=list(LOSSES), choices=list(LOSSES))
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0, help="of splits and networks")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rows", type=int, default=100, help="rows of validation and test that are explained")
    options = parser.parse_args()
    for name in options.sets:
        means, deviations = compare(name, options)
        print(name, means.round(5).to_string(), deviations.round(5).to_string(), sep="\n")
        print((means / means.loc["plain"].iloc[0]).round(3).to_string())
        for case in options.losses:
            print(case, "smallest share that does it in validation:", choose(means, case, SETTINGS[name].aim))
        print("published (MSE, neighbourhood), plain and ExpO:", *SETTINGS[name][-2:], flush=True)


if __name__ == "__main__":
    main()
