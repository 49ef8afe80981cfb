"""LIMEStability in closed form, and its known properties."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.losses.curved import Wave, coefficients, quadratic, regression_by
from tests.losses.models import (
    assert_a_constant_model_is_harmless,
    assert_gradients_by_finite_differences,
    network,
    rows,
)
from tests.models import linear, mlp, regression
from tf_xai.core import random

LIMEStability = xai.losses.LIMEStability
ZEROS = np.zeros((6, 1), "float32")


@pytest.fixture
def x(rng):
    return rng.normal(size=(6, 4)).astype("float32")


def draws(samples, features, step=0):
    """The noise of a training step and the direction of the move, standard normal."""
    seed = tf.constant([0, step])
    noise = random.normal(seed, (samples, features)).numpy().astype("float64")
    return noise, random.normal(random.fold(seed, 1), (1, features)).numpy()[0].astype("float64")


def slopes(x, noise):
    """The least-squares slopes of the quadratic around every row, `(batch, features)`."""
    design = np.c_[noise, np.ones(len(noise))]
    values = (x[None].astype("float64") + noise[:, None]) ** 2 @ coefficients(x.shape[1])
    return np.linalg.lstsq(design, values, rcond=None)[0][:-1].T


@pytest.mark.parametrize("normalize", [True, False])
def test_linear_models_are_steady(normalize, x, rng):
    model = linear(rng.normal(size=(4, 1)).astype("float32"), 0.7)
    model.compile("sgd", "mse")
    for step in range(3):
        assert rows(LIMEStability(normalize=normalize), model, x, ZEROS, step=step).numpy().max() < 1e-8


@pytest.mark.parametrize("radius", [0.1, 0.3])
@pytest.mark.parametrize(("samples", "scale"), [(None, 0.5), (40, 0.2)])
def test_slopes_of_a_quadratic_move_with_it(samples, scale, radius, x):
    """By `2 c_d d` exactly, whatever the noise; relative to the mean square of the slopes that NumPy finds."""
    noise, direction = draws(samples or 20, 4)
    change = np.sum((2 * coefficients(4) * radius * direction) ** 2)
    raw = rows(LIMEStability(samples, scale, radius, normalize=False), quadratic(), x, ZEROS)
    np.testing.assert_allclose(raw, np.full(6, change), rtol=1e-3)
    here, there = slopes(x, scale * noise), slopes(x + radius * direction, scale * noise)
    size = (np.square(here).sum(axis=1) + np.square(there).sum(axis=1)) / 2
    shares = rows(LIMEStability(samples, scale, radius), quadratic(), x, ZEROS)
    np.testing.assert_allclose(shares, change / size, rtol=1e-3)


def test_scaling_the_model(x):
    """A share does not change with the units of `f`, so that flattening earns nothing; a square does."""
    value = lambda factor, normalize: rows(LIMEStability(normalize=normalize), quadratic(4, factor), x, ZEROS)
    np.testing.assert_allclose(value(0.01, True), value(1.0, True), rtol=1e-3)
    np.testing.assert_allclose(value(10.0, False), 100 * value(1.0, False), rtol=1e-3)


def test_sampling_noise_is_no_change(x):
    """Around a point that hardly moves the fits agree, however badly a line fits: both see the same noise."""
    model = regression_by(Wave())
    value = lambda radius: rows(LIMEStability(radius=radius), model, x, ZEROS).numpy()
    assert value(0.1).min() > 0.1
    assert value(1e-4).max() < 1e-2
    assert value(0.1).max() <= 4  # as far as two vectors can be from each other


@pytest.mark.parametrize("normalize", [True, False])
def test_constant_model_has_a_defined_penalty(normalize):
    assert_a_constant_model_is_harmless(LIMEStability(normalize=normalize))


@pytest.mark.parametrize("normalize", [True, False])
def test_gradient_by_finite_differences(normalize, x):
    model, loss = network("tanh"), LIMEStability(radius=0.5, normalize=normalize)
    assert_gradients_by_finite_differences(model, lambda: rows(loss, model, x, np.arange(6) % 3))


@pytest.mark.slow
def test_eager_graph_and_xla(x):
    model = network("tanh")
    call = lambda: rows(LIMEStability(radius=0.5), model, x, np.arange(6) % 3)
    for options in ({}, {"jit_compile": True}):
        np.testing.assert_allclose(tf.function(call, autograph=False, **options)(), call(), rtol=1e-3, atol=1e-5)


def test_a_row_has_the_same_penalty_in_any_batch(x):
    model = network("tanh")
    single = [rows(LIMEStability(), model, x[i : i + 1])[0] for i in range(6)]
    np.testing.assert_allclose(rows(LIMEStability(), model, x), single, rtol=1e-3)


def test_the_true_class_is_explained(x):
    model, y = network("tanh"), np.arange(6) % 3
    each = np.stack([rows(LIMEStability(), model, x, np.full(6, k)) for k in range(3)])
    np.testing.assert_allclose(rows(LIMEStability(), model, x, y), each[y, np.arange(6)], rtol=1e-4)
    assert (each.max(axis=0) > 1.01 * each.min(axis=0)).all()


def test_noise_is_new_at_every_step_and_reproducible(x):
    first, again, second = (rows(LIMEStability(), quadratic(), x, ZEROS, step=step) for step in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (np.abs(first / second - 1) > 1e-3).all()


@pytest.mark.parametrize("bad", [{"samples": 0}, {"samples": 2.5}, {"scale": 0.0}, {"radius": 0.0}, {"radius": -1.0}])
def test_arguments_that_make_no_sense(bad):
    with pytest.raises(ValueError, match=f"`{next(iter(bad))}` must"):
        LIMEStability(**bad)


def test_too_few_and_too_many(x, rng):
    with pytest.raises(ValueError, match=r"`LIMEStability` needs more than 5 samples for 4 features"):
        rows(LIMEStability(samples=5), mlp(), x)
    with pytest.raises(ValueError, match=r"there are 300 features. Pass `AttributionStability`"):
        rows(LIMEStability(), mlp(300), rng.normal(size=(2, 300)).astype("float32"))


def test_training_makes_gradients_steadier(rng):
    """Measured by other means: how far the gradients of the trained network turn when the rows are moved."""
    x = rng.normal(size=(64, 3)).astype("float32")
    y = (np.sin(2 * x[:, :1]) + x[:, 1:2] * x[:, 2:]).astype("float32")
    base = regression(3, units=16)
    start, near = base.get_weights(), x + 0.3 * rng.normal(size=x.shape).astype("float32")
    steps, turned = tf.data.Dataset.from_tensors((x, y)).repeat(60), {}
    explain = xai.Explainer("gradient").bind(base)
    for weight in (0.0, 3.0):
        base.set_weights(start)
        loss = LIMEStability(radius=0.3, weight=weight)
        model = xai.compile(base, keras.optimizers.Adam(0.02), "mse", explanation_loss=loss)
        model.fit(steps, shuffle=False, verbose=0)
        here, there = explain(x).numpy(), explain(near).numpy()
        turned[weight] = np.sum((here - there) ** 2) / np.sum(here**2)
    assert turned[3.0] < 0.5 * turned[0.0]
