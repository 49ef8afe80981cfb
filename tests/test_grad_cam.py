"""Grad-CAM against a computation by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import models
from tf_xai.attributions import grad_cam
from tf_xai.core.capture import find_layer
from tf_xai.core.score import Score

SHAPES = {1: (9, 2), 2: (8, 6, 1), 3: (4, 6, 4, 1)}


def _linear_head(axes):
    """A convolution, global average pooling and a linear head, whose Grad-CAM is the class's weights times the maps."""
    model = models.cnn(SHAPES[axes], final=None)
    last, head = model.get_layer("last"), model.layers[-1]
    return model, keras.Model(model.input, last.output), head.kernel.numpy()


def _by_hand(activations, kernel, target):
    """`relu(sum_c w_c A_c)`, with `w_c` the mean slope: head weight over positions."""
    positions = int(np.prod(activations.shape[1:-1]))
    weights = kernel[:, target].T / positions
    return np.maximum(np.einsum("n...c,nc->n...", activations, weights), 0)


@pytest.mark.parametrize("axes", SHAPES)
def test_closed_form(axes, rng):
    model, features, kernel = _linear_head(axes)
    x, target = rng.normal(size=(3, *SHAPES[axes])).astype("float32"), np.array([0, 2, 1])
    expected = _by_hand(features(x).numpy(), kernel, target)
    native = grad_cam(Score(model), tf.constant(x), tf.constant(target), resize=False)
    np.testing.assert_allclose(native[..., 0], expected, rtol=1e-4, atol=1e-6)
    assert expected.max() > 0
    maps = grad_cam(Score(model), tf.constant(x), tf.constant(target))
    assert maps.shape == (*x.shape[:-1], 1)


def test_signed_maps_and_resizing(rng):
    model, features, kernel = _linear_head(2)
    x, target = rng.normal(size=(2, *SHAPES[2])).astype("float32"), np.array([1, 1])
    signed = np.einsum("nhwc,nc->nhw", features(x).numpy(), kernel[:, target].T / 12)
    assert signed.min() < 0
    expected = tf.image.resize(signed[..., None], SHAPES[2][:2], "bilinear")
    maps = grad_cam(Score(model), tf.constant(x), tf.constant(target), relu=False)
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-6)


def test_finds_the_last_spatial_layer_in_a_nested_backbone(rng):
    model, x = models.nested(), tf.constant(rng.normal(size=(2, 8, 8, 1)), tf.float32)
    target = tf.constant([0, 2])
    found = grad_cam(Score(model), x, target, resize=False)
    pooled = grad_cam(Score(model), x, target, layer="inner_pool", resize=False)
    assert found.shape == (2, 4, 4, 1)
    np.testing.assert_allclose(found, pooled, rtol=1e-5)
    inner = grad_cam(Score(model), x, target, layer="inner", resize=False)
    assert inner.shape == (2, 8, 8, 1)
    # The pool is a mean over cells of 2 x 2, so its map is four times the mean of the map of what it pools.
    blocks = tf.reshape(grad_cam(Score(model), x, target, layer="inner", relu=False, resize=False), (2, 4, 2, 4, 2))
    whole = grad_cam(Score(model), x, target, layer="inner_pool", relu=False, resize=False)
    np.testing.assert_allclose(tf.reduce_sum(blocks, [2, 4]), whole[..., 0], rtol=1e-4, atol=1e-6)


def test_a_layer_may_be_passed_itself(rng):
    model, x = models.cnn(), tf.constant(rng.normal(size=(2, 8, 8, 1)), tf.float32)
    layer = find_layer(model, "first")
    by_name = grad_cam(Score(model), x, layer="first", resize=False)
    np.testing.assert_array_equal(grad_cam(Score(model), x, layer=layer, resize=False), by_name)
    assert by_name.shape == (2, 8, 8, 1)


def test_a_layer_that_is_missing_or_has_no_map_is_an_error(rng):
    model, x = models.cnn(), tf.constant(rng.normal(size=(2, 8, 8, 1)), tf.float32)
    with pytest.raises(ValueError, match=r"Unknown `layer`.*Did you mean 'last'"):
        grad_cam(Score(model), x, layer="lst")
    with pytest.raises(ValueError, match="needs a layer with spatial axes"):
        grad_cam(Score(model), x, layer=model.layers[-1].name)
    with pytest.raises(ValueError, match="use 'integrated_gradients'"):
        grad_cam(Score(models.mlp()), tf.zeros((2, 4)))
    with pytest.raises(TypeError, match="needs a `Score`"):
        grad_cam(lambda x, target: x[:, 0], tf.zeros((2, 4)))


def test_the_input_with_axes_like_the_map_gets_it(rng):
    model = models.dict_model()
    inputs = {"image": tf.constant(rng.normal(size=(2, 6, 6, 1)), tf.float32), "age": tf.ones((2, 2))}
    maps = grad_cam(Score(model), inputs, relu=False)
    assert maps["image"].shape == (2, 6, 6, 1)
    assert np.all(np.ptp(maps["image"], axis=(1, 2, 3)) > 0)
    np.testing.assert_array_equal(maps["age"], np.zeros((2, 2)))


def test_two_inputs_with_axes_like_the_map_are_an_error():
    images = [keras.Input((6, 6, 1)), keras.Input((6, 6, 1))]
    seen = keras.layers.Conv2D(2, 3, activation="relu")(keras.layers.Add()(images))
    model = keras.Model(images, models.dense(2)(keras.layers.GlobalAveragePooling2D()(seen)))
    with pytest.raises(ValueError, match="can not tell which input"):
        grad_cam(Score(model), [tf.ones((2, 6, 6, 1)), tf.ones((2, 6, 6, 1))])


def test_token_ids_get_one_number_per_token(rng):
    model, ids = models.tokens(), tf.constant(rng.integers(0, 10, size=(3, 5)), tf.int32)
    target = tf.constant([0, 1, 1])
    values = grad_cam(Score(model), ids, target)
    assert values.shape == (3, 5)
    assert np.any(values != 0)


def test_subclassed_models(rng):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv, self.head = keras.layers.Conv2D(3, 3, activation="tanh"), models.dense(2)

        def call(self, x):
            return self.head(keras.ops.mean(self.conv(x), axis=(1, 2)))

    model, x = Net(), rng.normal(size=(2, 5, 5, 1)).astype("float32")
    model(x)
    expected = _by_hand(model.conv(x).numpy(), model.head.kernel.numpy(), np.array([1, 0]))
    maps = grad_cam(Score(model), tf.constant(x), tf.constant([1, 0]), resize=False)
    np.testing.assert_allclose(maps[..., 0], expected, rtol=1e-4, atol=1e-6)
