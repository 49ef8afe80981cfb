"""Panels: which lines there are, and of which weights the controls are."""

import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.models import mlp, transformer
from tf_xai import metrics
from tf_xai.core import randomised
from tf_xai.metrics.panel import Panel, read

OF_WEIGHTS = ("random_logit", "efficient_mprt", "parameter_randomisation")


@pytest.fixture
def x(rng):
    return tf.constant(rng.normal(size=(12, 4)), tf.float32)


def with_drawn_weights(model):
    """A copy of the model that has the weights of the control."""
    copy = mlp()
    copy.set_weights([values for _, values in randomised.draws(model.weights, 0)])
    return copy


def test_metrics_that_draw_weights_have_no_control_of_random_weights(x):
    """They would compare one and the same draw, or two of them, and say nothing of what was learnt."""
    bound = {"gradient": xai.Explainer("gradient").bind(mlp())}
    lines = Panel(bound, read([*OF_WEIGHTS, "sparseness"]), ("random", "weights"))(x, None)
    controls = {line for line in lines if line.endswith(("_random", "_weights"))}
    random = {f"xai_{name}_random" for name in (*OF_WEIGHTS, "sparseness")}
    assert controls == random | {"xai_random_logit_weights", "xai_sparseness_weights"}


def test_random_logit_compares_two_classes_of_the_same_weights(x):
    model, target = mlp(), tf.constant(np.arange(12) % 3, tf.int32)
    lines = Panel({"gradient": xai.Explainer("gradient").bind(model)}, read("random_logit"), ("weights",))(x, target)
    for line, each in (("xai_random_logit", model), ("xai_random_logit_weights", with_drawn_weights(model))):
        explain = xai.Explainer("gradient").bind(each)
        expected = metrics.random_logit(explain.score, x, target, explain(x, target), explain=explain)
        np.testing.assert_allclose(lines[line], expected, atol=1e-5)


def test_of_two_classes_the_control_is_as_opposite_as_the_explanation(x):
    """What any weights say of two softmax outputs are gradients of opposite sign."""
    bound = {"gradient": xai.Explainer("gradient").bind(mlp(classes=2))}
    lines = Panel(bound, read("random_logit"), ("weights",))(x, tf.zeros(12, tf.int32))
    for values in lines.values():
        np.testing.assert_allclose(values, -np.ones(12), rtol=1e-5)


def test_evaluate_leaves_the_control_out_of_such_metrics(x):
    table = xai.evaluate(mlp(), x, None, "gradient", OF_WEIGHTS)
    means = table.loc["weights", [(name, "mean") for name in OF_WEIGHTS]]
    assert np.isfinite(means["random_logit", "mean"])
    assert np.isnan(means["efficient_mprt", "mean"]) and np.isnan(means["parameter_randomisation", "mean"])
    assert np.isfinite(table.loc["random", [(name, "mean") for name in OF_WEIGHTS]]).all()


PAIRS = [
    ("attention", r"\(rows, heads, queries, keys\)"),
    (xai.Explainer("attention_rollout", token="all"), r"\(rows, tokens, tokens\)"),
]


@pytest.mark.parametrize(("explainer", "shape"), PAIRS)
def test_weights_of_pairs_are_not_judged(explainer, shape, rng):
    ids, options = rng.integers(1, 10, (5, 6)), {"deletion": {"regions": "tokens"}}
    words = rf"gives weights of pairs, {shape}, which metrics of inputs can not judge\. Take 'attention_rollout' or"
    for refuse in (
        lambda: xai.evaluate(transformer(), ids, None, ["gradient", explainer], options),
        lambda: xai.callbacks.ExplanationMetrics(ids, None, {"raw": explainer}, options),
        lambda: metrics.ExplanationMetric("deletion", explainer, regions="tokens"),
    ):
        with pytest.raises(ValueError, match=words):
            refuse()
