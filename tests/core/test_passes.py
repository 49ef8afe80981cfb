"""Passes of an explanation: as many as its method promises."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models import cnn, dict_model, mlp, tokens, two_outputs
from tf_xai import Explainer
from tf_xai.core import passes

ROWS, BACKGROUND = 4, np.linspace(-1, 1, 40).reshape(10, 4).astype("float32")

EXPECTED = [
    ("gradient", {}, (1, 1)),
    ("gradient_input", {}, (1, 1)),
    ("integrated_gradients", {"steps": 16}, (16, 16)),
    ("integrated_gradients", {"steps": 16, "chunk": 4}, (16, 16)),
    ("smooth_grad", {"samples": 5}, (5, 5)),
    ("occlusion", {}, (1 + 4, 0)),
    ("exact_shap", {}, (16, 0)),
    # The draws around the mean of a background are those of all rows.
    ("lime", {"samples": 40}, (40, 0)),
    ("lime", {"samples": 41, "background": BACKGROUND, "discretize": False}, (40 / ROWS + 1, 0)),
    ("deep_lift", {}, (2, 1)),
    ("lrp", {}, (1, 1)),
    ("guided_backprop", {}, (1, 1)),
]


@pytest.mark.parametrize("method, options, expected", EXPECTED)
def test_as_many_as_promised(method, options, expected, rng):
    model, x = mlp(activation="relu"), tf.constant(rng.normal(size=(ROWS, 4)), tf.float32)
    bound = Explainer(method, **options).bind(model)
    assert passes.count(bound, x, tf.constant([0, 1, 2, 0])) == expected
    assert "call" not in vars(model), "the model is left as it was"


def test_kernel_shap_has_what_it_was_given(rng):
    """On more players than all coalitions can be tried of."""
    model, x = mlp(20), tf.constant(rng.normal(size=(2, 20)), tf.float32)
    bound = Explainer("kernel_shap", samples=100).bind(model)
    assert passes.count(bound, x, tf.constant([0, 1])) == (100, 0)


def test_layers_and_tokens(rng):
    image = tf.constant(rng.normal(size=(3, 8, 8, 1)), tf.float32)
    target = tf.constant([0, 1, 0])
    assert passes.count(Explainer("grad_cam").bind(cnn()), image, target) == (1, 1)
    explainer = Explainer("integrated_gradients", steps=8)
    forward, backward = passes.count(explainer.bind(tokens()), tf.constant(rng.integers(0, 10, (3, 5))), target)
    # One more to see what the ids look up; a graph that is only looked at counts for nothing.
    assert (forward, backward) == (8 + 1, 8)


@pytest.mark.parametrize("output", ["label", "amount"])
def test_one_of_several_outputs(output, rng):
    bound = Explainer("gradient", output=output).bind(two_outputs())
    x = tf.constant(rng.normal(size=(3, 4)), tf.float32)
    assert passes.count(bound, x, tf.zeros(3, tf.int32)) == (1, 1)


def test_several_inputs(rng):
    x = {"age": tf.constant(rng.random((2, 2)), tf.float32), "image": tf.constant(rng.random((2, 6, 6, 1)), tf.float32)}
    bound = Explainer("integrated_gradients", steps=4).bind(dict_model())
    assert passes.count(bound, x, tf.constant([0, 1])) == (4, 4)
