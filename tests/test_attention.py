"""Attention: maps as Keras gives them, rollout and relevance by hand, in every kind of model."""

import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Model, layers, ops

import tf_xai as xai
from tests import models
from tf_xai.attributions import attention, attention_relevance, attention_rollout
from tf_xai.core.score import Score

GROUPED = {"attention": layers.GroupQueryAttention, "heads": (3, 4, 2)}
KINDS = pytest.mark.parametrize("kind", [{}, GROUPED], ids=["multi_head", "grouped"])


def _ids(rng, rows=3, length=6):
    return tf.constant(rng.integers(1, 10, size=(rows, length)), tf.int32)


class ByHand:
    """The transformer of the tests in NumPy, in which attention weights can be replaced."""

    def __init__(self, model, ids):
        get = lambda name: [w.astype("float64") for w in model.get_layer(name).get_weights()]
        named = lambda kind: [layer.name for layer in model.layers if isinstance(layer, kind)]
        self.scales = [get(name)[0] for name in named(layers.RMSNormalization)]
        self.attention = [get(f"attention_{i}") for i in range(2)]
        *self.dense, self.head = [get(name) for name in named(layers.Dense)]
        self.tokens = get(named(layers.Embedding)[0])[0][ids.numpy()]

    def run(self, replaced=None):
        """The attention weights of both layers, and the class probabilities."""
        x, used = self.tokens, []
        for i, (wq, bq, wk, bk, wv, bv, wo, bo) in enumerate(self.attention):
            read = self._norm(x, self.scales[2 * i])
            q, k, v = (np.einsum("nte,ehd->nhtd", read, w) + b[:, None] for w, b in ((wq, bq), (wk, bk), (wv, bv)))
            weights = _softmax(np.einsum("nhtd,nhsd->nhts", q, k) / np.sqrt(q.shape[-1]))
            used.append((replaced or {}).get(i, weights))
            x = x + np.einsum("nhts,nhsd,hde->nte", used[i], v, wo) + bo
            kernel, bias = self.dense[i]
            x = x + np.tanh(self._norm(x, self.scales[2 * i + 1]) @ kernel + bias)
        return used, _softmax(x.mean(axis=1) @ self.head[0] + self.head[1])

    def slopes(self, target, step=1e-6):
        """`d score / d A` of both layers, by finite differences, one weight after the other."""
        used, rows = self.run()[0], np.arange(len(target))
        slopes = [np.zeros_like(weights) for weights in used]
        for i, weights in enumerate(used):
            for place in np.ndindex(weights.shape[1:]):
                moved = np.zeros_like(weights)
                moved[(slice(None), *place)] = step
                ends = [self.run({i: weights + sign * moved})[1][rows, target] for sign in (1, -1)]
                slopes[i][(slice(None), *place)] = (ends[0] - ends[1]) / (2 * step)
        return slopes

    @staticmethod
    def _norm(x, scale):
        return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6) * scale


