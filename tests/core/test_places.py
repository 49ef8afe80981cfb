"""Where a model is explained, if not at its inputs: which calls of which layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Model, layers, ops

from tests import models
from tf_xai.core import places
from tf_xai.core.capture import calls
from tf_xai.core.score import Score


def _sites(model, *ids):
    inputs = [tf.constant(entry, tf.int32) for entry in ids]
    return places.embeddings(model, inputs if len(inputs) > 1 else inputs[0])


def test_the_calls_of_embeddings_that_look_an_input_up(rng):
    first, second, table = Input((3,), dtype="int32"), Input((2,), dtype="int32"), layers.Embedding(5, 4)
    alone = layers.Embedding(5, 2)(second)
    parts = [layers.Flatten()(part) for part in (table(first), table(second), alone)]
    model = Model([first, second], layers.Dense(1)(layers.Concatenate()(parts)))
    found = _sites(model, np.zeros((2, 3)), np.zeros((2, 2)))
    assert {(site.layer.output_dim, site.width, site.leaf) for site in found} == {(4, 4, 0), (4, 4, 1), (2, 2, 1)}
    assert {site.call for site in found if site.layer is table} == {0, 1}


def test_positions_are_no_input():
    ids = Input((3,), dtype="int32")
    tokens = layers.Embedding(5, 4, name="tokens")(ids)
    positions = layers.Embedding(3, 4)(ops.arange(3))
    model = Model(ids, layers.Dense(1)(layers.Flatten()(tokens + positions)))
    assert [site.layer.name for site in _sites(model, np.zeros((2, 3)))] == ["tokens"]


def test_embeddings_in_nested_models_and_behind_operations():
    ids = Input((3,), dtype="int32")
    inner = Model(ids, layers.Embedding(5, 4)(ids))
    outer = Input((3,), dtype="int32")
    model = Model(outer, layers.Dense(1)(layers.Flatten()(inner(ops.minimum(outer, 4)))))
    assert [(site.call, site.leaf) for site in _sites(model, np.zeros((2, 3)))] == [(0, 0)]


def test_models_without_are_explained_at_their_inputs():
    assert places.find(Score(models.mlp()), tf.zeros((2, 4))) is None
    assert not _sites(models.mlp(), np.zeros((2, 4)))


def test_points_give_the_score_back_and_carry_the_row(rng):
    """Also in another order and number: a point knows its row, of which it takes what is not explained."""
    ids, mask = Input((3,), dtype="int32"), Input((3,), dtype="bool")
    seen = layers.Embedding(5, 4)(ids) * ops.cast(mask, "float32")[..., None]
    model = Model([ids, mask], models.dense(3)(layers.Flatten()(seen)))
    inputs = [tf.constant(rng.integers(0, 5, size=(4, 3)), tf.int32), tf.constant(rng.random((4, 3)) > 0.5)]
    place, target = places.find(Score(model), inputs), tf.constant([0, 1, 2, 1])
    points, scores = place.points(inputs), Score(model)(inputs, target).numpy()
    np.testing.assert_allclose(place(points, target), scores, rtol=1e-6)
    rows = np.array([3, 1, 3, 0, 2])
    some = keras.tree.map_structure(lambda leaf: tf.gather(leaf, rows), points)
    np.testing.assert_allclose(place(some, tf.gather(target, rows)), scores[rows], rtol=1e-6)


def test_at_a_layer_that_is_called_twice_it_is_the_last_call(rng):
    x, twice = Input((3,)), models.dense(3, "tanh")
    model = Model(x, models.dense(2)(twice(twice(x))))
    inputs = tf.constant(rng.normal(size=(2, 3)), tf.float32)
    place = places.find(Score(model), inputs, twice)
    np.testing.assert_allclose(place.points(inputs)["sites"][0], twice(twice(inputs)), rtol=1e-6)
    zeros = {"sites": [tf.zeros((2, 3))], "beside": [], "row": tf.range(2)}
    np.testing.assert_allclose(place(zeros, tf.constant([0, 1])), model.layers[-1].bias.numpy(), rtol=1e-6)


def test_layers_are_left_as_they_were_also_after_an_error():
    model = models.tokens()
    with pytest.raises(RuntimeError, match="on purpose"), calls(model.layers, None):
        raise RuntimeError("on purpose")
    assert all("call" not in vars(layer) for layer in model.layers)
