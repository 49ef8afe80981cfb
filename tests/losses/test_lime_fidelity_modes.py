"""Four neighbours in a random subspace, `LIMEFidelity(samples=4)`, with XLA and in mixed precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.losses.curved import quadratic
from tests.losses.models import rows, weight_gradients
from tests.models import mlp, regression

pytestmark = pytest.mark.slow

STEPS = range(40)


def loss(**options):
    return xai.losses.LIMEFidelity(samples=4, **options)


@pytest.fixture
def x(rng):
    return rng.normal(size=(6, 8)).astype("float32")


def under(policy, build):
    """A model built under a policy, which is put back."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return build()
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_values_do_not_depend_on_the_compiler(jit_compile, normalize, x):
    """Nor on the signs that a QR factorisation is free to choose."""
    model, zeros = quadratic(8), np.zeros((6, 1), "float32")
    value = lambda step: rows(loss(normalize=normalize), model, x, zeros, step=step)
    compiled = tf.function(value, jit_compile=jit_compile)
    expected = [value(step) for step in range(4)]
    np.testing.assert_allclose([compiled(tf.constant(step)) for step in range(4)], expected, rtol=1e-3)


def test_gradients_do_not_depend_on_the_compiler(x):
    model, y = network_of(8), np.arange(6) % 3
    slopes = lambda step: weight_gradients(model, lambda: rows(loss(), model, x, y, step=step))
    compiled = tf.function(slopes, jit_compile=True)
    for step in range(3):
        exact = slopes(step)
        largest = max(np.abs(each).max() for each in exact)  # the last bias has no part in a share of variance
        for own, expected in zip(compiled(tf.constant(step)), exact, strict=True):
            np.testing.assert_allclose(own, expected, rtol=1e-2, atol=1e-3 * largest)


def network_of(inputs):
    """Table to logits of three classes, over weights so wide that it is curved."""
    model = mlp(inputs, final=None)
    model.set_weights([2 * w for w in model.get_weights()])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(("policy", "tolerance"), [("mixed_float16", 0.01), ("mixed_bfloat16", 0.05)])
def test_mixed_precision_has_the_penalty_of_float32(policy, tolerance, jit_compile, x):
    """To the resolution of the outputs; the mean of many steps, which differ by more than that from each other."""
    exact, mixed, y = network_of(8), under(policy, lambda: network_of(8)), np.arange(6) % 3
    mixed.set_weights(exact.get_weights())
    mean = lambda model: tf.function(
        lambda step: tf.reduce_mean(rows(loss(), model, x, y, step=step)), jit_compile=jit_compile
    )
    values = {model: np.array([call(tf.constant(step)) for step in STEPS]) for model, call in each(mean, exact, mixed)}
    assert all(np.isfinite(value).all() and value.min() > 0 for value in values.values())
    assert values[mixed].mean() == pytest.approx(values[exact].mean(), rel=tolerance)
    assert np.corrcoef(values[mixed], values[exact])[0, 1] > 0.99


def each(function, *models):
    return [(model, function(model)) for model in models]


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_training_with_xla_makes_a_regression_easier_to_explain(policy, rng):
    """A curved target, with and without the penalty: what 20 neighbours leave unexplained at the end, in float32."""
    x = rng.normal(size=(64, 8)).astype("float32")
    y = (np.sin(2 * x[:, :1]) + x[:, 1:2] * x[:, 2:3]).astype("float32")
    start, steps, after = regression(8, units=16).get_weights(), tf.data.Dataset.from_tensors((x, y)).repeat(60), {}
    for weight in (0.0, 10.0):
        base = under(policy, lambda: regression(8, units=16))
        base.set_weights(start)
        model = xai.compile(
            base, keras.optimizers.Adam(0.02), "mse", explanation_loss=loss(weight=weight), jit_compile=True
        )
        line = model.fit(steps, shuffle=False, verbose=0).history["xai_lime_fidelity_loss"]
        assert np.isfinite(line).all() and model.jit_compile
        plain = regression(8, units=16)
        plain.set_weights(base.get_weights())
        plain.compile("sgd", "mse")
        judge = xai.losses.LIMEFidelity(samples=20)
        after[weight] = np.mean([rows(judge, plain, x, y, step=step) for step in range(-3, 0)])
    assert after[10.0] < 0.5 * after[0.0]
