"""Integrated gradients along a blur, against closed forms."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests import models
from tf_xai.attributions import integrated_gradients
from tf_xai.core import baselines
from tf_xai.core.score import Score

blurred = partial(integrated_gradients, path="blur", baseline="blur")


@pytest.fixture
def x(rng):
    """Three images."""
    return tf.constant(rng.normal(size=(3, 8, 8, 1)), tf.float32)


def test_a_sum_over_pixels_is_explained_pixel_by_pixel(x):
    # Where pixels do not interact, every one adds what it adds alone, on any path: h(x) - h(b).
    values = blurred(lambda x, target: tf.reduce_sum(tf.sin(x), axis=[1, 2, 3]), x, steps=16)
    np.testing.assert_allclose(values, tf.sin(x) - tf.sin(baselines.blur(x)), rtol=1e-4, atol=1e-5)


def test_pixels_that_interact_follow_the_blur(x):
    product = lambda x, target: x[:, 2, 3, 0] * x[:, 5, 4, 0]
    trace = tf.function(lambda shares: tf.map_fn(lambda share: baselines.blurred(x, share)[0], shares))
    places = trace(tf.linspace(1.0, 0.0, 1001)).numpy().astype("float64")
    # The mean of one pixel over a small step, times the step of the other.
    one, other = places[:, :, 2, 3, 0], places[:, :, 5, 4, 0]
    expected = np.zeros(x.shape)
    expected[:, 2, 3, 0] = np.sum((other[1:] + other[:-1]) / 2 * np.diff(one, axis=0), axis=0)
    expected[:, 5, 4, 0] = np.sum((one[1:] + one[:-1]) / 2 * np.diff(other, axis=0), axis=0)
    np.testing.assert_allclose(blurred(product, x, steps=16), expected, rtol=1e-3, atol=1e-4)
    assert np.abs(integrated_gradients(product, x, baseline="blur") - expected).max() > 1e-2


@pytest.mark.parametrize("shape", [(9, 2), (8, 6, 1), (4, 6, 4, 1)])
def test_completeness(shape, rng):
    score, x = Score(models.cnn(shape), space="logit"), tf.constant(rng.normal(size=(3, *shape)), tf.float32)
    target = tf.constant([0, 2, 1])
    gap = score(x, target) - score(baselines.blur(x), target)
    values = blurred(score, x, target, steps=16)
    np.testing.assert_allclose(tf.reduce_sum(values, list(range(1, x.shape.rank))), gap, rtol=1e-3, atol=1e-5)
    assert np.abs(gap).max() > 0.05


def test_masks_are_carried(x):
    squares, mask = (lambda x: tf.reduce_sum(x**2, axis=[1, 2, 3])), tf.constant([True, False, True])
    values = blurred(lambda inputs, target: tf.where(inputs[1], squares(inputs[0]), 0.0), [x, mask], steps=3)
    alone = blurred(lambda x, target: squares(x), x, steps=3)
    np.testing.assert_allclose(values[0], alone * np.array([1, 0, 1])[:, None, None, None], rtol=1e-5)
    np.testing.assert_array_equal(values[1], np.zeros(3))


def test_chunks_graphs_and_batches_change_nothing(x):
    score, target = Score(models.cnn()), tf.constant([0, 2, 1])
    whole = blurred(score, x, target, steps=3)
    close = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
    close(blurred(score, x, target, steps=3, chunk=2), whole)
    close(blurred(score, x[1:2], target[1:2], steps=3), whole[1:2])
    function = lambda x, target: blurred(score, x, target, steps=3, chunk=2)
    specs = [tf.TensorSpec([None, 8, 8, 1]), tf.TensorSpec([None], tf.int32)]
    close(tf.function(function, specs, autograph=False)(x, target), whole)
    close(tf.function(function, jit_compile=True, autograph=False)(x, target), whole)


def test_a_tolerance_is_met_on_the_blurred_path(x):
    score, target = Score(models.cnn(), space="logit"), tf.constant([0, 2, 1])
    gap = score(x, target) - score(baselines.blur(x), target)
    residual = lambda **options: np.abs(tf.reduce_sum(blurred(score, x, target, steps=2, **options), [1, 2, 3]) - gap)
    assert np.any(residual() > 0.02 * np.abs(gap))
    assert np.all(residual(tolerance=0.02) <= 0.02 * np.abs(gap))


def test_an_explanation_knows_where_the_path_begins(x):
    explanation = xai.explain(models.cnn(), x.numpy(), path="blur", baseline="blur", verbose=0)
    np.testing.assert_allclose(explanation.residual, np.zeros(3), atol=1e-4)


def test_what_has_no_blur_is_an_error(x):
    with pytest.raises(ValueError, match="needs inputs with spatial axes"):
        blurred(Score(models.mlp()), tf.ones((2, 4)))
    with pytest.raises(ValueError, match=r"Received: baseline='zeros'. Pass `baseline='blur'`"):
        integrated_gradients(Score(models.cnn()), x, path="blur")
    with pytest.raises(ValueError, match=r"Received: baseline='array \(1, 8, 8, 1\)'. Pass `baseline='blur'`"):
        integrated_gradients(Score(models.cnn()), x, path="blur", baseline=np.zeros((1, 8, 8, 1)))
    with pytest.raises(ValueError, match=r"Unknown `path`.*Did you mean 'blur'"):
        integrated_gradients(Score(models.cnn()), x, path="blu")
