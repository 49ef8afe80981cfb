"""Three regressions: how well LIME describes a model and how steady it is, with and without the LIME losses.

The protocol of ExpO (Plumb et al., 2020): standardised columns and target, 50/25/25 split, fully connected networks of
the authors' sizes, Adam 1e-3, batch 128 with the penalty on 16 of the rows, the weight a share of the task loss at the
start, stop at the best validation loss (penalty included). Rows with the same features stay on one side of the split.

Two errors are those of the lime package on test rows, with neighbours x' ~ N(x, 0.1^2): the mean squared difference of
the model and the explanation of x at x', and the squared distance of the explanations of x and of x'. (The authors'
code explains x again for the latter, and so has LIME's sampling noise only; its published figures are not comparable.)

Of the shares the largest is taken whose validation MSE is close to that of the plain model; test rows have no say.
`--data` is a folder with autompg.csv.gz and winequality_red.csv.gz (UCI, https://archive.ics.uci.edu/dataset/9 and /186)
and boston_housing_expo.csv.gz (Datasets/housing.csv of https://github.com/GDPlumb/ExpO), each with a header row.
"""

import pathlib
from typing import NamedTuple

import keras
import lime.lime_tabular
import numpy as np
import pandas as pd
import tensorflow as tf

import tf_xai as xai


class Setting(NamedTuple):
    """A data set with the network that the authors use for it, and their figures: (MSE, neighbourhood error)."""

    file: str
    target: str
    depth: int
    width: int
    plain: tuple
    expo: tuple


SETTINGS = {
    "auto mpg": Setting("autompg.csv.gz", "mpg", 2, 200, (0.14, 0.041), (0.13, 0.011)),
    "housing": Setting("boston_housing_expo.csv.gz", "MEDV", 5, 100, (0.14, 0.14), (0.15, 0.057)),
    "wine": Setting("winequality_red.csv.gz", "quality", 4, 300, (0.65, 0.033), (0.64, 0.0025)),
}
SHARES = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1)  # the authors'
BATCH, PENALIZED = 128, 16


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


def train(parts, setting, losses, seed):
    """The outputs of a trained model, as a function of rows."""
    keras.utils.set_random_seed(seed)
    (x, y), validation, _ = parts
    layer = lambda: [keras.layers.Dense(setting.width), keras.layers.LeakyReLU(0.2)]
    hidden = [part for _ in range(setting.depth) for part in layer()]
    base = keras.Sequential([keras.Input(x.shape[1:]), *hidden, keras.layers.Dense(1)])
    # Ten of the authors' epochs at a time: validation after each one would take most of the time.
    steps = 10 * (len(x) // BATCH)
    model = xai.compile(
        base,
        keras.optimizers.Adam(1e-3),
        "mse",
        explanation_loss=losses,
        penalize_validation=True,
        steps_per_execution=steps,
    )
    rows = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=seed).repeat()
    batches, validation = rows.batch(BATCH, drop_remainder=True), tf.data.Dataset.from_tensors(validation)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=5, restore_best_weights=True)
    options = {"steps_per_epoch": steps, "epochs": 100, "callbacks": [stop], "verbose": 0}
    model.fit(batches, validation_data=validation, **options)
    return tf.function(lambda rows: base(rows)[:, 0], reduce_retracing=True)


def mse(predict, rows):
    x, y = rows
    return float(np.mean(np.square(predict(x) - y)))


def explanations(predict, x_train, x, seed=0):
    """Intercept and slopes that the lime package gives for every row, `(rows, 1 + columns)`."""
    explainer = lime.lime_tabular.LimeTabularExplainer(
        x_train, mode="regression", discretize_continuous=False, random_state=seed
    )
    found = np.zeros((len(x), 1 + x.shape[1]))
    scores = lambda z: predict(tf.constant(z, tf.float32)).numpy()
    for row, out in zip(x, found, strict=True):
        explanation = explainer.explain_instance(row, scores, num_features=len(row), num_samples=1000)
        for feature, weight in explanation.local_exp[1]:
            out[1 + feature] = weight / explainer.scaler.scale_[feature]
        out[0] = explanation.intercept[1] - out[1:] @ explainer.scaler.mean_
    return found


def errors(predict, x_train, x, scale=0.1, near=5):
    """The error of the explanations around their rows, and how far they are from those of the neighbours."""
    own = explanations(predict, x_train, x)
    neighbours = x + np.random.default_rng(0).normal(0, scale, (near, *x.shape)).astype("float32")
    described = own[:, 0] + np.einsum("knd,nd->kn", neighbours, own[:, 1:])
    scores = predict(neighbours.reshape(-1, x.shape[1])).numpy().reshape(near, -1)
    others = explanations(predict, x_train, neighbours.reshape(-1, x.shape[1]), seed=1).reshape(near, *own.shape)
    return {
        "neighbourhood": float(np.mean((scores - described) ** 2)),
        "stability": float(np.mean(np.sum((others - own) ** 2, axis=-1))),
    }
