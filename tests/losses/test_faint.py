"""Damped gradients of ratios."""

import numpy as np
import tensorflow as tf

import tf_xai as xai
from tests.losses.models import rows, weight_gradients
from tests.models import mlp
from tf_xai.losses.faint import damped


def test_the_penalty_stays_and_its_gradient_is_damped():
    """By the size over the median of those counted, three of them: 2."""
    size, counted = tf.constant([0.0, 1, 2, 4, 8]), tf.constant([True, True, True, True, False])
    ratio = tf.Variable([1.0, 2, 3, 4, 5])
    with tf.GradientTape() as tape:
        penalty = damped(ratio, size, counted)
    np.testing.assert_array_equal(penalty, ratio)
    np.testing.assert_allclose(tape.gradient(penalty, ratio), [0, 0.5, 1, 1, 1])


def test_nothing_to_divide_by():
    with tf.GradientTape() as tape:
        ratio = tf.Variable([1.0, 1])
        penalty = damped(ratio, tf.zeros(2), tf.ones(2, tf.bool))
    np.testing.assert_array_equal(penalty, [1, 1])
    np.testing.assert_array_equal(tape.gradient(penalty, ratio), [0, 0])


def test_completeness_is_damped_where_there_is_little_to_explain(rng):
    """The gradient of a row by itself, times its score's distance from the baseline over the median."""
    model, x, y = mlp(activation="gelu"), rng.normal(size=(5, 4)).astype("float32"), np.arange(5) % 3
    x[1] *= 0.05
    loss = xai.losses.FidelityLoss("completeness")
    bound = loss.bind(model)
    target = loss.target(bound.score, y, model(x))
    gap = np.abs(bound.score(x, target) - bound.score(0 * x, target))
    pull = np.minimum(gap / np.median(gap), 1)
    assert pull[1] < 0.2
    together = weight_gradients(model, lambda: rows(loss, model, x, y))
    each = [weight_gradients(model, lambda i=i: rows(loss, model, x[i : i + 1], y[i : i + 1])) for i in range(5)]
    for found, slopes in zip(together, zip(*each, strict=True), strict=True):
        expected = sum(share * slope for share, slope in zip(pull, slopes, strict=True)) / 5
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
