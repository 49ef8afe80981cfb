"""Metrics against closed forms: linear scores, where theory gives every value, and NumPy."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_xai import metrics
from tf_xai.attributions import gradient_input

SLOPES = np.array([3.0, -1.0, 2.0, 0.5], "float32")


def linear(x, target=None):
    return tf.linalg.matvec(x, tf.constant(SLOPES))


@pytest.fixture
def x(rng):
    return tf.constant(rng.normal(size=(6, 4)), tf.float32)


def curve_area(x, order, inserting):
    """The trapezoid area of the linear score while features change in this order, one after the other."""
    contributions = x * SLOPES
    moved = np.concatenate([[0], np.cumsum(contributions[order])])
    curve = moved if inserting else contributions.sum() - moved
    return np.mean((curve[1:] + curve[:-1]) / 2)


@pytest.mark.parametrize("inserting", [False, True], ids=["deletion", "insertion"])
def test_curves_on_a_linear_score(x, inserting):
    metric = metrics.insertion if inserting else metrics.deletion
    attributions = gradient_input(linear, x)
    expected = [curve_area(row, np.argsort(-row * SLOPES), inserting) for row in x.numpy()]
    np.testing.assert_allclose(metric(linear, x, None, attributions, steps=4), expected, rtol=1e-5, atol=1e-6)


def test_true_attributions_beat_random_and_negated_ones(x, rng):
    true, noise = gradient_input(linear, x), tf.constant(rng.normal(size=x.shape), tf.float32)
    for metric, sign in ((metrics.deletion, 1), (metrics.insertion, -1)):
        best, random, worst = (np.mean(sign * metric(linear, x, None, a, steps=4)) for a in (true, noise, -true))
        assert best < random < worst


@pytest.mark.parametrize("chunk", [1, 3, None])
def test_chunks_do_not_change_the_curve(x, chunk):
    attributions = gradient_input(linear, x)
    whole = metrics.deletion(linear, x, None, attributions, chunk=17)
    np.testing.assert_allclose(
        metrics.deletion(linear, x, None, attributions, chunk=chunk), whole, rtol=1e-5, atol=1e-6
    )


def test_pixels_go_with_all_their_channels():
    image = tf.ones((1, 2, 2, 3))
    # The first pixel is the most important by its sum, although the second has the largest channel.
    attributions = tf.constant([[[[2.0, 2.0, 2.0], [5.0, 0.0, 0.0]], [[0.0] * 3, [0.0] * 3]]])
    weigh = tf.constant([[[100.0], [10.0]], [[1.0], [0.0]]])
    score = lambda x, target: tf.reduce_sum(x * weigh, axis=[1, 2, 3]) / 3
    curve = [111, 11, 1, 0, 0]
    expected = sum((a + b) / 2 for a, b in itertools.pairwise(curve)) / 4
    np.testing.assert_allclose(metrics.deletion(score, image, None, attributions, steps=4), [expected], rtol=1e-6)


def test_features_of_all_inputs_share_one_order():
    inputs = {"a": tf.ones((1, 2)), "b": tf.ones((1, 1))}
    attributions = {"a": tf.constant([[1.0, 3.0]]), "b": tf.constant([[2.0]])}
    score = lambda x, target: x["a"][:, 0] + 100 * x["a"][:, 1] + 10 * x["b"][:, 0]
    curve = [111, 11, 1, 0]
    expected = sum((a + b) / 2 for a, b in itertools.pairwise(curve)) / 3
    np.testing.assert_allclose(metrics.deletion(score, inputs, None, attributions, steps=3), [expected], rtol=1e-6)


def test_masks_are_never_removed():
    inputs = {"mask": tf.constant([[True, False]]), "x": tf.constant([[2.0, 1.0]])}
    attributions = {"mask": tf.zeros((1, 2)), "x": tf.constant([[2.0, 1.0]])}
    score = lambda v, target: tf.reduce_sum(v["x"] * tf.cast(v["mask"], tf.float32), axis=1)
    np.testing.assert_allclose(metrics.deletion(score, inputs, None, attributions, steps=2), [0.5], rtol=1e-6)


def test_completeness(x):
    exact = gradient_input(linear, x)
    np.testing.assert_allclose(metrics.completeness(linear, x, None, exact), np.zeros(6), atol=1e-5)
    np.testing.assert_allclose(metrics.completeness(linear, x, None, 1.5 * exact), np.full(6, 0.5), rtol=1e-4)
    shifted = metrics.completeness(linear, x, None, exact, baseline_score=linear(x) - 2 * tf.reduce_sum(exact, axis=1))
    np.testing.assert_allclose(shifted, np.full(6, 0.5), rtol=1e-4)


def test_completeness_is_undefined_where_nothing_is_to_explain():
    values = metrics.completeness(linear, tf.zeros((2, 4)), None, tf.ones((2, 4)))
    assert np.isnan(values).all()


def test_lime_fidelity_is_one_on_a_linear_score(x):
    np.testing.assert_allclose(metrics.lime_fidelity(linear, x, None), np.ones(6), atol=1e-5)


def test_lime_fidelity_is_near_zero_on_an_even_score(rng):
    even = lambda x, target: tf.reduce_sum(tf.square(x), axis=1)
    values = metrics.lime_fidelity(even, tf.zeros((3, 4)), None, samples=4000)
    assert np.abs(values).max() < 0.05


def test_lime_fidelity_equals_weighted_least_squares(rng):
    """Against NumPy, with the noise recovered from a score that returns one coordinate at a time."""
    x = tf.zeros((1, 3))
    seen = []
    metrics.lime_fidelity(lambda v, target: seen.append(v.numpy()) or v[:, 0], x, None, samples=64, scale=0.3)
    z = np.concatenate(seen) / 0.3
    f = z[:, 0] + z[:, 1] * z[:, 2]
    w = np.exp(-(z**2).sum(axis=1) / (2 * 0.75**2 * 3))
    design = np.column_stack([z, np.ones(len(z))]) * np.sqrt(w)[:, None]
    residual = np.linalg.lstsq(design, f * np.sqrt(w))[1][0]
    total = (w * (f - np.average(f, weights=w)) ** 2).sum()
    expected = 1 - (residual / (64 - 4)) / (total / 63)
    score = lambda v, target: (v[:, 0] + v[:, 1] * v[:, 2] / 0.3) / 0.3
    got = metrics.lime_fidelity(score, x, None, samples=64, scale=0.3)
    np.testing.assert_allclose(got, [expected], rtol=1e-4)


def test_lime_fidelity_is_undefined_on_a_constant():
    values = metrics.lime_fidelity(lambda x, target: tf.zeros(tf.shape(x)[0]), tf.ones((2, 3)), None)
    assert np.isnan(values).all()


def test_lime_fidelity_groups_the_pixels_of_an_image():
    score = lambda x, target: tf.reduce_sum(x, axis=[1, 2, 3])
    np.testing.assert_allclose(metrics.lime_fidelity(score, tf.zeros((2, 28, 28, 1)), None), np.ones(2), atol=1e-5)
