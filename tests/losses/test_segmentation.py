"""Losses of a model that labels every position: the scores of the true classes, over all positions."""

import keras
import numpy as np
import pytest

import tf_xai as xai
from tests.losses.models import rows


def segmenter(classes, activation):
    return keras.Sequential([keras.Input((4, 4, 2)), keras.layers.Conv2D(classes, 3, padding="same"), activation])


@pytest.fixture
def x(rng):
    return rng.normal(size=(3, 4, 4, 2)).astype("float32")


def squares(model, x, y, mask, weights):
    """By hand: the gradient of `sum(weights * logits)` is the transposed convolution of the weights."""
    kernel = model.layers[0].kernel.numpy()
    slope = keras.ops.conv_transpose(weights.astype("float32"), kernel, padding="same")
    return np.square(mask * np.asarray(slope)).sum(axis=(1, 2, 3))


@pytest.mark.parametrize("shape", [(3, 4, 4), (3, 4, 4, 1)])
def test_true_classes_of_all_positions(shape, x, rng):
    model, y = segmenter(5, keras.layers.Softmax()), rng.integers(0, 5, shape)
    loss = xai.losses.RightReasons(xai.Explainer("gradient", space="logit"))
    mask = rng.integers(0, 2, x.shape).astype("float32")
    expected = squares(model, x, y, mask, np.eye(5)[y.reshape(3, 4, 4)])
    np.testing.assert_allclose(rows(loss, model, x, y, mask), expected, rtol=1e-4)


@pytest.mark.parametrize("shape", [(3, 4, 4), (3, 4, 4, 1)])
def test_one_sigmoid_at_every_position(shape, x, rng):
    model, y = segmenter(1, keras.layers.Activation("sigmoid")), rng.integers(0, 2, shape)
    loss = xai.losses.RightReasons(xai.Explainer("gradient", space="logit"))
    mask = np.ones(x.shape, "float32")
    expected = squares(model, x, y, mask, 2 * y.reshape(3, 4, 4, 1) - 1)
    np.testing.assert_allclose(rows(loss, model, x, y, mask), expected, rtol=1e-4)


def test_numbers_at_every_position(x, rng):
    """A regression explains the sum of what it puts out."""
    model, mask = segmenter(1, keras.layers.Activation("linear")), np.ones(x.shape, "float32")
    model.compile("sgd", "mse")
    value = rows(xai.losses.RightReasons(), model, x, rng.normal(size=(3, 4, 4, 1)), mask)
    np.testing.assert_allclose(value, squares(model, x, None, mask, np.ones((3, 4, 4, 1))), rtol=1e-4)


def test_fit(x, rng):
    """All log-probabilities, as in the paper; the penalty falls."""
    model = xai.compile(
        segmenter(3, keras.layers.Softmax()),
        keras.optimizers.Adam(0.01),
        "sparse_categorical_crossentropy",
        explanation_loss=xai.losses.RightReasons(weight=10.0),
    )
    inputs = xai.with_evidence(x, irrelevant=np.ones(x.shape, "float32"))
    lines = model.fit(inputs, rng.integers(0, 3, (3, 4, 4)), epochs=10, verbose=0).history["xai_right_reasons_loss"]
    assert lines[-1] < 0.7 * lines[0]
