"""Explainer: options that are checked, kept and compared; and what a bound one does."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests import models
from tests.models import WEIGHTS
from tf_xai.core.baselines import Samples


def test_options_are_read_with_their_defaults():
    explainer = xai.Explainer("integrated_gradients", steps=16)
    assert (explainer.option("steps"), explainer.option("baseline"), explainer.option("layer")) == (16, "zeros", None)
    assert explainer.has("tolerance") and not explainer.has("layer")
    assert repr(explainer) == "Explainer('integrated_gradients', steps=16)"


def test_replace_changes_a_copy():
    explainer = xai.Explainer("integrated_gradients", steps=16, space="logit")
    other = explainer.replace(steps=4, rule="riemann")
    assert repr(other) == "Explainer('integrated_gradients', space='logit', steps=4, rule='riemann')"
    assert explainer.options == {"steps": 16}


@pytest.mark.parametrize(("name", "nearest"), [("step", "steps"), ("space_", "space"), ("base_line", "baseline")])
def test_an_unknown_option_suggests_the_nearest(name, nearest):
    with pytest.raises(TypeError, match=f"has no option '{name}'.*Did you mean '{nearest}'"):
        xai.Explainer("integrated_gradients", **{name: 1})


def test_unknown_methods_and_spaces():
    with pytest.raises(ValueError, match=r"Unknown `method`.*Did you mean 'grad_cam'"):
        xai.Explainer("gradcam")
    with pytest.raises(ValueError, match="Unknown `space`"):
        xai.Explainer("gradient", space="softmax").bind(models.mlp())


def test_binding_again_gives_the_same(rng):
    model, background = models.mlp(), rng.normal(size=(3, 4))
    bind = lambda **options: xai.Explainer("expected_gradients", background=background.copy(), **options).bind(model)
    assert bind() is bind()
    assert bind() is not bind(samples=3)
    before = bind()
    background[0] = 0
    assert bind() is not before


def test_another_loss_is_another_score(rng):
    model = models.mlp(final=None)
    explainer = xai.Explainer("gradient", space="probability")
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    first = explainer.bind(model)
    assert explainer.bind(model) is first
    model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True))
    second = explainer.bind(model)
    assert (first.score.link.kind, second.score.link.kind) == ("softmax", "sigmoid")


def test_weights_that_change_are_seen(linear, x):
    bound = xai.Explainer("gradient").bind(linear)
    target = np.zeros(5, int)
    np.testing.assert_allclose(bound(x, target), np.tile(WEIGHTS[:, 0], (5, 1)))
    linear.set_weights([2 * WEIGHTS, np.zeros(2)])
    np.testing.assert_allclose(bound(x, target), np.tile(2 * WEIGHTS[:, 0], (5, 1)))


def test_a_report_says_what_is_explained(linear, x):
    report = xai.Explainer("integrated_gradients", steps=2, baseline=1.0).bind(linear).report(x)
    target = np.argmax(x @ WEIGHTS, axis=1)
    np.testing.assert_array_equal(report["target"], target)
    np.testing.assert_allclose(report["score"], np.max(x @ WEIGHTS, axis=1), rtol=1e-5)
    np.testing.assert_allclose(report["baseline_score"], WEIGHTS.sum(axis=0)[target], rtol=1e-5)
    np.testing.assert_allclose(report["values"], (x - 1) * WEIGHTS.T[target], rtol=1e-5, atol=1e-6)
    assert xai.Explainer("gradient").bind(linear).report(x)["baseline_score"] is None


def test_the_baseline_score_of_other_rows_is_their_mean(linear, x):
    report = xai.Explainer("expected_gradients", samples=4).bind(linear).report(x, np.ones(5, int))
    scores = x @ WEIGHTS[:, 1]
    np.testing.assert_allclose(report["baseline_score"], (scores.sum() - scores) / 4, rtol=1e-4, atol=1e-5)
    total = tf.reduce_sum(report["values"], axis=1)
    np.testing.assert_allclose(total, report["score"] - report["baseline_score"], rtol=1e-4, atol=1e-5)


def test_inside_a_function_it_joins_the_graph_and_can_be_differentiated(x):
    model = models.regression(3)
    bound = xai.Explainer("gradient").bind(model)

    @tf.function(autograph=False)
    def slopes(inputs):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(bound(inputs) ** 2)
        return tape.gradient(loss, model.layers[0].kernel)

    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(bound.attribute(tf.constant(x)) ** 2)
    np.testing.assert_allclose(slopes(x), tape.gradient(loss, model.layers[0].kernel), rtol=1e-5, atol=1e-7)


def test_options_that_are_objects_round_trip(linear, x, rng):
    explainer = xai.Explainer("integrated_gradients", baseline=Samples(rng.normal(size=(4, 3)).astype("float32")))
    again = xai.Explainer.from_config(explainer.get_config())
    target = np.zeros(5, int)
    np.testing.assert_array_equal(again.bind(linear)(x, target), explainer.bind(linear)(x, target))


def test_a_variable_is_an_array(linear, x):
    start = np.float32([1.0, -1.0, 0.5])
    values = lambda baseline: xai.explain(linear, x, 0, baseline=baseline, verbose=0).values
    for variable in (tf.Variable(start), keras.Variable(start)):
        np.testing.assert_array_equal(values(variable), values(start))
        variable.assign(2 * start)
        np.testing.assert_array_equal(values(variable), values(2 * start))
