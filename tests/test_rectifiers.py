"""Guided backpropagation and the deconvolutional network against computations by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import models
from tests.derivatives import along
from tf_xai.attributions import deconvnet, gradient, guided_backprop
from tf_xai.core.score import Score

# What each does to the gradient that arrives at an activation with this slope.
RULES = {
    guided_backprop: lambda arrived, slope: np.maximum(arrived, 0) * slope,
    deconvnet: lambda arrived, slope: np.maximum(arrived, 0),
}

# The slopes of activations, by hand.
SLOPES = {
    "relu": lambda z: z > 0,
    "relu6": lambda z: (z > 0) & (z < 6),
    "leaky_relu": lambda z: np.where(z > 0, 1, 0.2),
    "elu": lambda z: np.where(z > 0, 1, np.exp(z)),
    "selu": lambda z: 1.0507009873554805 * np.where(z > 0, 1, 1.6732632423543772 * np.exp(z)),
}


def _deep(activation):
    """Two activations, one behind the other."""
    stack = [models.dense(8, activation), models.dense(6, activation), models.dense(3)]
    return keras.Sequential([keras.Input((4,)), *stack])


def _by_hand(model, rule, slope, x, target):
    """Forward layer by layer, and back again."""
    before = []
    for layer in model.layers:
        before.append(np.asarray(x @ layer.kernel + layer.bias))
        x = layer.activation(before[-1])
    back = np.transpose(model.layers[-1].kernel)[target]
    for layer, z in zip(model.layers[-2::-1], before[-2::-1], strict=True):
        back = rule(back, slope(z)) @ np.transpose(layer.kernel)
    return back


@pytest.mark.parametrize("activation", SLOPES)
@pytest.mark.parametrize("method", RULES, ids=lambda method: method.__name__)
def test_closed_form(method, activation, rng):
    model, x = _deep(activation), rng.normal(size=(5, 4)).astype("float32") * 3
    target = np.array([0, 1, 2, 0, 1])
    expected = _by_hand(model, RULES[method], SLOPES[activation], x, target)
    values = method(Score(model), tf.constant(x), tf.constant(target))
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-6)
    plain = gradient(Score(model), tf.constant(x), tf.constant(target))
    assert np.abs(plain - expected).max() > 0.1


@pytest.mark.parametrize("x", [2.0, -2.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_one_unit(x, sign):
    score = lambda x, target: sign * tf.nn.relu(x[:, 0])
    values = lambda method: float(method(score, tf.constant([[x]]))[0, 0])
    assert values(guided_backprop) == (x > 0 and sign > 0)
    assert values(deconvnet) == (sign > 0)


@pytest.mark.parametrize("method", RULES, ids=lambda method: method.__name__)
def test_other_operations_keep_their_gradient(method, rng):
    # The only ReLU is last and open, and a positive one arrives there: all before it is the plain gradient.
    pooled = lambda x: tf.reduce_sum(tf.nn.max_pool2d(tf.sin(x) * x, 2, 2, "VALID"), axis=[1, 2, 3])
    x = tf.constant(rng.normal(size=(3, 6, 6, 1)), tf.float32)
    values = method(lambda x, target: tf.nn.relu(pooled(x) + 100), x)
    expected = gradient(lambda x, target: pooled(x), x)
    assert np.min(expected) < 0
    np.testing.assert_allclose(values, expected, rtol=1e-6)


@pytest.mark.parametrize("method", RULES, ids=lambda method: method.__name__)
def test_a_model_without_rectifiers_is_an_error(method, rng):
    x = tf.constant(rng.normal(size=(2, 4)), tf.float32)
    with pytest.raises(ValueError, match=rf"`{method.__name__}` changes the gradient of ReLU.*Use 'gradient'"):
        method(Score(models.mlp(activation="tanh")), x)
    # Nor does a ReLU count that the score does not depend on.
    with pytest.raises(ValueError, match="the model has none"):
        method(lambda x, target: x[:, 0] + 0 * tf.cast(tf.shape(tf.nn.relu(x))[0], tf.float32), x)


@pytest.mark.parametrize("method", RULES, ids=lambda method: method.__name__)
def test_second_order_gradients_match_finite_differences(method, rng):
    model, x = _deep("elu"), tf.constant(rng.normal(size=(3, 4)), tf.float32)
    weight, direction = model.layers[1].kernel, tf.constant(rng.normal(size=(8, 6)), tf.float32)
    loss = lambda: tf.reduce_sum(tf.square(method(Score(model), x, tf.constant([0, 1, 2]))))
    exact, difference = along(loss, weight, direction)
    expected = difference(1e-3)
    assert abs(expected) > 0.1
    np.testing.assert_allclose(exact, expected, rtol=1e-2)