def _softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _check_reading(method, model, inputs, expected, **options):
    """The mean over the queries, the row of a token, and all rows."""
    read = lambda token: method(Score(model), inputs, token=token, **options)
    np.testing.assert_allclose(read("all"), expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(read(None), expected.mean(axis=1), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(read(0), expected[:, 0], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(read(-1), expected[:, -1], rtol=1e-3, atol=1e-5)


def test_rollout_by_hand(rng):
    model, ids = models.transformer(), _ids(rng)
    flow = np.eye(6)
    for weights in ByHand(model, ids).run()[0]:
        mixed = weights.mean(axis=1) / 2 + np.eye(6) / 2
        flow = mixed / mixed.sum(axis=-1, keepdims=True) @ flow
    assert np.ptp(flow.mean(axis=1), axis=1).min() > 1e-3, "far from uniform"
    _check_reading(attention_rollout, model, ids, flow)


def test_relevance_by_hand(rng):
    model, ids, target = models.transformer(length=4), _ids(rng, length=4), np.array([2, 0, 1])
    by_hand = ByHand(model, ids)
    used, probabilities = by_hand.run()
    np.testing.assert_allclose(model(ids), probabilities, rtol=1e-4)
    relevance = np.eye(4)
    for weights, slope in zip(used, by_hand.slopes(target), strict=True):
        relevance = relevance + np.maximum(slope * weights, 0).mean(axis=1) @ relevance
    assert (relevance - np.eye(4)).max() > 1e-3
    _check_reading(attention_relevance, model, ids, relevance, target=tf.constant(target))


@KINDS
def test_maps_are_what_keras_gives(kind, rng):
    model, ids = models.transformer(**kind), _ids(rng)
    maps = attention(Score(model), ids)
    assert list(maps) == ["attention_0", "attention_1"]
    for i, weights in enumerate(maps.values()):
        read = Model(model.input, model.get_layer(f"norm_{i}").output)(ids)
        _, expected = model.get_layer(f"attention_{i}")(read, read, return_attention_scores=True)
        np.testing.assert_allclose(weights, expected, rtol=1e-4, atol=1e-6)
        assert weights.shape == (3, 4 if kind else 2, 6, 6)


def _padded(rng):
    """A model that masks id 0, sentences, and the same sentences with padding."""
    ids = _ids(rng, length=4)
    return (
        models.transformer(length=None, mask_zero=True, norm=layers.LayerNormalization),
        ids,
        tf.pad(ids, [[0, 0], [0, 2]]),
    )


@pytest.mark.parametrize("method", [attention_rollout, attention_relevance])
def test_padding_does_not_count(method, rng):
    model, ids, padded = _padded(rng)
    target = tf.constant([0, 1, 2])
    expected = method(Score(model), ids, target)
    values = method(Score(model), padded, target)
    np.testing.assert_allclose(values[:, :4], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(values[:, 4:], np.zeros((3, 2)))


@pytest.mark.parametrize("shape", [(6,), (1, 6), (1, 1, 6)])
def test_nor_does_that_of_a_mask_of_the_users_own(shape, rng):
    ids, mask = Input((6,), dtype="int32"), Input((6,), dtype="bool")
    x = layers.Embedding(10, 5)(ids)
    allowed = layers.Reshape(shape)(mask) if len(shape) > 1 else ops.logical_and(mask[:, None], mask[:, :, None])
    x = layers.MultiHeadAttention(2, 3)(x, x, attention_mask=allowed)
    model = Model([ids, mask], models.dense(3)(layers.GlobalAveragePooling1D()(x)))
    inputs = [_ids(rng), tf.constant([[True] * 4 + [False] * 2] * 3)]
    values, carried = attention_rollout(Score(model), inputs)
    whole, _ = attention_rollout(Score(model), inputs, token="all")
    np.testing.assert_allclose(values, tf.reduce_mean(whole[:, :4], axis=1), rtol=1e-5)
    assert not np.any(values[:, 4:])
    assert carried.shape == (3, 6) and not np.any(carried)


def test_causal_attention(rng):
    x = Input((4, 5))
    heads = layers.MultiHeadAttention(2, 3, name="heads")
    model = Model(x, layers.Flatten()(heads(x, x, use_causal_mask=True)))
    x = tf.constant(rng.normal(size=(2, 4, 5)), tf.float32)
    weights = attention(Score(model), x)["heads"].numpy()
    np.testing.assert_array_equal(weights * np.triu(np.ones((4, 4)), 1), np.zeros_like(weights))
    np.testing.assert_allclose(weights.sum(-1), np.ones((2, 2, 4)), rtol=1e-5)
    assert attention_rollout(Score(model), x, tf.constant([0, 1])).shape == (2, 4, 1)


@pytest.mark.parametrize("method", [attention_rollout, attention_relevance])
def test_patches_of_an_image_become_a_map(method, rng):
    model, x = models.vit(), tf.constant(rng.normal(size=(2, 8, 8, 1)), tf.float32)
    whole = method(Score(model), x, token="all")
    assert whole.shape == (2, 17, 17)
    native = method(Score(model), x, token=0, resize=False)
    np.testing.assert_allclose(native, tf.reshape(whole[:, 0, 1:], (2, 4, 4, 1)), rtol=1e-5)
    resized = tf.image.resize(native, (8, 8))
    np.testing.assert_allclose(method(Score(model), x, token=0), resized, rtol=1e-4, atol=1e-6)


def test_a_class_token_of_a_series_is_left_out(rng):
    x = Input((6, 2))
    tokens = models.encoder(models.ClassToken()(layers.Dense(5)(x)))
    model, x = Model(x, models.dense(3)(tokens[:, 0])), tf.constant(rng.normal(size=(2, 6, 2)), tf.float32)
    whole = attention_rollout(Score(model), x, token="all")
    np.testing.assert_allclose(attention_rollout(Score(model), x, token=0)[..., 0], whole[:, 0, 1:], rtol=1e-5)


def test_tokens_that_are_no_patches_are_an_error(rng):
    image = Input((8, 8, 1))
    x = models.encoder(layers.Reshape((32, 2))(image), blocks=1)
    model = Model(image, models.dense(3)(layers.GlobalAveragePooling1D()(x)))
    x = tf.constant(rng.normal(size=(2, 8, 8, 1)), tf.float32)
    with pytest.raises(ValueError, match=r"must be the patches.*32 tokens.*Pass `token='all'`"):
        attention_rollout(Score(model), x)
    assert attention_rollout(Score(model), x, token="all").shape == (2, 32, 32)


def test_tokens_of_one_of_several_sequences_are_those_with_its_length(rng):
    image, ids = Input((8, 8, 1)), Input((6,), dtype="int32")
    seen = models.encoder(layers.Reshape((16, 4))(image), blocks=1)
    said = layers.Embedding(10, 5)(ids)
    said = layers.MultiHeadAttention(1, 2, name="text")(said, said)
    pooled = [layers.GlobalAveragePooling1D()(x) for x in (seen, said)]
    model = Model([image, ids], models.dense(3)(layers.Concatenate()(pooled)))
    inputs = [tf.constant(rng.normal(size=(2, 8, 8, 1)), tf.float32), _ids(rng, rows=2)]
    values = attention_rollout(Score(model), inputs, layer="text")
    np.testing.assert_allclose(tf.reduce_sum(values[1], axis=1), [1, 1], rtol=1e-5)
    with pytest.raises(ValueError, match="must be the patches of one input"):
        attention_rollout(Score(model), inputs, layer="attention_0")
    with pytest.raises(ValueError, match="tokens of one sequence"):
        attention_rollout(Score(model), inputs)


def test_explain_gives_them_as_arrays(rng):
    model, ids = models.transformer(), _ids(rng, rows=5).numpy()
    e = xai.explain(model, ids, method="attention", batch_size=2, verbose=0)
    assert {name: maps.shape for name, maps in e.values.items()} == dict.fromkeys(
        ["attention_0", "attention_1"], (5, 2, 6, 6)
    )
    assert xai.explain(model, ids, method="attention_rollout", token=0).values.shape == (5, 6)
