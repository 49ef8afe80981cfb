"""`evaluate`: its table against the metrics themselves, and that it tells good explainers from bad ones."""

import numpy as np
import pandas as pd
import pytest

import tf_xai as xai
from tests.models import linear, mlp


@pytest.fixture
def data(rng):
    x = rng.normal(size=(40, 4)).astype("float32")
    return x, (x[:, 0] > 0).astype("int32")


def test_the_table_has_the_means_of_the_metrics(data):
    model = mlp()
    metrics = {"deletion": {"steps": 4}, "lime_fidelity": {}}
    table = xai.evaluate(model, *data, ["gradient_input", "integrated_gradients"], metrics, batch_size=15)
    assert isinstance(table, pd.DataFrame)
    assert list(table.index) == ["gradient_input", "integrated_gradients", "random", "weights"]
    bound = xai.Explainer("gradient_input").bind(model)
    expected = xai.metrics.deletion(bound.score, *data, bound(*data), steps=4).numpy()
    row = table.loc["gradient_input"]
    assert row["deletion", "mean"] == pytest.approx(expected.mean(), rel=1e-4)
    spread = expected.std() / np.sqrt(40)
    assert row["deletion", "low"] == pytest.approx(expected.mean() - 1.96 * spread, abs=0.3 * spread)
    assert row["deletion", "high"] == pytest.approx(expected.mean() + 1.96 * spread, abs=0.3 * spread)
    assert list(table["deletion"]) == ["mean", "low", "high", "rows"]
    assert row["deletion", "rows"] == 40 and row["seconds", "all rows"] > 0
    assert np.isnan(table.loc["random", ("lime_fidelity", "mean")]), "a metric of the model has no control"


def test_exact_contributions_beat_the_controls(rng):
    """On a linear model every metric knows the answer."""
    x = rng.normal(size=(30, 3)).astype("float32")
    metrics = ["faithfulness_correlation", "deletion"]
    table = xai.evaluate(linear(), x, explainers=["gradient_input", "gradient"], metrics=metrics)
    assert table.loc["gradient_input", ("faithfulness_correlation", "mean")] == pytest.approx(1, abs=1e-5)
    for control in ("random", "weights"):
        assert table.loc[control, ("faithfulness_correlation", "high")] < 0.9
        assert table.loc["gradient_input", ("deletion", "mean")] < table.loc[control, ("deletion", "mean")]


def test_undefined_rows_are_left_out(data):
    x, y = data[0].copy(), data[1]
    x[:10] = 0
    table = xai.evaluate(mlp(), x, y, "gradient_input", "sparseness", controls=())
    assert table["sparseness", "rows"].tolist() == [30] and np.isfinite(table["sparseness", "mean"]).all()
    nothing = xai.evaluate(mlp(), 0 * x, y, "gradient_input", "sparseness", controls=())
    assert np.isnan(nothing["sparseness", "mean"]).all()


def test_the_model_is_left_alone(data):
    model = mlp()
    weights = model.get_weights()
    xai.evaluate(model, *data, "gradient_input", ["parameter_randomisation"])
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_what_goes_wrong(data):
    with pytest.raises(ValueError, match="Unknown `controls`"):
        xai.evaluate(mlp(), *data, controls=["oracle"])
    with pytest.raises(ValueError, match="`confidence` must lie between 0 and 1"):
        xai.evaluate(mlp(), *data, confidence=95)
    with pytest.raises(ValueError, match="an entry for every row"):
        xai.evaluate(mlp(), data[0], data[1][:3])
