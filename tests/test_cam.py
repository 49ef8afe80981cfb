"""The relatives of Grad-CAM against computations by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import models
from tf_xai import attributions
from tf_xai.core.score import Score

SHAPES = {1: (9, 2), 2: (8, 6, 1), 3: (4, 6, 4, 1)}


def _model(axes):
    """A convolution and a head of two dense layers, so that slopes differ between positions and rows."""
    conv = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}[axes]
    return keras.Sequential(
        [
            keras.Input(SHAPES[axes]),
            conv(4, 2, strides=2, activation="tanh", name="conv"),
            keras.layers.Flatten(),
            models.dense(6, "tanh"),
            models.dense(3),
        ]
    )


def _activations_and_slopes(model, x, target):
    """`A` and `d score / d A` by hand: `W1 (1 - h^2) W2`."""
    conv, _, hidden, head = model.layers
    activations = conv(x).numpy().astype("float64")
    h = np.tanh(activations.reshape(len(x), -1) @ hidden.kernel.numpy() + hidden.bias.numpy())
    slopes = ((1 - h**2) * head.kernel.numpy()[:, target].T) @ hidden.kernel.numpy().T
    return activations, slopes.reshape(activations.shape)


def _grad_cam_plus_plus(a, g):
    positions = tuple(range(1, a.ndim - 1))
    alpha = g**2 / (2 * g**2 + a.sum(positions, keepdims=True) * g**3 + 1e-6)
    return ((alpha * np.maximum(g, 0)).sum(positions, keepdims=True) * a).sum(-1)


BY_HAND = {
    "grad_cam": lambda a, g: (g.mean(tuple(range(1, a.ndim - 1)), keepdims=True) * a).sum(-1),
    "grad_cam_plus_plus": _grad_cam_plus_plus,
    "hires_cam": lambda a, g: (g * a).sum(-1),
    "layer_cam": lambda a, g: (np.maximum(g, 0) * a).sum(-1),
}


@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize("method", BY_HAND)
def test_closed_form(method, axes, rng):
    model = _model(axes)
    x, target = rng.normal(size=(3, *SHAPES[axes])).astype("float32"), np.array([0, 2, 1])
    expected = BY_HAND[method](*_activations_and_slopes(model, x, target))
    explain = lambda **options: getattr(attributions, method)(
        Score(model), tf.constant(x), tf.constant(target), resize=False, **options
    )
    np.testing.assert_allclose(explain(relu=False)[..., 0], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(explain()[..., 0], np.maximum(expected, 0), rtol=1e-4, atol=1e-5)
    assert expected.min() < 0 < expected.max()


@pytest.mark.parametrize("method", [*BY_HAND, "score_cam"])
def test_maps_are_resized_and_take_a_layer(method, rng):
    model, x = models.cnn(SHAPES[2]), tf.constant(rng.normal(size=(2, *SHAPES[2])), tf.float32)
    explain = lambda **options: getattr(attributions, method)(Score(model), x, relu=False, **options)
    native = explain(resize=False)
    assert native.shape == (2, 4, 3, 1)
    np.testing.assert_allclose(explain(), tf.image.resize(native, SHAPES[2][:2]), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(explain(layer="last"), explain())
    assert explain(layer="first", resize=False).shape == (2, 8, 6, 1)


def test_hires_cam_adds_up_on_a_linear_head(rng):
    model = keras.Sequential(
        [
            keras.Input((8, 6, 1)),
            keras.layers.Conv2D(3, 3, activation="tanh"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    x, target = tf.constant(rng.normal(size=(3, 8, 6, 1)), tf.float32), tf.constant([0, 1, 1])
    maps = attributions.hires_cam(Score(model), x, target, relu=False, resize=False)
    np.testing.assert_allclose(tf.reduce_sum(maps, [1, 2, 3]), Score(model)(x, target), rtol=1e-4, atol=1e-6)


def test_score_cam_masks_the_input_by_every_channel(rng):
    model = models.cnn(SHAPES[2])
    x, target = rng.normal(size=(3, *SHAPES[2])).astype("float32"), np.array([0, 2, 1])
    activations = keras.Model(model.input, model.get_layer("last").output)(x).numpy()
    scores = []
    for c in range(activations.shape[-1]):
        maps = tf.image.resize(activations[..., c : c + 1], SHAPES[2][:2]).numpy()
        low, high = maps.min((1, 2, 3), keepdims=True), maps.max((1, 2, 3), keepdims=True)
        scores.append(model(x * (maps - low) / (high - low)).numpy()[np.arange(3), target])
    weights = np.exp(scores) / np.exp(scores).sum(axis=0)
    expected = np.einsum("nhwc,cn->nhw", activations, weights)
    maps = attributions.score_cam(Score(model), tf.constant(x), tf.constant(target), relu=False, resize=False, chunk=2)
    np.testing.assert_allclose(maps[..., 0], expected, rtol=1e-4, atol=1e-6)


def test_score_cam_survives_a_constant_channel():
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 1, kernel_initializer="zeros"), keras.layers.Flatten()]
    )
    maps = attributions.score_cam(Score(model), tf.ones((1, 4, 4, 1)), tf.constant([0]), layer=model.layers[0])
    np.testing.assert_array_equal(maps, np.zeros((1, 4, 4, 1)))


def test_score_cam_leaves_other_inputs_as_they_are(rng):
    model = models.dict_model()
    inputs = {"image": tf.constant(rng.normal(size=(2, 6, 6, 1)), tf.float32), "age": tf.ones((2, 2))}
    seen = []

    class Spy(Score):
        def __call__(self, inputs, target=None):
            seen.append(inputs["age"].numpy())
            return super().__call__(inputs, target)

    maps = attributions.score_cam(Spy(model), inputs, tf.constant([0, 1]))
    np.testing.assert_array_equal(maps["age"], np.zeros((2, 2)))
    assert all((age == 1).all() for age in seen)
    assert len(seen[-1]) == 6, "three channels of two rows"


def test_score_cam_of_token_ids_is_an_error(rng):
    ids = tf.constant(rng.integers(0, 10, size=(2, 5)), tf.int32)
    with pytest.raises(TypeError, match=r"token ids can not be multiplied. Received: int32 of shape \(2, 5\)"):
        attributions.score_cam(Score(models.tokens()), ids)


@pytest.mark.parametrize("method", ["grad_cam_plus_plus", "hires_cam", "layer_cam"])
def test_token_ids_get_one_number_per_token(method, rng):
    ids = tf.constant(rng.integers(0, 10, size=(3, 5)), tf.int32)
    values = getattr(attributions, method)(Score(models.tokens()), ids, relu=False)
    assert values.shape == (3, 5) and np.all(np.ptp(values, axis=1) > 0)


def test_guided_grad_cam_is_the_product(rng):
    inputs = {"image": tf.constant(rng.normal(size=(2, 6, 6, 1)), tf.float32), "age": tf.ones((2, 2))}
    score, target = Score(models.dict_model(activation="relu")), tf.constant([0, 1])
    maps = attributions.grad_cam(score, inputs, target, relu=False)
    guided = attributions.guided_backprop(score, inputs, target)
    values = attributions.guided_grad_cam(score, inputs, target, relu=False)
    np.testing.assert_allclose(values["image"], maps["image"] * guided["image"], rtol=1e-6)
    np.testing.assert_array_equal(values["age"], np.zeros((2, 2)))
    assert np.any(values["image"]) and np.any(guided["age"])


def test_scores_without_a_model_are_an_error():
    for method in [*BY_HAND, "score_cam"]:
        with pytest.raises(TypeError, match="needs a `Score`"):
            getattr(attributions, method)(lambda x, target: x[:, 0], tf.zeros((2, 4)))
