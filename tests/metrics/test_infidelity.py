"""Infidelity against closed forms on linear scores, and gradients where metrics are not defined."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.derivatives import along
from tf_xai import metrics
from tf_xai.attributions import gradient_input, integrated_gradients

SLOPES = np.array([3.0, -1.0, 2.0, 0.5], "float32")
# Draws that fix a mean square to a few percent.
MANY = 2000


def infidelity(*args, **options):
    """In a graph: one by one, that many draws would take long."""
    return tf.function(lambda: metrics.infidelity(*args, **options))()


def linear(x, target=None):
    return tf.linalg.matvec(x, tf.constant(SLOPES)) + 1.0


@pytest.fixture
def x(rng):
    return tf.constant(rng.normal(size=(6, 4)), tf.float32)


@pytest.fixture
def wrong(rng):
    """What is wrong with some contributions."""
    return rng.normal(size=(6, 4)).astype("float32")


def test_contributions_of_a_linear_score_are_faithful(x):
    np.testing.assert_allclose(metrics.infidelity(linear, x, None, gradient_input(linear, x)), np.zeros(6), atol=1e-9)
    baseline = np.array([1, 0, -1, 2], "float32")
    contributions = integrated_gradients(linear, x, baseline=baseline, steps=1)
    value = metrics.infidelity(linear, x, None, contributions, baseline=baseline)
    np.testing.assert_allclose(value, np.zeros(6), atol=1e-9)


@pytest.mark.parametrize("scale", [0.1, 1.0])
def test_wrong_contributions_of_a_linear_score(scale, x, wrong):
    """E (sum_i e_i u_i)^2 = scale^2 ||u||^2, where u is what is wrong with them."""
    attributions = gradient_input(linear, x) + wrong
    value = infidelity(linear, x, None, attributions, samples=MANY, scale=scale)
    np.testing.assert_allclose(value, scale**2 * np.square(wrong).sum(axis=1), rtol=0.15)


def test_normalised(x, wrong):
    """||u||^2 / ||w x||^2, whatever the scale of the score; no contributions at all have 1."""
    exact = gradient_input(linear, x)
    for times in (1.0, 1e-3):
        score = lambda x, target, times=times: times * linear(x)
        value = infidelity(score, x, None, times * (exact + wrong), samples=MANY, normalize=True)
        expected = np.square(wrong).sum(axis=1) / np.square(exact).sum(axis=1)
        np.testing.assert_allclose(value, expected, rtol=0.2)
    nothing = metrics.infidelity(linear, x, None, tf.zeros_like(x), normalize=True)
    np.testing.assert_allclose(nothing, np.ones(6), rtol=1e-5)


def test_equals_numpy_on_a_curved_score(x):
    """With the changes recovered from what the score is asked."""
    seen = []

    def score(x, target):
        seen.append(x.numpy())
        return tf.reduce_sum(x**3, axis=1)

    attributions = gradient_input(score, x).numpy()
    seen.clear()
    value = metrics.infidelity(score, x, None, attributions, samples=5, scale=0.3, chunk=5)
    whole, changed = seen[0], seen[1].reshape(5, 6, 4)
    shares = 1 - changed / whole
    np.testing.assert_allclose(shares, np.broadcast_to(shares[:, :1], shares.shape), atol=1e-3)
    change = np.sum(whole**3, axis=1) - np.sum(changed**3, axis=2)
    expected = np.mean((np.sum(shares * attributions, axis=2) - change) ** 2, axis=0)
    np.testing.assert_allclose(value, expected, rtol=1e-3)


def test_true_contributions_beat_others(x, wrong):
    score = lambda x, target: tf.reduce_sum(tf.sin(x), axis=1)
    value = lambda attributions: infidelity(score, x, None, attributions, samples=200).numpy().mean()
    true = gradient_input(score, x)
    assert value(true) < value(true + 0.3 * wrong) < value(-true)


@pytest.mark.parametrize("chunk", [1, 3, None])
def test_chunks_and_the_batch_do_not_matter(chunk, x, wrong):
    value = lambda x, wrong: metrics.infidelity(linear, x, None, wrong, samples=7, chunk=chunk)
    whole = metrics.infidelity(linear, x, None, wrong, samples=7, chunk=7)
    np.testing.assert_allclose(value(x, wrong), whole, rtol=1e-4)
    np.testing.assert_allclose(value(x[2:3], wrong[2:3]), whole[2:3], rtol=1e-4)


def test_seeds(x, wrong):
    value = lambda seed: metrics.infidelity(linear, x, None, wrong, seed=seed).numpy()
    np.testing.assert_array_equal(value(1), value(1))
    assert (value(1) != value(2)).all()


def test_nested_inputs_and_masks(rng):
    """Every input has changes of its own; a mask stays."""
    inputs = {"a": tf.ones((2, 3, 3, 1)), "b": tf.ones((2, 2)), "mask": tf.constant([[True], [False]])}
    seen = []

    def score(v, target):
        seen.append(v["mask"])
        return tf.reduce_sum(v["a"], axis=[1, 2, 3]) + 2 * tf.reduce_sum(v["b"], axis=1)

    exact = {"a": tf.ones((2, 3, 3, 1)), "b": 2 * tf.ones((2, 2)), "mask": tf.zeros((2, 1))}
    np.testing.assert_allclose(metrics.infidelity(score, inputs, None, exact, chunk=32), np.zeros(2), atol=1e-9)
    np.testing.assert_array_equal(seen[-1], np.tile(inputs["mask"], (32, 1)))
    half = {**exact, "b": tf.zeros((2, 2))}
    value = infidelity(score, inputs, None, half, samples=MANY, scale=1.0)
    np.testing.assert_allclose(value, np.full(2, 8.0), rtol=0.15)


def test_a_constant_score(x):
    constant = lambda x, target: tf.zeros(tf.shape(x)[0])
    np.testing.assert_array_equal(metrics.infidelity(constant, x, None, tf.zeros_like(x)), np.zeros(6))
    assert np.isnan(metrics.infidelity(constant, x, None, tf.zeros_like(x), normalize=True)).all()


@pytest.mark.parametrize("metric", [metrics.completeness, metrics.infidelity])
def test_gradients(metric, x):
    """With respect to a weight, through score and attributions; finite where a row of zeros has nothing to explain."""
    weight = keras.Variable(SLOPES)
    score = lambda x, target: tf.reduce_sum(tf.tanh(x * weight.value), axis=1)
    options = {"normalize": True, "chunk": 32} if metric is metrics.infidelity else {}
    rows = lambda x: metric(score, x, None, gradient_input(score, x), **options)
    exact, difference = along(lambda: tf.reduce_mean(rows(x)), weight, tf.constant([1.0, -2.0, 0.5, 1.0]))
    np.testing.assert_allclose(exact, difference(1e-2), rtol=0.02, atol=1e-3)
    padded = tf.concat([x, tf.zeros((1, 4))], axis=0)

    def defined():
        values = rows(padded)
        return tf.reduce_sum(tf.where(tf.math.is_nan(values), 0.0, values)) / 6

    assert np.isnan(rows(padded)[-1])
    same, _ = along(defined, weight, tf.constant([1.0, -2.0, 0.5, 1.0]))
    np.testing.assert_allclose(same, exact, rtol=1e-4)


def test_token_ids_can_not_be_changed():
    with pytest.raises(TypeError, match="Only floating inputs"):
        metrics.infidelity(linear, tf.ones((2, 4), tf.int32), None, tf.ones((2, 4)))
