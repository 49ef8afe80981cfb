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

# What is in the module beside activations, and the activation that has no defaults.
HELPERS = {"get", "serialize", "deserialize"}
GIVEN = {"threshold": partial(keras.activations.threshold, threshold=0.2, default_value=-1.0)}
ACTIVATIONS = [name for name in dir(keras.activations) if not name.startswith("_") and name not in HELPERS]


def residual(model, inputs, references, space="output", target=0, of_scores=False):
    """The largest gap between the sums of values and the changes of the score, as a share of the largest change.

    Or `of_scores`: as a share of the largest score, to whose digits half precision rounds.
    """
    score = Score(model, space=space)
    rows = len(tf.nest.flatten(inputs)[0])
    target = tf.fill([rows], target)
    values = deep_lift(score, inputs, target, baseline=references)
    total = sum(np.reshape(leaf, (rows, -1)).sum(axis=1, dtype="float64") for leaf in tf.nest.flatten(values))
    change = np.asarray(score(inputs, target) - score(references, target), "float64")
    assert np.abs(change).max() > 1e-3
    scale = np.abs(score(inputs, target) if of_scores else change).max()
    return np.abs(total - change).max() / scale


@pytest.mark.parametrize("name", MODELS)
def test_adds_up(name, rng):
    model = scramble(MODELS[name](), rng)
    assert residual(model, *draw(model, rng)) < 1e-4


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_adds_up_with_every_activation(name, rng):
    activation = GIVEN.get(name) or getattr(keras.activations, name)
    model = scramble(sequential((4,), layers.Dense(6), layers.Lambda(activation)), rng)
    assert residual(model, *draw(model, rng)) < 1e-4


@pytest.mark.parametrize("space", ["output", "logit", "log_probability", "probability"])
@pytest.mark.parametrize("final", ["softmax", "sigmoid"])
def test_adds_up_in_every_space(final, space, rng):
    head = layers.Dense(1 if final == "sigmoid" else 3, final)
    model = scramble(keras.Sequential([keras.Input((4,)), layers.Dense(6, "relu"), head]), rng)
    assert residual(model, *draw(model, rng), space) < 1e-4


def test_adds_up_where_steps_are_masked(rng):
    model = scramble(MODELS["masking"](), rng)
    x, start = draw(model, rng)
    seen = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1], [1, 1, 1]], "float32")[..., None]
    # A step that only the inputs have: what it adds, it adds to the step that was masked.
    assert residual(model, x * seen, start * seen[::-1]) < 1e-4
    assert residual(model, x * seen, tf.zeros_like(x)) < 1e-4


MASK = tf.constant([[True, True, False, True, True, False]])

# Numbers that are not finite on the way, where they do no harm.
INFINITE = {
    "largest of what is shown": lambda x: tf.reduce_max(tf.where(MASK, x, -np.inf), -1, keepdims=True),
    "open ends": lambda x: keras.ops.minimum(keras.ops.clip(x, 0.0, np.inf), np.inf),
    "masked softmax": lambda x: tf.nn.softmax(tf.where(MASK, x, -np.inf)),
}


@pytest.mark.parametrize("name", INFINITE)
def test_adds_up_beside_infinities(name, rng):
    model = scramble(sequential((4,), layers.Dense(6), layers.Lambda(INFINITE[name])), rng)
    assert residual(model, *draw(model, rng)) < 1e-4


@pytest.mark.parametrize("scale", [2e-3, 1e-3, 2e-4])
@pytest.mark.parametrize("norm", [layers.RMSNormalization, lambda: layers.LayerNormalization(epsilon=1e-6)])
def test_adds_up_where_a_normalisation_divides_by_little(norm, scale, rng):
    model = scramble(sequential((6,), norm()), rng)
    x, start = draw(model, rng, rows=50)
    assert residual(model, scale * x, scale * start) < 1e-4


def test_half_precision_does_not_overflow_in_quotients(rng):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = scramble(sequential((6,), layers.Lambda(lambda x: x[:, :3] / x[:, 3:])), rng)
    finally:
        keras.config.set_dtype_policy("float32")
    x = tf.constant(rng.uniform(300, 600, (4, 6)), tf.float32)
    assert residual(model, x, tf.fill((4, 6), 500.0)) < 1e-2


# In half precision TensorFlow has no kernel for the one on a CPU, and a cast in the other has no rule.
UNSERVED = {"pooling_3d", "bicubic"}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MODELS if name not in UNSERVED])
def test_adds_up_in_half_precision(name, rng):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = scramble(MODELS[name](), rng)
    finally:
        keras.config.set_dtype_policy("float32")
    assert residual(model, *draw(model, rng), of_scores=True) < 1e-2


APPLICATIONS = [
    *["MobileNetV2", "MobileNetV3Small", "MobileNetV3Large", "ResNet50"],
    *["EfficientNetV2B0", "ConvNeXtTiny", "DenseNet121"],
]


@pytest.mark.slow
@pytest.mark.parametrize("name", APPLICATIONS)
def test_adds_up_on_applications(name, rng):
    x = (rng.normal(size=(8, 64, 64, 3)) * 50 + 100).astype("float32")
    make = getattr(keras.applications, name)
    model = _calibrate(make(input_shape=x.shape[1:], weights=None, classes=10), x, rng)
    x, references = tf.constant(x[:2]), tf.fill((2, *x.shape[1:]), 100.0)
    # Of a score that changes by a hundredth of itself, the change is rounded by as much as is asked for here.
    score = Score(model, space="logit")
    change = lambda k: np.abs(score(x, tf.fill([2], k)) - score(references, tf.fill([2], k))).max()
    target = max(range(10), key=change)
    assert residual(model, x, references, "logit", target) < 1e-4


def _calibrate(model, x, rng):
    """Statistics near those of the data, and scales and shifts that are not one and zero."""
    for variable in model.weights:
        if variable.path.endswith("gamma"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif variable.path.endswith(("beta", "bias")):
            variable.assign(0.1 * rng.normal(size=variable.shape))
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.0
    model(x, training=True)
    for variable in model.weights:
        if variable.path.endswith("moving_variance"):
            variable.assign(variable * rng.uniform(0.5, 2, variable.shape))
    return model
