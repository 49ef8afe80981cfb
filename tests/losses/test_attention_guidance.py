"""AttentionGuidance against attention by hand, and that it moves attention."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tf_xai as xai
from tests.losses.models import assert_gradients_by_finite_differences, rows, trained, weight_gradients
from tests.models import ClassToken, transformer, vit

AttentionGuidance = xai.losses.AttentionGuidance
both_kinds = pytest.mark.parametrize("kind", ["kl", "share"])


@pytest.fixture
def ids(rng):
    return rng.integers(1, 10, (5, 6)).astype("int32")


@pytest.fixture
def mask(rng):
    """Evidence, at least one token per row, and not all of them."""
    mask = rng.integers(0, 2, (5, 6)).astype("float32")
    mask[:, 0], mask[:, 1] = 1, 0
    return mask


def guide(loss, model, x, mask):
    return rows(loss, model, x, np.zeros(len(mask), int), 1 - mask).numpy()


def penalty(kind, attention, mask):
    """By the definitions, of attention that sums to one over the tokens."""
    if kind == "share":
        return -np.log((mask * attention).sum(axis=1))
    even = mask / mask.sum(axis=1, keepdims=True)
    return np.sum(even * np.log(np.where(mask > 0, even / np.where(mask > 0, attention, 1), 1)), axis=1)


def to_tokens(model, x, layer=None):
    """The mean over layers, heads and queries."""
    maps = xai.Explainer("attention", layer=layer).bind(model)(tf.constant(x))
    return np.mean([values.numpy().mean(axis=(1, 2)) for values in maps.values()], axis=0)


def pooled(length=6, classes=2, mask_zero=True):
    """Token ids averaged by one attention layer with one query."""
    ids = keras.Input((length,), dtype="int32")
    words = layers.Embedding(10, 5, keras.initializers.RandomNormal(stddev=1.0), mask_zero=mask_zero)(ids)
    query = layers.GlobalAveragePooling1D(keepdims=True)(words)
    steep = keras.initializers.RandomNormal(stddev=0.5)
    seen = layers.MultiHeadAttention(2, 3, kernel_initializer=steep, name="pool")(query, words)
    return keras.Model(ids, layers.Dense(classes, "softmax")(layers.Flatten()(seen)))


@both_kinds
@pytest.mark.parametrize("layer", [None, "attention_0", ["attention_1"]])
def test_raw_attention(layer, kind, ids, mask):
    model = transformer()
    expected = penalty(kind, to_tokens(model, ids, layer), mask)
    np.testing.assert_allclose(guide(AttentionGuidance(layer, kind=kind), model, ids, mask), expected, rtol=1e-4)


@both_kinds
def test_attention_pooling(kind, ids, mask):
    """One query of another sequence: the keys are the tokens."""
    model = pooled()
    expected = penalty(kind, to_tokens(model, ids), mask)
    np.testing.assert_allclose(guide(AttentionGuidance("pool", kind=kind), model, ids, mask), expected, rtol=1e-4)


def test_zero_weights_attend_to_all_alike(ids, mask):
    model = pooled()
    model.set_weights([0 * w for w in model.get_weights()])
    for kind in ("kl", "share"):
        value = guide(AttentionGuidance(kind=kind), model, ids, mask)
        np.testing.assert_allclose(value, -np.log(mask.mean(axis=1)), rtol=1e-5)
    np.testing.assert_allclose(guide(AttentionGuidance(), model, ids, np.ones_like(mask)), np.zeros(5), atol=1e-6)


@both_kinds
@pytest.mark.parametrize("explainer", ["attention_rollout", "attention_relevance"])
def test_flow(explainer, kind, ids, mask):
    model = transformer()
    values = xai.Explainer(explainer).bind(model)(tf.constant(ids), np.zeros(5, int)).numpy()
    expected = penalty(kind, values / values.sum(axis=1, keepdims=True), mask)
    value = guide(AttentionGuidance(explainer=explainer, kind=kind), model, ids, mask)
    np.testing.assert_allclose(value, expected, rtol=1e-4)


def test_layer_is_an_option_of_the_explainer():
    loss = AttentionGuidance("attention_1", "attention_rollout")
    assert loss.explainer.option("layer") == "attention_1"
    assert AttentionGuidance.from_config(loss.get_config()).explainer.option("layer") == "attention_1"
    assert AttentionGuidance.from_config(AttentionGuidance(kind="share").get_config()).kind == "share"


@both_kinds
@pytest.mark.parametrize("explainer", ["attention", "attention_rollout"])
def test_padding_does_not_count(explainer, kind, ids, mask):
    """A row has the same penalty alone and with padding behind it, whatever evidence says of the padding."""
    build = lambda length: transformer(length=length, mask_zero=True, blocks=1, norm=layers.LayerNormalization)
    model, loss, ids[:, 4:] = build(6), AttentionGuidance(explainer=explainer, kind=kind), 0
    for says in (0.0, 1.0):
        mask[:, 4:] = says
        shorter = build(4)
        shorter.set_weights(model.get_weights())
        alone = guide(loss, shorter, ids[:, :4], mask[:, :4])
        np.testing.assert_allclose(guide(loss, model, ids, mask), alone, rtol=1e-4)


@both_kinds
def test_padding_does_not_count_in_pooling(kind, ids, mask):
    model, ids[:, 4:] = pooled(), 0
    expected = penalty(kind, to_tokens(model, ids)[:, :4], mask[:, :4])
    for says in (0.0, 1.0):
        mask[:, 4:] = says
        np.testing.assert_allclose(guide(AttentionGuidance(kind=kind), model, ids, mask), expected, rtol=1e-4)


@both_kinds
def test_rows_without_evidence_have_no_penalty(kind, ids, mask):
    """Nor have those in which only padding is marked, nor shares where everything is; gradients are finite."""
    model, loss = pooled(), AttentionGuidance(kind=kind)
    ids[1, 3:] = 0
    mask[0], mask[1], mask[2] = 0, [0, 0, 0, 1, 1, 1], 1
    value = guide(loss, model, ids, mask)
    np.testing.assert_allclose(value[: 3 if kind == "share" else 2], 0, atol=1e-6)
    assert value[3:].min() > 0.01
    slopes = weight_gradients(model, lambda: rows(loss, model, ids, np.zeros(5, int), 1 - mask))
    assert all(np.isfinite(slope).all() for slope in slopes)


@both_kinds
def test_soft_evidence(kind, ids, mask):
    model, mask = pooled(), mask * np.linspace(0.2, 0.8, 6, dtype="float32")
    expected = penalty(kind, to_tokens(model, ids), mask)
    np.testing.assert_allclose(guide(AttentionGuidance(kind=kind), model, ids, mask), expected, rtol=1e-4)


def test_images(rng):
    """The patches of an image: the map is brought to its size; a class token is in no place. One mask per channel."""
    model, x = vit((8, 8, 1)), rng.normal(size=(3, 8, 8, 1)).astype("float32")
    mask = np.zeros((3, 8, 8, 1), "float32")
    mask[:, :4] = 1
    maps = xai.Explainer("attention_rollout").bind(model)(x).numpy().reshape(3, -1)
    for kind in ("kl", "share"):
        value = guide(AttentionGuidance(explainer="attention_rollout", kind=kind), model, x, mask)
        expected = penalty(kind, maps / maps.sum(axis=1, keepdims=True), mask.reshape(3, -1))
        np.testing.assert_allclose(value, expected, rtol=1e-4)
    assert guide(AttentionGuidance(), model, x, mask).min() > 0


def test_evidence_of_inputs_without_tokens_says_nothing(rng):
    """Beside an image: all of the other input is marked, and the image alone decides."""
    image, age = keras.Input((4, 4, 1), name="image"), keras.Input((2,), name="age")
    patches = layers.Reshape((4, 3))(layers.Conv2D(3, 2, strides=2)(image))
    seen = layers.MultiHeadAttention(1, 3)(*[ClassToken()(patches)] * 2)
    model = keras.Model({"image": image, "age": age}, layers.Dense(2)(layers.Concatenate()([seen[:, 0], age])))
    x = {"image": rng.normal(size=(3, 4, 4, 1)).astype("float32"), "age": np.zeros((3, 2), "float32")}
    half = np.zeros((3, 4, 4, 1), "float32")
    half[:, :2] = 1
    loss = AttentionGuidance()
    value = lambda image, age: rows(
        loss, model, x, np.zeros(3, int), {"image": 1 - image, "age": np.full((3, 2), 1 - age, "float32")}
    )
    np.testing.assert_allclose(value(half, 0.0), value(half, 1.0), rtol=1e-5)
    assert value(half, 0.0).numpy().min() > 0.01
    np.testing.assert_array_equal(value(0 * half, 1.0), np.zeros(3))


@both_kinds
@pytest.mark.parametrize("explainer", ["attention", "attention_rollout", "attention_relevance"])
def test_gradient_by_finite_differences(explainer, kind, ids, mask):
    model, loss = transformer(blocks=1), AttentionGuidance(explainer=explainer, kind=kind)
    assert_gradients_by_finite_differences(
        model, tf.function(lambda: rows(loss, model, ids, np.zeros(5, int), 1 - mask)), tolerance=0.05, step=1e-3
    )


@pytest.mark.slow
@pytest.mark.parametrize("explainer", ["attention", "attention_rollout", "attention_relevance"])
def test_modes_agree(explainer, ids, mask):
    model, loss = transformer(blocks=1), AttentionGuidance(explainer=explainer)
    compute = lambda: rows(loss, model, ids, np.zeros(5, int), 1 - mask)
    for jit in (False, True):
        np.testing.assert_allclose(tf.function(compute, jit_compile=jit)(), compute(), rtol=1e-5, atol=1e-6)


def test_fit_spreads_attention_over_the_evidence():
    """Two words tell the class, both are marked: for a share one of them will do, and with this seed it does."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 128)
    ids = rng.integers(1, 6, (128, 6)).astype("int32")
    ids[:, 1], ids[:, 4] = 6 + y, 8 + y
    data = xai.with_evidence(ids, relevant=np.tile(np.isin(np.arange(6), [1, 4]), (128, 1)))
    least = {}
    for kind in ("share", "kl"):
        keras.utils.set_random_seed(3)
        base = pooled(mask_zero=False)
        trained(base, "sparse_categorical_crossentropy", data, y, AttentionGuidance(kind=kind), rate=0.03)
        seen = to_tokens(base, ids).mean(axis=0)
        assert seen[[1, 4]].sum() > 0.9
        least[kind] = seen[[1, 4]].min()
    assert least["share"] < 0.1 and least["kl"] > 0.4


