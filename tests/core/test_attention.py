"""Attention layers: found in every kind of model, observed, and left as they were."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Model, layers, ops

from tests import models
from tf_xai.attributions import attention, attention_relevance, attention_rollout
from tf_xai.core.score import Score

GROUPED = {"attention": layers.GroupQueryAttention, "heads": (3, 4, 2)}
KINDS = pytest.mark.parametrize("kind", [{}, GROUPED], ids=["multi_head", "grouped"])


def _ids(rng, rows=3, length=6):
    return tf.constant(rng.integers(1, 10, size=(rows, length)), tf.int32)


@KINDS
def test_the_model_computes_the_same_and_stays_as_it_was(kind, rng):
    model, ids = models.transformer(**kind), _ids(rng)
    found = [model.get_layer(f"attention_{i}") for i in range(2)]
    model(ids)  # on Keras's fused path
    state = [dict(vars(layer)) for layer in found]
    expected = Score(model)(ids, tf.constant([0, 1, 2]))
    for method in (attention, attention_rollout, attention_relevance):
        score = Score(model)
        method(score, ids, tf.constant([0, 1, 2]))
        np.testing.assert_allclose(score(ids, tf.constant([0, 1, 2])), expected, rtol=1e-5)
    for layer, before in zip(found, state, strict=True):
        assert vars(layer).keys() == before.keys()
        assert all(vars(layer)[name] is value for name, value in before.items())


def test_a_model_that_was_explained_trains(rng):
    model, ids = models.transformer(**GROUPED), _ids(rng)
    attention_relevance(Score(model), ids)
    before = model.get_weights()
    model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
    model.fit(ids, np.array([0, 1, 2]), verbose=0)
    assert all(np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True) if np.ptp(a) > 0)


def test_weights_that_the_model_asks_for_itself_still_arrive(rng):
    x = Input((4, 5))
    out, weights = layers.MultiHeadAttention(2, 3, name="heads")(x, x, return_attention_scores=True)
    model = Model(x, [layers.Flatten()(out), layers.Flatten()(weights)])
    x = tf.constant(rng.normal(size=(2, 4, 5)), tf.float32)
    maps = attention(Score(model, output=1), x)
    np.testing.assert_allclose(tf.reshape(maps["heads"], (2, -1)), model(x)[1], rtol=1e-5)


class Block(layers.Layer):
    """Attention inside a layer of the user's own, under the same name in each."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.attend = layers.MultiHeadAttention(1, 3, name="attend")

    def call(self, x):
        return x + self.attend(x, x)


class Net(keras.Model):
    """Subclassed, with two blocks of which the first is called twice."""

    def __init__(self):
        super().__init__()
        self.blocks, self.head = [Block(name="low"), Block(name="high")], models.dense(3)

    def call(self, x):
        low, high = self.blocks
        return self.head(ops.mean(high(low(low(x))), axis=1))


def test_names_that_occur_twice_stay_apart(rng):
    model, x = Net(), tf.constant(rng.normal(size=(2, 4, 5)), tf.float32)
    model(x)
    maps = attention(Score(model), x)
    assert list(maps) == ["attend", "attend/1", "attend/2"]
    low, high = model.blocks
    for weights, block, read in zip(maps.values(), (low, low, high), (x, low(x), low(low(x))), strict=True):
        np.testing.assert_allclose(
            weights, block.attend(read, read, return_attention_scores=True)[1], rtol=1e-4, atol=1e-6
        )


def test_a_layer_restricts_to_what_is_in_it(rng):
    model, x = Net(), tf.constant(rng.normal(size=(2, 4, 5)), tf.float32)
    model(x)
    _, high = model.blocks
    every = attention(Score(model), x)
    for layer in ("high", high, high.attend, ["high"], [high.attend]):
        (only,) = attention(Score(model), x, layer=layer).values()
        np.testing.assert_allclose(only, every["attend/2"], rtol=1e-4)
    assert len(attention(Score(model), x, layer=["low", high])) == 3
    with pytest.raises(ValueError, match="must name one layer"):
        attention(Score(model), x, layer="attend")
    expected = (tf.reduce_mean(every["attend/2"], axis=1) + tf.eye(4)) / 2
    np.testing.assert_allclose(attention_rollout(Score(model), x, layer="high", token="all"), expected, rtol=1e-5)


