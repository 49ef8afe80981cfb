"""Layer-wise relevance propagation against the formulas; `references/test_zennit` has whole networks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests import models
from tests.architectures import MODELS, draw, scramble, sequential
from tests.derivatives import along
from tf_xai.attributions import gradient_input, lrp
from tf_xai.core.score import Score

LOW, HIGH = -4.0, 5.0

up, down = (lambda values: np.maximum(values, 0)), (lambda values: np.minimum(values, 0))


def _part(terms, bias=0.0):
    """The share of every term in the sum of all."""
    total = terms.sum(axis=1, keepdims=True) + bias
    return np.divide(terms, total, out=np.zeros_like(terms), where=np.abs(total) > 1e-9)


def _gamma(terms, bias, x, w):
    z = terms.sum(axis=1, keepdims=True) + bias
    favour, against = (_part(terms + 0.25 * side(terms), bias + 0.25 * side(bias)) for side in (up, down))
    return np.where(z > 0, favour, against)


# The share of every input (axis 1) in every output (axis 2), given `terms = x w`, the bias, inputs and weights.
SHARES = {
    "epsilon": lambda terms, bias, x, w: _part(terms, bias),
    "z_plus": lambda terms, bias, x, w: _part(up(terms), up(bias)),
    "alpha2_beta1": lambda terms, bias, x, w: 2 * _part(up(terms), up(bias)) - _part(down(terms), down(bias)),
    "gamma": _gamma,
    "flat": lambda terms, bias, x, w: np.broadcast_to(_part((w != 0) * 1.0), terms.shape),
    "box": lambda terms, bias, x, w: _part(terms - LOW * up(w) - HIGH * down(w)),
}

# The rules of the first convolution, of later ones, and of dense layers.
COMPOSITES = {
    **{name: (name,) * 3 for name in SHARES if name != "box"},
    "epsilon_plus": ("z_plus", "z_plus", "epsilon"),
    "epsilon_plus_flat": ("flat", "z_plus", "epsilon"),
    "epsilon_alpha2_beta1": ("alpha2_beta1", "alpha2_beta1", "epsilon"),
    "epsilon_alpha2_beta1_flat": ("flat", "alpha2_beta1", "epsilon"),
    "epsilon_gamma_box": ("box", "gamma", "epsilon"),
}


def _options(composite):
    return {"low": LOW, "high": HIGH} if composite == "epsilon_gamma_box" else {}


def _flat(values):
    return np.reshape(values, (len(values), -1)).astype("float64")


def _matrix(layer, x):
    """A linear layer as a matrix from all its inputs to all its outputs, and its bias at all of these."""
    size = x[0].size
    bias = _flat(layer(np.zeros_like(x[:1])))
    return _flat(layer(np.eye(size, dtype="float32").reshape(size, *x.shape[1:]))) - bias, bias


def _by_hand(stack, rules, x):
    """Relevance handed back through layers, by the name of the rule of each; None for those that hand it on."""
    seen = [x]
    for layer in stack:
        seen.append(np.array(layer(seen[-1])))
    relevance = _flat(seen[-1])
    for layer, rule, x in list(zip(stack, rules, seen, strict=False))[::-1]:
        if rule:
            w, bias = _matrix(layer, x)
            w[np.abs(w) < 1e-6] = 0
            terms = _flat(x)[:, :, None] * w[None]
            relevance = np.einsum("nij,nj->ni", SHARES[rule](terms, bias[:, None], _flat(x), w[None]), relevance)
    return relevance.reshape(seen[0].shape)


def test_softmax(rng):
    """`R_i = x_i (R'_i - p_i sum_j R'_j)`, where `R' = p w` are the terms of the score."""
    x, w = rng.normal(size=(3, 5)), rng.normal(size=5)
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    arrived = p * w
    expected = x * (arrived - p * arrived.sum(axis=1, keepdims=True))
    score = lambda x, target: tf.reduce_sum(tf.nn.softmax(x) * tf.constant(w, tf.float32), axis=1)
    np.testing.assert_allclose(lrp(score, tf.constant(x, tf.float32)), expected, rtol=1e-3, atol=1e-5)


def test_products_of_two_matrices_that_are_both_explained(rng):
    """`A_ik sum_j B_kj R_ij / 2 z_ij` and its twin, where `R = z w` are the terms of the score, so that `R / z = w`."""
    a, b, w = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 4, 5)), rng.normal(size=(3, 5))
    halves = [a * np.einsum("nkj,ij->nik", b, w) / 2, b * np.einsum("nik,ij->nkj", a, w) / 2]
    score = lambda x, target: tf.reduce_sum(tf.matmul(*x) * tf.constant(w, tf.float32), axis=[1, 2])
    inputs = [tf.constant(leaf, tf.float32) for leaf in (a, b)]
    for value, expected in zip(lrp(score, inputs), halves, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-4)


def _total(model):
    """The sum of all outputs, which gives every output its own value as relevance."""
    return lambda x, target: tf.reduce_sum(tf.reshape(model(x), [tf.shape(x)[0], -1]), axis=1)


def _network(shape, stack, rng):
    return scramble(keras.Sequential([keras.Input(shape), *stack]), rng)


KINDS = {
    "dense": ((5,), lambda: layers.Dense(4)),
    "conv": ((5, 5, 2), lambda: layers.Conv2D(3, 3, padding="same")),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("composite", ["epsilon", "z_plus", "alpha2_beta1", "gamma", "flat", "epsilon_gamma_box"])
def test_rules(composite, kind, rng):
    shape, make = KINDS[kind]
    model = _network(shape, [make()], rng)
    x = rng.normal(size=(3, *shape)).astype("float32")
    first, _, dense = COMPOSITES[composite]
    expected = _by_hand(model.layers, [first if kind == "conv" else dense], x)
    values = lrp(_total(model), tf.constant(x), composite=composite, **_options(composite))
    np.testing.assert_allclose(values, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("composite", COMPOSITES)
def test_composites_choose_rules_by_layer(composite, rng):
    stack = [layers.Conv2D(3, 3), layers.ReLU(), layers.Conv2D(4, 2), layers.ReLU(), layers.Flatten(), layers.Dense(2)]
    model = _network((5, 5, 2), stack, rng)
    first, convolution, dense = COMPOSITES[composite]
    x = rng.uniform(LOW, HIGH, size=(3, 5, 5, 2)).astype("float32")
    expected = _by_hand(model.layers, [first, None, convolution, None, None, dense], x)
    values = lrp(_total(model), tf.constant(x), composite=composite, **_options(composite))
    np.testing.assert_allclose(values, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_every_branch_at_the_input_has_a_first_layer(rng):
    x = keras.Input((5, 5, 2))
    branches = [layers.Conv2D(3, 3)(x), layers.Conv2D(3, 3)(layers.AveragePooling2D(1)(x))]
    model = scramble(keras.Model(x, layers.Conv2D(2, 1)(layers.ReLU()(layers.Concatenate()(branches)))), rng)
    data = rng.normal(size=(2, 5, 5, 2)).astype("float32")
    flat = lrp(_total(model), tf.constant(data), composite="epsilon_plus_flat")
    # "flat" hands every window its share alike, in all channels.
    np.testing.assert_allclose(flat[..., 0], flat[..., 1], atol=1e-3)
    plain = lrp(_total(model), tf.constant(data), composite="epsilon_plus")
    assert np.abs(plain[..., 0] - plain[..., 1]).max() > 1e-2


# Layers, and how factors of the channels that come out stand in the shape of their weights.
FOLDED = {
    "dense": ((5,), lambda: layers.Dense(4), lambda s, w: s),
    "conv_1d": ((6, 2), lambda: layers.Conv1D(4, 3, padding="same"), lambda s, w: s),
    "conv_2d": ((5, 5, 2), lambda: layers.Conv2D(4, 3), lambda s, w: s),
    "depthwise_2d": (
        (5, 5, 2),
        lambda: layers.DepthwiseConv2D(3, depth_multiplier=2),
        lambda s, w: s.reshape(w.shape[2:]),
    ),
    "transposed_2d": ((3, 3, 2), lambda: layers.Conv2DTranspose(4, 2, 2), lambda s, w: s[:, None]),
}


@pytest.mark.parametrize("composite", ["gamma", "alpha2_beta1"])
@pytest.mark.parametrize("kind", FOLDED)
def test_batch_normalisation_is_folded_into_the_layer_before(kind, composite, rng):
    shape, make, place = FOLDED[kind]
    norm = layers.BatchNormalization()
    model = _network(shape, [make(), norm, layers.ReLU()], rng)
    w, bias = model.layers[0].get_weights()
    gamma, beta, mean, variance = norm.get_weights()
    scale = gamma / np.sqrt(variance + norm.epsilon)
    assert scale.min() < 0
    folded = _network(shape, [make(), layers.ReLU()], rng)
    folded.layers[0].set_weights([w * place(scale, w), (bias - mean) * scale + beta])
    x = tf.constant(rng.normal(size=(3, *shape)), tf.float32)
    np.testing.assert_allclose(model(x), folded(x), rtol=1e-4, atol=1e-5)
    values, expected = (lrp(_total(each), x, composite=composite) for each in (model, folded))
    np.testing.assert_allclose(values, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_a_factor_per_position_is_not_folded(rng):
    """As many positions as channels, and no bias: "epsilon" is gradient times input."""
    factors = tf.constant(rng.normal(size=(4, 1)), tf.float32)
    stack = [layers.Dense(4, use_bias=False), layers.Lambda(lambda x: x * factors), layers.Flatten()]
    model = scramble(keras.Sequential([keras.Input((4, 3)), *stack, layers.Dense(2, use_bias=False)]), rng)
    x = tf.constant(rng.normal(size=(3, 4, 3)), tf.float32)
    values = lrp(_total(model), x, composite="epsilon")
    np.testing.assert_allclose(values, gradient_input(_total(model), x), rtol=1e-3, atol=1e-4)


def _without_bias(model, rng):
    for variable in scramble(model, rng).weights:
        if variable.path.endswith(("bias", "beta", "moving_mean")):
            variable.assign(tf.zeros(variable.shape))
    return model


CONSERVING = {
    **{f"dense_{name}": lambda name=name: sequential((5,), layers.Dense(8, name)) for name in ("relu", "gelu", "silu")},
    "norm": lambda: sequential((5, 5, 2), layers.Conv2D(3, 3), layers.BatchNormalization(), layers.ReLU()),
    "pooling_2d": MODELS["pooling_2d"],
    "depthwise_2d": MODELS["depthwise_2d"],
    "growth_2d": MODELS["growth_2d"],
    "squeeze_and_excite": MODELS["squeeze_and_excite"],
    "residual": lambda: _residual(),
}


def _residual():
    x = keras.Input((5, 5, 2))
    seen = layers.ReLU()(layers.Add()([x, layers.Conv2D(2, 3, padding="same", activation="relu")(x)]))
    return keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling2D()(seen)))


@pytest.mark.parametrize("composite", ["epsilon", "epsilon_plus", "gamma"])
@pytest.mark.parametrize("name", CONSERVING)
def test_relevance_is_conserved_without_biases(name, composite, rng):
    model = _without_bias(CONSERVING[name](), rng)
    score, (x, _), target = Score(model), draw(model, rng), tf.zeros(4, tf.int32)
    values = lrp(score, x, target, composite=composite)
    total = tf.reduce_sum(values, range(1, values.shape.rank))
    np.testing.assert_allclose(total, score(x, target), rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["transformer", "lstm", "attention_additive", "merged", "nested"])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_all_kinds_of_models_have_finite_values(name, policy, rng):
    keras.config.set_dtype_policy(policy)
    try:
        model = scramble(MODELS[name](), rng)
    finally:
        keras.config.set_dtype_policy("float32")
    x, _ = draw(model, rng)
    for leaf in tf.nest.flatten(lrp(Score(model), x, tf.zeros(4, tf.int32))):
        assert np.all(np.isfinite(leaf))
        assert np.abs(leaf).max() > 1e-3


def test_identities_hand_on_what_each_result_got():
    pair = tf.custom_gradient(lambda x: ((3 * x, 2 * x), lambda first, second: 0 * first))
    values = lrp(lambda x, target: tf.raw_ops.PreventGradient(input=pair(x)[1])[:, 0], tf.constant([[5.0]]))
    np.testing.assert_allclose(values, [[10.0]])


def test_errors(rng):
    model, x = models.cnn(activation="relu"), tf.constant(rng.normal(size=(2, 8, 8, 1)), tf.float32)
    with pytest.raises(ValueError, match=r"needs `low=` and `high=`"):
        lrp(Score(model), x, composite="epsilon_gamma_box", low=-1.0)
    with pytest.raises(ValueError, match=r"Unknown `composite`.*'epsilom'.*Did you mean 'epsilon'"):
        lrp(Score(model), x, composite="epsilom")
    with pytest.raises(ValueError, match="`lrp` has no rule for the operation 'Lgamma'"):
        lrp(lambda x, target: tf.reduce_sum(tf.math.lgamma(x), axis=[1, 2, 3]), x)


@pytest.mark.parametrize("composite", ["epsilon", "z_plus", "gamma", "alpha2_beta1"])
def test_second_order_gradients_match_finite_differences(composite, rng):
    model = models.mlp(activation="softplus", final=None)
    for variable in model.weights:
        # Everything speaks for the score: no kink and no pole is near.
        variable.assign(rng.uniform(0.2, 1, variable.shape))
    x, target = tf.constant(rng.uniform(0.5, 2, size=(4, 4)), tf.float32), tf.constant([0, 2, 1, 1])
    weight, direction = model.layers[0].kernel, tf.constant(rng.normal(size=(4, 8)), tf.float32)
    loss = lambda: tf.reduce_sum(tf.square(lrp(Score(model), x, target, composite=composite)))
    exact, difference = along(loss, weight, direction)
    expected = difference(1e-2)
    assert abs(expected) > 0.1
    np.testing.assert_allclose(exact, expected, rtol=5e-3)