def test_fit_moves_attention_to_the_evidence(rng):
    """Two words tell the class; evidence names the one that the model looks at less by itself."""
    count = 128
    y = rng.integers(0, 2, count)
    ids = rng.integers(1, 6, (count, 6)).astype("int32")
    ids[:, 1], ids[:, 4] = 6 + y, 8 + y

    def attention(weight, word):
        keras.utils.set_random_seed(3)
        base = pooled(mask_zero=False)
        data = xai.with_evidence(ids, relevant=np.tile(np.arange(6) == word, (count, 1)))
        trained(base, "sparse_categorical_crossentropy", data, y, AttentionGuidance(weight=weight), rate=0.03)
        assert np.mean(base(ids).numpy().argmax(axis=1) == y) > 0.95
        return to_tokens(base, ids).mean(axis=0)

    plain = attention(0.0, 1)
    other = min((1, 4), key=lambda word: plain[word])
    assert attention(1.0, other)[other] > 0.9 and plain[other] < 0.5


def test_needs_evidence(ids):
    model = xai.compile(pooled(), "sgd", "sparse_categorical_crossentropy", explanation_loss=AttentionGuidance())
    with pytest.raises(ValueError, match="`AttentionGuidance` needs evidence"):
        model.fit(ids, np.zeros(5, int), verbose=0)


def test_errors(ids, mask):
    with pytest.raises(ValueError, match=r"Unknown `explainer`.*'attention_rollout'.*Received: 'gradient'"):
        AttentionGuidance(explainer="gradient")
    with pytest.raises(ValueError, match=r"Unknown `kind`.*'kl', 'share'"):
        AttentionGuidance(kind="mass")
    with pytest.raises(ValueError, match="one number per token"):
        AttentionGuidance(explainer=xai.Explainer("attention_rollout", token="all"))
    plain = keras.Sequential([keras.Input((6,), dtype="int32"), layers.Embedding(10, 3), layers.Flatten()])
    with pytest.raises(ValueError, match="no attention layer"):
        guide(AttentionGuidance(), plain, ids, mask)
