"""Linear resizing, against TensorFlow's bilinear resizing of images."""

import numpy as np
import pytest
import tensorflow as tf

from tf_xai.core.resize import blur, resize


@pytest.mark.parametrize("shape", [(8, 8), (7, 9), (4, 4), (2, 3), (1, 5)])
def test_agrees_with_bilinear_images(shape, rng):
    maps = tf.constant(rng.normal(size=(2, 4, 5)), tf.float32)
    expected = tf.image.resize(maps[..., None], shape, "bilinear")[..., 0]
    np.testing.assert_allclose(resize(maps, shape), expected, rtol=1e-5, atol=1e-6)


def test_one_and_three_axes(rng):
    series = tf.constant(rng.normal(size=(2, 4)), tf.float32)
    as_image = tf.image.resize(series[:, :, None, None], (10, 1), "bilinear")
    np.testing.assert_allclose(resize(series, (10,)), as_image[:, :, 0, 0], rtol=1e-5, atol=1e-6)
    volume = tf.constant(rng.normal(size=(2, 3, 4, 5)), tf.float32)
    slices = tf.image.resize(tf.transpose(volume, [0, 2, 3, 1]), (8, 10), "bilinear")
    np.testing.assert_allclose(resize(volume, (3, 8, 10)), tf.transpose(slices, [0, 3, 1, 2]), rtol=1e-5, atol=1e-6)


def test_a_constant_map_stays_constant():
    np.testing.assert_allclose(resize(tf.ones((1, 3, 3, 2)), (7, 5, 4)), np.ones((1, 7, 5, 4)), rtol=1e-6)


def test_lengths_may_be_known_only_at_run_time():
    @tf.function(input_signature=[tf.TensorSpec([2, None]), tf.TensorSpec([1], tf.int32)])
    def stretch(maps, shape):
        return resize(maps, shape)

    maps = tf.constant([[0.0, 1.0, 4.0], [3.0, 3.0, 3.0]])
    np.testing.assert_allclose(stretch(maps, [5]), resize(maps, (5,)), atol=1e-6)


def test_a_blur_is_a_gaussian_whose_rows_sum_to_one(rng):
    x, scale = rng.normal(size=(2, 6, 9, 3)).astype("float32"), 0.2
    expected = x
    for axis, length in ((1, 6), (2, 9)):
        place = np.arange(length) / length
        kernel = np.exp(-0.5 * ((place[:, None] - place) / scale) ** 2)
        kernel /= kernel.sum(axis=1, keepdims=True)
        expected = np.moveaxis(np.tensordot(kernel, expected, [[1], [axis]]), 0, axis)
    np.testing.assert_allclose(blur(tf.constant(x), (1, 2), scale)[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scale", [0.02, 0.1, 0.5])
def test_a_blur_knows_its_derivative(scale, rng):
    x = tf.constant(rng.normal(size=(2, 8, 5, 1)), tf.float64)
    wider, narrower = (blur(x, (1, 2), scale * factor)[0] for factor in (1.01, 0.99))
    _, change = blur(x, (1, 2), scale)
    np.testing.assert_allclose(change, (wider - narrower) / (0.02 * scale), rtol=2e-3, atol=2e-3)


def test_no_blur_at_scale_zero(rng):
    x = tf.constant(rng.normal(size=(2, 8, 1)), tf.float32)
    values, change = blur(x, (1,), 0.0)
    np.testing.assert_array_equal(values, x)
    np.testing.assert_array_equal(change, np.zeros_like(x))
