"""`evaluate` and its labels: those that the model has no output for are an error before anything is explained."""

import keras
import numpy as np
import pandas as pd
import pytest

import tf_xai as xai
from tests.models import binary, linear, mlp, regression, tokens, two_outputs


@pytest.fixture
def data(rng):
    return (rng.normal(size=(40, 4)).astype("float32"),)


LABELS = [
    (mlp, [0, 1, 3, 7], "Expected: classes from 0 to 2. Received: 3, 7 in rows 2, 3"),
    (mlp, [0, -1, 1, 1], "Expected: classes from 0 to 2. Received: -1 in row 1"),
    (mlp, [0, 0.5, 1, 1], "Received: 0.5 in row 1"),
    (mlp, [0, np.nan, 1, 1], "Received: nan in row 1"),
    (mlp, [[0], [1], [3], [1]], "Received: 3 in row 2"),
    (mlp, np.eye(4), r"entries for outputs of shape \(4, 3\). Received: shape \(4, 4\)"),
    (mlp, ["a", "b", "c", "d"], "Expected: numbers"),
    (binary, [0, 1, 2, 1], "Expected: classes from 0 to 1. Received: 2 in row 2"),
    (binary, np.eye(4), r"Received: shape \(4, 4\)"),
]


@pytest.mark.parametrize(("build", "y", "said"), LABELS)
def test_labels_that_the_model_has_no_output_for(build, y, said, data, monkeypatch):
    monkeypatch.setattr("tf_xai.evaluating._values", lambda *_: pytest.fail("has begun to explain"))
    with pytest.raises(ValueError, match=f"`y` must fit the model's outputs. .*{said}"):
        xai.evaluate(build(), data[0][:4], y, "gradient_input", "sparseness")


def test_labels_of_the_second_of_two_explainers(data, monkeypatch):
    """Are looked at before the first one has explained anything."""
    monkeypatch.setattr("tf_xai.evaluating._values", lambda *_: pytest.fail("has begun to explain"))
    explainers = {name: xai.Explainer("gradient_input", output=name) for name in ("amount", "label")}
    y = {"label": np.full(40, 3), "amount": np.ones(40)}
    with pytest.raises(ValueError, match=r"classes from 0 to 2. Received: 3 in rows"):
        xai.evaluate(two_outputs(), data[0], y, explainers, "sparseness")


@pytest.mark.parametrize(
    ("build", "y"),
    [
        (mlp, np.arange(6) % 3),
        (mlp, np.arange(6.0)[:, None] % 3),
        (mlp, np.eye(3)[np.arange(6) % 3]),
        (mlp, pd.Series(np.arange(6) % 3, index=range(10, 16))),
        (binary, np.linspace(0, 1, 6)),
        (regression, np.linspace(-5, 5, 6)),
        (lambda: linear(np.ones((4, 1), "float32")), np.arange(6) + 7),
        (lambda: tokens(classes=2), np.arange(6) % 2),
    ],
)
def test_labels_that_fit(build, y, rng):
    model = build()
    x = rng.integers(0, 10, (6, 5)) if model.inputs[0].dtype == "int32" else rng.normal(size=(6, 4)).astype("float32")
    table = xai.evaluate(model, x, y, "gradient_input", "sparseness", controls=())
    assert np.isfinite(table["sparseness", "mean"]).all()


def test_positions_without_a_class_are_left_out(rng):
    """As in segmentation, where a label such as -1 says that nobody knows."""
    inputs = keras.Input((6, 2))
    model = keras.Model(inputs, keras.layers.Dense(3, "softmax")(inputs))
    y = np.arange(24).reshape(4, 6) % 3
    y[:, :2] = -1
    table = xai.evaluate(model, rng.normal(size=(4, 6, 2)).astype("float32"), y, "gradient_input", "sparseness")
    assert np.isfinite(table.loc["gradient_input", ("sparseness", "mean")])
    with pytest.raises(ValueError, match="`y` must fit the model's outputs"):
        xai.evaluate(model, rng.normal(size=(4, 6, 2)).astype("float32"), y[:, 1:], "gradient_input", "sparseness")
