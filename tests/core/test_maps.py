"""Which layer a map is of, and where its positions lie in the inputs."""

import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Model, layers, ops

from tests import models
from tf_xai.core.maps import layer_maps, on_grid, place
from tf_xai.core.score import Score


@pytest.mark.parametrize(
    ("tokens", "shape", "grid"),
    [
        (196, (224, 224), (14, 14)),
        (197, (224, 224), (14, 14)),  # a class token
        (201, (224, 224), (14, 14)),  # and four registers
        (10, (8, 8), (3, 3)),  # padded patches
        (19, (30, 50), (3, 6)),
        (141, (160, 224), (10, 14)),
        (9, (4, 4, 4), (2, 2, 2)),
        (7, (6,), (6,)),
    ],
)
def test_tokens_lie_on_the_grid_of_patches(tokens, shape, grid):
    values = tf.reshape(tf.range(tokens, dtype=tf.float32), (1, tokens, 1))
    placed = on_grid(values, tf.zeros((1, *shape, 3)))
    extra = tokens - np.prod(grid)
    np.testing.assert_array_equal(placed, np.arange(extra, tokens).reshape(1, *grid, 1))


@pytest.mark.parametrize(("tokens", "shape"), [(60, (8, 8)), (1, (8, 8)), (5, (6,)), (30, (6,))])
def test_other_tokens_stay_as_they_are(tokens, shape):
    assert on_grid(tf.zeros((2, tokens, 3)), tf.zeros((2, *shape, 1))).shape == (2, tokens, 3)


def test_maps_are_placed_at_the_input_with_their_axes():
    inputs = {"ids": tf.zeros((2, 6), tf.int32), "mask": tf.ones((2, 6), tf.bool), "table": tf.zeros((2, 3))}
    placed = place(tf.ones((2, 3)), Score(models.mlp()), inputs)
    np.testing.assert_array_equal(placed["ids"], np.ones((2, 6)))
    np.testing.assert_array_equal(placed["mask"], np.zeros((2, 6)))
    with pytest.raises(ValueError, match=r"can not tell which input.*masks as booleans"):
        place(tf.ones((2, 3)), Score(models.mlp()), inputs | {"mask": tf.ones((2, 6), tf.int32)})


def _chosen(model, x, layer=None):
    return layer_maps(Score(model), x, tf.zeros(x.shape[:1], tf.int32), layer)


def test_a_transformer_is_seen_where_its_last_attention_reads(rng):
    model, x = models.vit(), tf.constant(rng.normal(size=(2, 8, 8, 1)), tf.float32)
    activations, slopes = _chosen(model, x)
    reads = Model(model.input, model.get_layer("norm_1").output)(x)
    np.testing.assert_allclose(activations, tf.reshape(reads[:, 1:], (2, 4, 4, 5)), rtol=1e-5, atol=1e-6)
    assert np.all(np.abs(slopes).max(axis=-1) > 0), "every patch matters there"
    behind = [layer for layer in model.layers if isinstance(layer, layers.Add)][-1]
    _, slopes = _chosen(model, x, behind)
    assert slopes.shape == (2, 4, 4, 5)
    assert not np.any(slopes), "behind the last attention, only the class token does"


@pytest.mark.parametrize("make", [lambda: models.transformer(), lambda: models.list_transformer()])
def test_so_are_those_of_token_ids_and_series(make, rng):
    model = make()
    x = tf.constant(rng.integers(0, 10, size=(2, 6)), tf.int32)
    if isinstance(model.input, list):
        x = [tf.constant(rng.normal(size=(2, *shape)), tf.float32) for shape in ((6, 1), (2,))]
    score, target = Score(model), tf.constant([0, 1])
    found, _ = layer_maps(score, x, target)
    read, _ = layer_maps(score, x, target, "norm_1")
    np.testing.assert_array_equal(found, read)


def test_a_convolution_behind_the_attention_comes_first(rng):
    image = Input((8, 8, 1))
    x = models.encoder(layers.Reshape((16, 5))(layers.Conv2D(5, 2, strides=2)(image)), blocks=1)
    x = layers.Conv2D(2, 3, activation="tanh", name="late")(layers.Reshape((4, 4, 5))(x))
    model = Model(image, models.dense(3)(layers.GlobalAveragePooling2D()(x)))
    x = tf.constant(rng.normal(size=(2, 8, 8, 1)), tf.float32)
    np.testing.assert_array_equal(_chosen(model, x)[0], _chosen(model, x, "late")[0])


def test_columns_that_a_recurrent_layer_reads_are_no_patches(rng):
    image = Input((8, 8, 1))
    x = layers.Conv2D(5, 2, strides=2, name="conv")(image)
    x = layers.Dense(5)(layers.Reshape((16, 5))(x))
    model = Model(image, models.dense(3)(layers.SimpleRNN(3)(x)))
    x = tf.constant(rng.normal(size=(2, 8, 8, 1)), tf.float32)
    np.testing.assert_array_equal(_chosen(model, x)[0], _chosen(model, x, "conv")[0])


class Block(layers.Layer):
    """A convolution within a layer."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = layers.Conv2D(2, 3, activation="tanh", name="inner")

    def call(self, x):
        return ops.mean(self.inner(x), axis=(1, 2))


def test_layers_within_layers_are_found_by_name(rng):
    image = Input((8, 8, 1))
    model = Model(image, models.dense(3)(Block()(image)))
    x = tf.constant(rng.normal(size=(2, 8, 8, 1)), tf.float32)
    activations, _ = _chosen(model, x, "inner")
    np.testing.assert_allclose(activations, model.layers[1].inner(x), rtol=1e-5, atol=1e-6)


def test_a_name_that_several_layers_have_is_an_error(rng):
    image = Input((8, 8, 1))
    model = Model(image, models.dense(3)(layers.Add()([Block()(image), Block()(image)])))
    with pytest.raises(ValueError, match=r"must name one layer. Received: 'inner'.*Pass the layer itself"):
        _chosen(model, tf.zeros((1, 8, 8, 1)), "inner")
