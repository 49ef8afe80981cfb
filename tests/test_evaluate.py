"""`evaluate`: its table against the metrics themselves, and that it tells good explainers from bad ones."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tf_xai as xai
from tests import token_models
from tests.models import linear, mlp, transformer
from tf_xai.core import randomised
from tf_xai.evaluating import METRICS_BY_DEFAULT, _row

MODELS = Path(__file__).parents[1] / "saved_models"


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


def test_what_an_explanation_costs(data):
    explainers = ["gradient", xai.Explainer("integrated_gradients", steps=16), "occlusion"]
    table = xai.evaluate(mlp(), *data, explainers, "sparseness", batch_size=10)
    cost = table["passes per row"]
    assert list(cost) == ["forward", "backward"] and cost.iloc[3:].isna().all(axis=None), "controls explain nothing"
    assert cost.iloc[:3].to_numpy().tolist() == [[1, 1], [16, 16], [5, 0]]


def test_between_random_and_the_oracle_on_a_linear_model(rng):
    """Contributions are the best order there is, and their opposite is worse than none."""
    x = np.abs(rng.normal(size=(40, 3))).astype("float32")
    explainers = {"true": xai.Explainer("gradient_input"), "exact": xai.Explainer("exact_shap")}
    metrics = {"deletion": {"steps": 3}, "insertion": {"steps": 3}, "comprehensiveness": {}, "sufficiency": {}}
    controls = ("random", "weights", "oracle")
    table = xai.evaluate(
        linear(), x, np.zeros(40, "int32"), explainers, {**metrics, "sparseness": {}}, controls=controls
    )
    assert list(table.index) == ["true", "exact", *controls]
    for metric in metrics:
        normalised = table[metric, "normalised"]
        np.testing.assert_allclose(normalised[["true", "exact", "oracle"]], 1, rtol=1e-4)
        assert normalised["random"] == 0 and normalised["weights"] < 0.9
    assert table["sparseness", "normalised"].isna().all() and np.isnan(table.loc["oracle", ("sparseness", "mean")])
    # Where the largest slope is the smallest contribution, the slopes are an order for the worse.
    steep = x * [4.0, 1.0, 0.2] + [8.0, 2.0, 0.5]
    against = linear(np.array([[1.0], [2.0], [6.0]], "float32"))
    table = xai.evaluate(against, steep.astype("float32"), None, "gradient", metrics, controls=("random", "oracle"))
    assert all(table.loc["gradient", (metric, "normalised")] < -0.5 for metric in metrics)


def test_normalised_needs_both_ends(data):
    for controls in (("random",), ("oracle",), ()):
        table = xai.evaluate(mlp(), *data, "gradient_input", "deletion", controls=controls)
        assert list(table["deletion"]) == ["mean", "low", "high", "rows"]


@pytest.mark.parametrize("name", ["digits_plain", "digits_right_reasons"])
def test_oracle_then_explainer_then_random_on_digits(name):
    _, (x, y) = xai.datasets.digits()
    shown, _ = xai.datasets.decoy(x[::50], y[::50], informative=False, seed=1)
    model = keras.saving.load_model(MODELS / f"{name}.keras")
    patches = {"regions": "patches"}
    metrics = {"deletion": patches, "insertion": patches}
    table = xai.evaluate(model, shown, y[::50], "integrated_gradients", metrics, controls=("random", "oracle"))
    deletion, insertion = table["deletion", "mean"], table["insertion", "mean"]
    assert deletion["oracle"] < deletion["integrated_gradients"] < deletion["random"]
    assert insertion["oracle"] > insertion["integrated_gradients"] > insertion["random"]
    with pytest.raises(ValueError, match=r"at most 64 of them. Received: 784 in a row. Pass `regions=`"):
        xai.evaluate(model, shown[:2], None, "gradient", "deletion", controls="oracle")


def test_rows_that_are_no_numbers_are_left_out(data):
    x, y = data[0].copy(), data[1]
    x[3] = np.nan
    table = xai.evaluate(mlp(), x, y, "gradient_input", ["deletion", "sparseness"], controls="random")
    clean = xai.evaluate(mlp(), np.delete(x, 3, 0), np.delete(y, 3), "gradient_input", "deletion", controls=())
    assert (table["deletion", "rows"] == 39).all() and clean["deletion", "rows"].tolist() == [39]
    assert np.isfinite(table["deletion"]).all(axis=None)


def test_the_bounds_cover_the_mean_as_often_as_they_say(rng):
    """A mean of 30 exponential draws, 400 times."""
    draws = rng.exponential(size=(400, 30))
    rows = [_row({"metric": each}, {}, 0.9) for each in draws]
    covered = np.mean([row["metric", "low"] < 1 < row["metric", "high"] for row in rows])
    assert 0.82 < covered < 0.93


def test_what_goes_wrong(data):
    with pytest.raises(ValueError, match="Unknown `controls`"):
        xai.evaluate(mlp(), *data, controls=["oracel"])
    with pytest.raises(ValueError, match="`confidence` must lie between 0 and 1"):
        xai.evaluate(mlp(), *data, confidence=95)
    with pytest.raises(ValueError, match="an entry for every row"):
        xai.evaluate(mlp(), data[0], data[1][:3])
    with pytest.raises(ValueError, match="`metrics` must name at least one"):
        xai.evaluate(mlp(), *data, metrics=())
    with pytest.raises(ValueError, match="`explainers` must name at least one"):
        xai.evaluate(mlp(), *data, explainers=[])
    with pytest.raises(ValueError, match=r"`x` must be rows to explain. Received: None."):
        xai.evaluate(mlp(), None)
    with pytest.raises(ValueError, match=r"`evidence` must be masks.*Expected: \(40, 4\). Received: \(40, 3\)"):
        xai.evaluate(mlp(), *data, "gradient", "relevance_mass", evidence=np.ones((40, 3)))
    with pytest.raises(ValueError, match=r"different names. Received \['random'\] as both"):
        xai.evaluate(mlp(), *data, explainers={"random": "gradient"})


def test_no_scale_where_the_oracle_fails():
    """Two features of which either suffices: without one of them nothing changes, so it leaves both to the end."""
    either = keras.layers.Lambda(
        lambda x: keras.ops.maximum(x[:, :1], x[:, 1:2]) + 0.01 * keras.ops.sum(x[:, 2:], 1, True)
    )
    model = keras.Sequential([keras.Input((12,)), either])
    x = np.ones((20, 12), "float32")
    table = xai.evaluate(model, x, None, "gradient_input", "deletion", controls=("random", "oracle"))
    assert table.loc["oracle", ("deletion", "mean")] > table.loc["random", ("deletion", "mean")]
    assert table["deletion", "normalised"].isna().all()


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_token_ids_by_default(dtype, rng):
    """All metrics but the one that moves inputs; ids that a model takes as floats are ids all the same."""
    model, ids = token_models.build(dtype=dtype), token_models.draw_ids(rng)
    table = xai.evaluate(model, ids, np.array([0, 1, 2, 0]), ["gradient_input", "integrated_gradients"])
    seen = [metric for metric in table.columns.get_level_values(0).unique() if metric in METRICS_BY_DEFAULT]
    assert seen == ["deletion", "insertion", "faithfulness_correlation", "sparseness"]
    assert np.isfinite(table.loc["integrated_gradients", [(metric, "mean") for metric in seen]]).all()
    with pytest.raises(ValueError, match="`max_sensitivity` moves floating inputs a little, and there are none"):
        xai.evaluate(model, ids, None, "gradient_input", "max_sensitivity")


def test_ids_beside_numbers_have_all_metrics(rng):
    """The numbers can move. (That the ids stay meanwhile is tested with the metric.)"""
    inputs = {"ids": keras.Input((3,), dtype="int32", name="ids"), "x": keras.Input((2,), name="x")}
    vectors = keras.layers.Flatten()(keras.layers.Embedding(9, 2, "random_normal")(inputs["ids"]))
    model = keras.Model(inputs, keras.layers.Dense(3, "softmax")(keras.layers.Concatenate()([vectors, inputs["x"]])))
    rows = {"ids": rng.integers(1, 9, (4, 3)), "x": rng.normal(size=(4, 2)).astype("float32")}
    table = xai.evaluate(model, rows, None, "gradient_input", controls=())
    assert np.isfinite(table.loc["gradient_input", [(metric, "mean") for metric in METRICS_BY_DEFAULT]]).all()


@pytest.mark.parametrize("method", ["attention_rollout", "attention_relevance"])
def test_methods_that_look_into_a_model_of_tokens(method, rng):
    """Their values are of tokens, which come and go at the embedding, as those of other methods."""
    model, ids = transformer(), rng.integers(1, 10, (5, 6))
    metric = {"deletion": {"regions": "tokens", "steps": 6}}
    table = xai.evaluate(model, ids, np.zeros(5, int), method, metric, controls=("random", "oracle"))
    values = xai.explain(model, ids, np.zeros(5, int), method=method, verbose=0).values
    bound = xai.Explainer("gradient").bind(model)
    place = bound.place(ids)
    own = xai.metrics.deletion(
        place, place.points(ids), np.zeros(5, "int32"), place.spread(values), **metric["deletion"]
    )
    assert table.loc[method, ("deletion", "mean")] == pytest.approx(np.mean(own), rel=1e-4)
    assert table.loc["oracle", ("deletion", "mean")] < table.loc["random", ("deletion", "mean")]


def test_the_weights_control_moves_with_random_weights(rng):
    """Both what was said before and what is said nearby are of the model without what it has learnt."""
    x, model = tf.constant(rng.normal(size=(12, 4)), tf.float32), mlp()
    options = {"max_sensitivity": {"samples": 3}, "local_lipschitz": {"samples": 3}, "deletion": {"steps": 4}}
    table = xai.evaluate(model, x, np.zeros(12, int), "gradient", options, controls="weights")
    copy, target = mlp(), tf.zeros(12, tf.int32)
    copy.set_weights([values for _, values in randomised.draws(model.weights, 0)])
    drawn, own = (xai.Explainer("gradient").bind(each) for each in (copy, model))
    for name in ("max_sensitivity", "local_lipschitz"):
        expected = xai.metrics.METRICS[name](None, x, target, drawn(x, target), explain=drawn, **options[name])
        assert table.loc["weights", (name, "mean")] == pytest.approx(np.mean(expected), rel=1e-3)
    # What the score does is still that of the model as it is.
    expected = xai.metrics.deletion(own.score, x, target, drawn(x, target), steps=4)
    assert table.loc["weights", ("deletion", "mean")] == pytest.approx(np.mean(expected), rel=1e-3)


def test_the_weights_control_of_a_frozen_model(rng):
    """Has other weights, too: what was learnt is lost, whoever may train it on."""
    x, (free, frozen) = rng.normal(size=(30, 4)).astype("float32"), (mlp(), mlp())
    frozen.set_weights(free.get_weights())
    frozen.trainable = False
    tables = [
        xai.evaluate(model, x, None, "gradient_input", "deletion", controls="weights") for model in (free, frozen)
    ]
    first, second = (table["deletion", "mean"] for table in tables)
    np.testing.assert_allclose(first, second, rtol=1e-5)
    assert second["weights"] > second["gradient_input"]
