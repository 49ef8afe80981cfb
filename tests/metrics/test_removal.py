"""Removal in regions, with other replacements, and ERASER's shares: closed forms on linear scores."""

import numpy as np
import pytest
import tensorflow as tf

from tf_xai import baselines, metrics
from tf_xai.attributions import gradient_input

SLOPES = np.array([3.0, -1.0, 2.0, 0.5, -2.0], "float32")


def linear(x, target=None):
    return tf.linalg.matvec(x, tf.constant(SLOPES))


def total(x, target=None):
    return tf.reduce_sum(x, axis=[1, 2, 3])


@pytest.fixture
def x(rng):
    return tf.constant(rng.normal(size=(6, 5)), tf.float32)


@pytest.fixture
def image(rng):
    return tf.constant(rng.normal(size=(2, 8, 8, 2)), tf.float32)


def trapezoid(curve):
    return np.mean((curve[..., 1:] + curve[..., :-1]) / 2, axis=-1)


def test_patches_go_together_by_their_sum(image):
    patches = np.sort(image.numpy().reshape(2, 2, 4, 2, 4, 2).sum(axis=(2, 4, 5)).reshape(2, 4))[:, ::-1]
    back = np.concatenate([np.zeros((2, 1)), np.cumsum(patches, axis=1)], axis=1)
    labels = np.indices((8, 8, 1))[0] // 4 * 2 + np.indices((8, 8, 1))[1] // 4
    for attributions in (image, tf.reduce_sum(image, axis=-1, keepdims=True)):
        options = {"regions": labels, "steps": 4}
        inserted = metrics.insertion(total, image, None, attributions, **options)
        np.testing.assert_allclose(inserted, trapezoid(back), rtol=1e-4, atol=1e-4)
        deleted = metrics.deletion(total, image, None, attributions, **options)
        np.testing.assert_allclose(deleted, trapezoid(back[:, -1:] - back), rtol=1e-4, atol=1e-4)


def test_rows_with_fewer_segments_lose_all_of_them(rng):
    """Three segments and two: the shares are those of what a row has."""
    x = tf.constant(rng.normal(size=(2, 6)), tf.float32)
    labels = np.array([[0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 1]])
    score = lambda x, target=None: tf.reduce_sum(x, axis=1)
    both = metrics.deletion(score, x, None, x, regions=labels, steps=6)
    alone = [metrics.deletion(score, x[i:][:1], None, x[i:][:1], regions=labels[i], steps=6) for i in range(2)]
    np.testing.assert_allclose(both, np.concatenate(alone), rtol=1e-5)


@pytest.mark.parametrize("name, inserting", [("comprehensiveness", False), ("sufficiency", True)])
def test_shares_of_the_features(name, inserting, x):
    """One, two and three of five: shares are rounded up to whole features."""
    contributions = x.numpy() * SLOPES
    sums = np.cumsum(np.sort(contributions, axis=1)[:, ::-1], axis=1)[:, [0, 1, 2]]
    expected = contributions.sum(axis=1) - sums.mean(axis=1) if inserting else sums.mean(axis=1)
    got = metrics.METRICS[name](linear, x, None, gradient_input(linear, x), shares=[0.1, 0.4, 0.5])
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_true_contributions_do_best(x, rng):
    true, noise = gradient_input(linear, x), tf.constant(rng.normal(size=x.shape), tf.float32)
    for metric, sign in ((metrics.comprehensiveness, 1), (metrics.sufficiency, -1)):
        best, middle, worst = (np.mean(sign * metric(linear, x, None, a)) for a in (true, noise, -true))
        assert best > middle > worst


def test_noisy_linear_keeps_an_even_image():
    """What neighbours tell is put in place: a score of an image of one colour does not fall, until nothing is left."""
    image, order = tf.ones((1, 8, 8, 1)), tf.reshape(tf.range(64.0), (1, 8, 8, 1))
    quiet = metrics.deletion(total, image, None, order, baseline=baselines.NoisyLinear(noise=0.0))
    np.testing.assert_allclose(quiet, [64], rtol=1e-4)
    np.testing.assert_allclose(metrics.deletion(total, image, None, order), [32], rtol=1e-4)


def test_other_rows_take_the_place(x, rng):
    rows = rng.normal(size=(9, 5)).astype("float32")
    baseline = baselines.Samples(rows, seed=2)
    drawn = baseline(x)
    expected = metrics.deletion(linear, x, None, x, baseline=drawn)
    np.testing.assert_allclose(metrics.deletion(linear, x, None, x, baseline=baseline), expected)
    assert np.abs(expected - metrics.deletion(linear, x, None, x)).max() > 0.1


def test_masks_stay(rng):
    """In regions, too."""
    inputs = {"mask": tf.constant([[True, False]]), "x": tf.constant([[2.0, 1.0]])}
    attributions = {"mask": tf.zeros((1, 2)), "x": tf.constant([[2.0, 1.0]])}
    score = lambda v, target: tf.reduce_sum(v["x"] * tf.cast(v["mask"], tf.float32), axis=1)
    got = metrics.deletion(score, inputs, None, attributions, steps=2, regions="features")
    np.testing.assert_allclose(got, [0.5], rtol=1e-6)
