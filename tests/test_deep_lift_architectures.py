"""DeepLIFT adds up on every architecture: the values of a row to its score less that of its reference."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.architectures import MODELS, draw, scramble, sequential
from tf_xai.attributions import deep_lift
from tf_xai.core.score import Score

# Functions of Keras that are no activations; activations that need arguments, and those that suit moderate inputs only.
HELPERS = {"get", "serialize", "deserialize"}
GIVEN = {"threshold": partial(keras.activations.threshold, threshold=0.2, default_value=-1.0)}
ACTIVATIONS = [name for name in dir(keras.activations) if not name.startswith("_") and name not in HELPERS]


def residual(model, inputs, references, space="output", target=0):
    """The largest gap between the sums of values and the changes of the score, as a share of the largest change."""
    score = Score(model, space=space)
    rows = len(tf.nest.flatten(inputs)[0])
    target = tf.fill([rows], target)
    values = deep_lift(score, inputs, target, baseline=references)
    total = sum(np.reshape(leaf, (rows, -1)).sum(axis=1, dtype="float64") for leaf in tf.nest.flatten(values))
    change = np.asarray(score(inputs, target) - score(references, target), "float64")
    assert np.abs(change).max() > 0.05
    return np.abs(total - change).max() / np.abs(change).max()


@pytest.mark.parametrize("name", MODELS)
def test_adds_up(name, rng):
    model = scramble(MODELS[name](), rng)
    assert residual(model, *draw(model, rng)) < 1e-4


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_adds_up_with_every_activation(name, rng):
    activation = GIVEN.get(name) or getattr(keras.activations, name)
    model = scramble(sequential((4,), layers.Dense(6), layers.Activation(activation)), rng)
    assert residual(model, *draw(model, rng)) < 1e-4


@pytest.mark.parametrize("space", ["output", "logit", "log_probability", "probability"])
@pytest.mark.parametrize("final", ["softmax", "sigmoid"])
def test_adds_up_in_every_space(final, space, rng):
    head = layers.Dense(1 if final == "sigmoid" else 3, final)
    model = scramble(keras.Sequential([keras.Input((4,)), layers.Dense(6, "relu"), head]), rng)
    assert residual(model, *draw(model, rng), space) < 1e-4
