"""ExplanationMetric: the mean of a metric in a model, at inputs, embeddings and layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.models import cnn, mlp, tokens
from tf_xai.metrics import METRICS, ExplanationMetric
from tf_xai.metrics.registry import options_of

MOVING = ("local_lipschitz", "max_sensitivity")


@pytest.fixture
def images(rng):
    return rng.normal(size=(6, 8, 8, 1)).astype("float32"), np.arange(6) % 3


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_the_mean_of_its_function(name, rng):
    x, y, model = rng.normal(size=(6, 4)).astype("float32"), np.arange(6) % 3, mlp()
    evidence = rng.random(x.shape) < 0.5
    metric = ExplanationMetric(name, "gradient_input").bind(model)
    for part in (slice(4), slice(4, 6)):
        metric.update_state(x[part], y[part], evidence[part])
    bound = xai.Explainer("gradient_input").bind(model)
    given = {"evidence": evidence, "explain": bound, "baseline_score": None}
    asked = {option: value for option, value in given.items() if option in options_of(METRICS[name])}
    x, y = tf.constant(x), tf.constant(y, tf.int32)
    expected = tf.function(lambda: METRICS[name](bound.score, x, y, bound(x, y), **asked))()
    if name != "random_logit":  # which draws another class for every place in the batch
        assert float(metric.result()) == pytest.approx(np.nanmean(expected), rel=1e-3, abs=1e-5)
    metric.reset_state()
    assert np.isnan(metric.result())


@pytest.mark.parametrize("name", [name for name in METRICS if name not in MOVING])
def test_token_ids_are_judged_at_their_embedding(name, rng):
    """A model that adds up its tokens: every metric says so."""
    ids = keras.Input((5,), dtype="int32")
    vectors = keras.layers.Embedding(9, 3, "normal")(ids)
    model = keras.Model(ids, keras.layers.Dense(1)(keras.layers.Flatten()(vectors)))
    x = rng.integers(1, 9, (6, 5)).astype("int32")
    if name == "random_logit":
        model = tokens()
    metric = ExplanationMetric(name, "integrated_gradients").bind(model)
    metric.update_state(x, np.zeros(6, int) if name == "random_logit" else None, rng.random(x.shape) < 0.5)
    exact = {"completeness": 0, "infidelity": 0} | dict.fromkeys(
        ("faithfulness_correlation", "faithfulness_estimate", "sensitivity_n", "monotonicity", "lime_fidelity"), 1
    )
    value = float(metric.result())
    assert value == pytest.approx(exact[name], abs=1e-4) if name in exact else np.isfinite(value)


@pytest.mark.parametrize("name", ["deletion", "faithfulness_estimate", "completeness"])
def test_a_layer_is_judged_where_it_is_explained(name, images):
    (x, y), model = images, cnn()
    metric = ExplanationMetric(name, xai.Explainer("gradient_input", layer="last")).bind(model)
    metric.update_state(x, y)
    behind = keras.Sequential(model.layers[model.layers.index(model.get_layer("last")) + 1 :])
    seen = keras.Model(model.input, model.get_layer("last").output)(x)
    bound = xai.Explainer("gradient_input").bind(behind)
    expected = METRICS[name](bound.score, seen, y, bound(seen, y))
    assert float(metric.result()) == pytest.approx(np.mean(expected), rel=1e-3)


def test_evidence_of_inputs_says_nothing_of_a_layer(images):
    metric = ExplanationMetric("relevance_mass", xai.Explainer("gradient_input", layer="last")).bind(cnn())
    with pytest.raises(ValueError, match="Evidence is about inputs"):
        metric.update_state(*images, np.ones((6, 8, 8, 1)))


def test_undefined_rows_do_not_count(images):
    (x, y), metric = images, ExplanationMetric("pointing_game", "gradient")
    evidence = np.ones_like(x)
    evidence[2:] = 0
    metric.bind(cnn()).update_state(x, y, evidence)
    assert float(metric.result()) == 1


def test_fresh_copies_share_no_state(images):
    """Options and explainer are kept; mean, model and, if asked, name are their own."""
    metric = ExplanationMetric("deletion", xai.Explainer("gradient", output=0), name="mine", steps=4).bind(cnn())
    metric.update_state(*images)
    copy, renamed = metric.fresh(), metric.fresh("other")
    assert copy.get_config() == metric.get_config() and renamed.get_config() == {**metric.get_config(), "name": "other"}
    assert copy.bound is None and np.isnan(copy.result()) and np.isfinite(metric.result())


def test_rows_that_are_not_counted():
    metric = ExplanationMetric()
    metric.add(tf.constant([1.0, np.nan, 3.0, 5.0]), tf.constant([True, True, True, False]))
    assert float(metric.result()) == 2
    metric.add(tf.constant([8.0, np.inf]))
    assert float(metric.result()) == 4


def test_which_metrics_need_evidence():
    needing = {name for name in METRICS if ExplanationMetric(name, "gradient").needs_evidence == "relevant"}
    assert needing == {"average_precision", "localisation_iou", "pointing_game", "relevance_mass", "relevance_rank"}


def test_round_trip():
    metric = ExplanationMetric("deletion", xai.Explainer("lime", samples=50), steps=4, regions="patches", name="mine")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert (copy.metric, copy.name, copy.options) == ("deletion", "mine", {"steps": 4, "regions": "patches"})
    assert copy.explainer.options == {"samples": 50}
    assert ExplanationMetric("insertion").name == "xai_insertion"


def test_what_goes_wrong(images):
    with pytest.raises(ValueError, match="Did you mean 'deletion'"):
        ExplanationMetric("deletions")
    with pytest.raises(TypeError, match=r"`deletion` has no option 'step'.*Did you mean 'steps'"):
        ExplanationMetric("deletion", step=3)
    with pytest.raises(TypeError, match="no option 'explain'"):
        ExplanationMetric("max_sensitivity", explain=len)
    with pytest.raises(ValueError, match=r"call `bind\(model\)` first.*`explanation_metrics=`"):
        ExplanationMetric().update_state(*images)
    with pytest.raises(ValueError, match="`relevance_mass` needs evidence"):
        ExplanationMetric("relevance_mass").bind(cnn()).update_state(*images)
    with pytest.raises(ValueError, match="`max_sensitivity` moves floating inputs"):
        ExplanationMetric("max_sensitivity").bind(tokens()).update_state(tf.ones((2, 5), tf.int32), tf.zeros(2))


@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize("argument", ["metrics", "weighted_metrics"])
def test_among_the_metrics_of_keras(argument, bound, rng):
    """Which are given labels and outputs: of an autoencoder, these would pass for inputs and labels."""
    model, x = mlp(inputs=3, classes=3), rng.normal(size=(6, 3)).astype("float32")
    metric = ExplanationMetric("deletion")
    model.compile("sgd", "mse", **{argument: [metric.bind(model) if bound else metric]})
    with pytest.raises(TypeError, match=r"`xai\.compile\(\.\.\., explanation_metrics=\[\.\.\.\]\)`"):
        model.fit(x, x, verbose=0)


def test_inside_a_graph(rng):
    x, metric = tf.constant(rng.normal(size=(6, 4)), tf.float32), ExplanationMetric("deletion").bind(mlp())
    step = tf.function(lambda x: metric.update_state(x) or metric.result())
    inside = float(step(x))
    metric.reset_state()
    metric.update_state(x)
    assert inside == pytest.approx(float(metric.result()), rel=1e-5)
