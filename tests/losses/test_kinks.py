"""The warning of networks whose biases a penalty on gradients can not move, and of no others."""

import warnings

import keras
import pytest

import tf_xai as xai

dense = keras.layers.Dense


def network(activation="relu", last=None, *more):
    return keras.Sequential([keras.Input((4,)), dense(6, activation), *more, dense(3, last)])


def warned(base, explanation_loss, loss="mse"):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        xai.compile(base, "sgd", loss, explanation_loss=explanation_loss)
    return any("hidden biases do not" in str(warning.message) for warning in caught)


LOGIT = xai.Explainer("expected_gradients", space="logit")


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", keras.layers.LeakyReLU(), keras.layers.PReLU()])
def test_regression_with_kinks(activation):
    assert warned(network(activation), xai.losses.RightReasons())


def test_the_jacobian():
    """It is no attribution, but made of slopes all the same."""
    assert warned(network(), xai.losses.JacobianNorm())
    assert not warned(network("gelu"), xai.losses.JacobianNorm())


def test_logits_of_a_classifier_with_kinks():
    assert warned(network(last="softmax"), xai.losses.RightReasons(LOGIT), "sparse_categorical_crossentropy")


@pytest.mark.parametrize("activation", ["gelu", "softplus", "tanh"])
def test_smooth(activation):
    assert not warned(network(activation), xai.losses.RightReasons())


@pytest.mark.parametrize("layer", [keras.layers.LayerNormalization(), dense(4, "gelu")])
def test_another_layer_bends(layer):
    assert not warned(network("relu", None, layer), xai.losses.RightReasons())


@pytest.mark.parametrize("from_logits", [False, True])
def test_log_probabilities_bend(from_logits):
    """As in the paper: the softmax makes the gradient depend on every bias."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    assert not warned(network(last=None if from_logits else "softmax"), xai.losses.RightReasons(), loss)


def test_other_explainers():
    """What is not made of gradients at inputs changes with every bias."""
    assert not warned(network(), xai.losses.RightReasons("deep_lift"))
    assert not warned(network(), xai.losses.LIMEFidelity())
