"""NoisyLinear against the dense linear system of the paper."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_xai import baselines
from tf_xai.core.imputation import NoisyLinear


@pytest.fixture
def image(rng):
    return rng.normal(size=(2, 7, 6, 2)).astype("float32")


def solved(image, there):
    """Every missing pixel is the mean of its neighbours, direct ones twice as heavy: `(height, width, channels)`."""
    height, width = there.shape
    system, right = np.eye(height * width), np.where(there[..., None], image, 0).reshape(height * width, -1)
    for row, column in zip(*np.nonzero(~there), strict=True):
        place, total = row * width + column, 0.0
        for down, right_of in itertools.product([-1, 0, 1], repeat=2):
            other = row + down, column + right_of
            if (down or right_of) and 0 <= other[0] < height and 0 <= other[1] < width:
                weight = 1 / 6 if down == 0 or right_of == 0 else 1 / 12
                system[place, other[0] * width + other[1]] = -weight
                total += weight
        system[place, place] = total
    return np.linalg.solve(system, right).reshape(image.shape)


def test_missing_pixels_are_the_means_of_their_neighbours(image, rng):
    there = rng.random((3, 2, 7, 6, 1)) < np.array([0.7, 0.4, 0.1]).reshape(3, 1, 1, 1, 1)
    filled = NoisyLinear(noise=0.0).fill(tf.constant(image), tf.constant(there))
    expected = [[solved(x, mask[..., 0]) for x, mask in zip(image, masks, strict=True)] for masks in there]
    np.testing.assert_allclose(filled, expected, atol=1e-4)


def test_nothing_missing_and_nothing_there(image):
    there = tf.constant([True, False])[:, None, None, None, None]
    whole, nothing = NoisyLinear(noise=0.0).fill(tf.constant(image), there)
    np.testing.assert_array_equal(whole, image)
    np.testing.assert_allclose(nothing, np.broadcast_to(image.mean(axis=(1, 2), keepdims=True), image.shape), atol=1e-5)


def test_noise_is_on_missing_pixels_only(image):
    there = tf.constant(np.indices((7, 6)).sum(axis=0) % 2 == 0)[None, None, ..., None]
    quiet, noisy = (NoisyLinear(noise).fill(tf.constant(image), there)[0] for noise in (0.0, 0.5))
    moved = (noisy - quiet).numpy()
    np.testing.assert_array_equal(moved[:, there.numpy()[0, 0, ..., 0]], 0)
    assert 0.3 < moved[:, ~there.numpy()[0, 0, ..., 0]].std() < 0.7


def test_only_for_removal_and_only_for_images():
    with pytest.raises(ValueError, match="no baseline by itself"):
        baselines.resolve(NoisyLinear(), tf.zeros((1, 4, 4, 1)))
    with pytest.raises(ValueError, match="needs images"):
        NoisyLinear().fill(tf.zeros((1, 4)), tf.zeros((1, 1, 4), tf.bool))