def test_nested_models(rng):
    inner, ids = models.transformer(), _ids(rng)
    x = Input((6,), dtype="int32")
    model = Model(x, models.dense(2)(inner(x)))
    maps = attention(Score(model), ids)
    np.testing.assert_array_equal(maps["attention_1"], attention(Score(inner), ids)["attention_1"])


def _encoder_decoder():
    """Translates a series, by cross-attention between sequences of equal length."""
    inputs = [Input((4, 5)), Input((4, 5))]
    seen = models.encoder(inputs[0], blocks=1)
    x = layers.MultiHeadAttention(1, 3, name="cross")(inputs[1], seen)
    return Model(inputs, models.dense(3)(layers.GlobalAveragePooling1D()(x)))


def test_cross_attention_is_no_part_of_it_unless_asked_for(rng):
    model, x = _encoder_decoder(), [tf.constant(rng.normal(size=(2, 4, 5)), tf.float32) for _ in range(2)]
    assert list(attention(Score(model), x)) == ["attention_0", "cross"]
    with pytest.raises(ValueError, match=r"self-attention over the tokens.*'cross'.*'cross'.*Pass `layer=`"):
        attention_rollout(Score(model), x, token="all")
    with pytest.raises(ValueError, match="can not tell which input"):
        attention_rollout(Score(model), x, layer="attention_0")


def test_queries_of_another_length_are_left_out(rng):
    x = Input((4, 5))
    seen = models.encoder(x)
    pooled = layers.MultiHeadAttention(1, 3)(seen[:, :1], seen)
    with_pool = Model(x, models.dense(3)(layers.Flatten()(pooled)))
    x = tf.constant(rng.normal(size=(2, 4, 5)), tf.float32)
    only = attention_rollout(Score(with_pool), x, tf.constant([0, 1]), layer=["attention_0", "attention_1"])
    np.testing.assert_array_equal(attention_rollout(Score(with_pool), x), only)
    with pytest.raises(ValueError, match="Expected self-attention"):
        attention_rollout(Score(with_pool), x, layer=with_pool.layers[-3])


class Secretive(layers.MultiHeadAttention):
    """Keeps its weights to itself."""

    def call(self, query, value, key=None):
        return super().call(query, value, key)


def test_errors_name_the_remedy(rng):
    ids = _ids(rng)
    score = Score(models.transformer())
    with pytest.raises(ValueError, match=r"no attention layer in.*MultiHeadAttention.*Use 'integrated_gradients'"):
        attention(Score(models.tokens()), ids[:, :5])
    with pytest.raises(ValueError, match=r"no attention layer in \['norm_0'\]"):
        attention_rollout(score, ids, layer="norm_0")
    with pytest.raises(ValueError, match=r"Unknown `layer`.*Did you mean 'attention_1'"):
        attention(score, ids, layer="atention_1")
    with pytest.raises(TypeError, match="needs a `Score`"):
        attention(lambda x, target: x, ids)
    for token in (6, -7, "first", True):
        with pytest.raises(ValueError, match=f"the position of one of 6 tokens. Received: {token!r}"):
            attention_rollout(score, ids, token=token)
    with pytest.raises(ValueError, match=r"The model calls none of \['elsewhere'\]"):
        attention(score, ids, layer=layers.MultiHeadAttention(1, 2, name="elsewhere"))
    x = Input((4, 5))
    model = Model(x, layers.Flatten()(Secretive(1, 2, name="secret")(x, x)))
    with pytest.raises(ValueError, match=r"'secret' does not tell.*Secretive has no `return_attention_scores`"):
        attention(Score(model), tf.zeros((1, 4, 5)))
