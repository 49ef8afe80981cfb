"""Gradients of a score, against derivatives by hand."""

from contextlib import contextmanager
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import models
from tf_xai.core.capture import capture, find_layer
from tf_xai.core.gradients import SharedPass, gradients, inner_gradients, layer_gradients
from tf_xai.core.score import Score


def test_closed_form_on_nested_inputs(rng):
    a, b = (tf.constant(rng.normal(size=(3, 2)), tf.float32) for _ in range(2))
    score = lambda inputs, target: tf.reduce_sum(inputs["a"] ** 2 * tf.sin(inputs["b"][0]), axis=1)
    result = gradients(score, {"a": a, "b": [b]})
    np.testing.assert_allclose(result["a"], 2 * a * tf.sin(b), rtol=1e-5)
    np.testing.assert_allclose(result["b"][0], a**2 * tf.cos(b), rtol=1e-5)


def test_scores_are_summed_over_the_batch_so_that_half_precision_does_not_underflow():
    x = tf.ones((4096, 1), tf.float16)
    slopes = gradients(lambda inputs, target: inputs[:, 0] * 1e-6, x)
    assert slopes.dtype == tf.float32
    np.testing.assert_allclose(slopes, np.full((4096, 1), np.float16(1e-6)), rtol=1e-3)


def test_masks_are_carried_without_a_gradient(rng):
    x, mask = tf.constant(rng.normal(size=(2, 3)), tf.float32), tf.constant([[True, False, True]] * 2)
    score = lambda inputs, target: tf.reduce_sum(tf.where(inputs[1], inputs[0], 0.0), axis=1)
    slopes = gradients(score, [x, mask])
    np.testing.assert_array_equal(slopes[0], np.array(mask, "float32"))
    np.testing.assert_array_equal(slopes[1], np.zeros((2, 3)))


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_integers_are_an_error(dtype):
    with pytest.raises(TypeError, match=r"Only floating inputs can be explained.*Token ids"):
        gradients(lambda x, target: x, tf.ones((2, 3), dtype))


def test_an_input_without_influence_is_a_warning():
    inputs = [tf.ones((2, 3)), tf.ones((2, 5))]
    with pytest.warns(UserWarning, match=r"does not depend on the input of shape \(2, 5\)"):
        slopes = gradients(lambda x, target: tf.reduce_sum(x[0], axis=1), inputs)
    np.testing.assert_array_equal(slopes[1], np.zeros((2, 5)))


def test_layer_gradients(rng):
    model, x = models.mlp(final=None), tf.constant(rng.normal(size=(2, 4)), tf.float32)
    hidden, head = model.layers
    target = tf.constant([1, 2])
    activations, slopes = layer_gradients(Score(model), partial(capture, [hidden]), x, target, list)
    np.testing.assert_allclose(activations, hidden(x), rtol=1e-6)
    np.testing.assert_allclose(slopes, np.transpose(head.kernel)[target], rtol=1e-6)


def test_the_last_layer_that_the_score_depends_on_is_taken(rng):
    model = models.two_outputs()
    x, target = tf.constant(rng.normal(size=(2, 4)), tf.float32), tf.constant([0, 1])
    layers, score = [model.layers[1], model.get_layer("amount")], Score(model, output="label")
    activations, _ = layer_gradients(score, partial(capture, layers), x, target, list)
    assert activations.shape == (2, 6), "the hidden layer: the later one is that of the other output"
    with pytest.raises(ValueError, match="does not depend on the layer"):
        layer_gradients(score, partial(capture, layers[1:]), x, target, list)


def test_inner_gradients(rng):
    model, x = models.mlp(final=None), tf.constant(rng.normal(size=(2, 4)), tf.float32)
    hidden, head = model.layers

    @contextmanager
    def observing(watch):
        seen = []
        with capture([hidden], lambda output: (watch(output), seen.append(output))):
            yield seen

    target = tf.constant([1, 2])
    seen, slopes = inner_gradients(Score(model), observing, x, target, lambda seen: [*seen, tf.zeros((2,))])
    np.testing.assert_allclose(seen[0], hidden(x), rtol=1e-6)
    np.testing.assert_allclose(slopes[0], np.transpose(head.kernel)[target], rtol=1e-6)
    np.testing.assert_array_equal(slopes[1], [0, 0], "zero where the score does not depend on a tensor")


def test_layer_gradients_of_a_nested_layer_in_half_precision(rng):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = models.nested()
    finally:
        keras.config.set_dtype_policy("float32")
    x = tf.constant(rng.normal(size=(2, 8, 8, 1)), tf.float32)
    layer = find_layer(model, "inner")
    activations, slopes = layer_gradients(Score(model), partial(capture, [layer]), x, tf.constant([0, 1]), list)
    assert activations.dtype == slopes.dtype == tf.float32
    assert activations.shape == slopes.shape == (2, 8, 8, 4)


@pytest.mark.parametrize("training", [False, True])
def test_a_shared_pass_gives_the_same_gradients(rng, training):
    model, score = models.mlp(), None
    score = Score(model, space="log_probability")
    x, target = tf.constant(rng.normal(size=(3, 4)), tf.float32), tf.ones((3, 3))
    shared = SharedPass(model, x, training)
    np.testing.assert_allclose(shared.outputs, model(x), rtol=1e-6)
    expected = gradients(score, x, target)
    np.testing.assert_allclose(shared.gradients(score, target), expected, rtol=1e-5, atol=1e-7)
    # The tape serves several losses.
    np.testing.assert_allclose(shared.gradients(score, target), expected, rtol=1e-5, atol=1e-7)


def test_a_shared_pass_trains_the_weights_as_a_pass_of_its_own(rng):
    model = models.mlp()
    score, x = Score(model), tf.constant(rng.normal(size=(3, 4)), tf.float32)
    target = tf.constant([0, 1, 2])

    def slopes(explain):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(explain() ** 2)
        return tape.gradient(loss, model.trainable_weights, unconnected_gradients="zero")

    shared = slopes(lambda: SharedPass(model, x, False).gradients(score, target))
    for own, other in zip(slopes(lambda: gradients(score, x, target)), shared, strict=True):
        np.testing.assert_allclose(other, own, rtol=1e-4, atol=1e-7)
