"""LIMEFidelity on the neighbours that lime draws around the mean of a background."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import kstest
from sklearn.linear_model import Ridge

import tf_xai as xai
from tests.losses.curved import quadratic
from tests.losses.models import (
    assert_a_constant_model_is_harmless,
    assert_gradients_by_finite_differences,
    network,
    rows,
    weight_gradients,
)
from tests.models import linear, regression, tokens
from tf_xai.core import random
from tf_xai.losses import neighbourhoods

ZEROS = np.zeros((6, 1), "float32")


@pytest.fixture
def x(rng):
    return rng.normal(size=(6, 4)).astype("float32")


def fidelity(**options):
    return xai.losses.LIMEFidelity(neighbourhood="background", **options)


def between(x, seed):
    """A random point from every row to the one before it."""
    share = random.uniform(random.fold(seed, 1), (len(x),)).numpy()[:, None]
    return (1 - share) * x + share * np.roll(x, 1, axis=0)


def test_background_is_that_of_lime(x):
    """The squared error of lime's weighted ridge at the point that it is around, itself one of the rows."""
    seed, model = tf.constant([0, 2]), quadratic()
    unit = random.normal(seed, (256, 4)).numpy().astype("float64")
    mean, spread = x.mean(axis=0).astype("float64"), x.std(axis=0).astype("float64")
    scores = (mean + spread * unit) ** 2 @ [1, 2, 3, 4]
    errors, variances = [], []
    for point in (between(x, seed) - mean) / spread:
        own = (mean + spread * point) ** 2 @ [1, 2, 3, 4]
        weights = np.exp(-np.square(unit - point).sum(axis=1) / (2 * 0.75**2 * 4))
        seen, values, weights = np.r_[point[None], unit], np.r_[own, scores], np.r_[1, weights]
        fitted = Ridge(alpha=1.0).fit(seen, values, sample_weight=weights)
        errors.append((own - fitted.predict(point[None])[0]) ** 2)
        variances.append(np.average((values - np.average(values, weights=weights)) ** 2, weights=weights))
    raw = rows(fidelity(normalize=False), model, x, ZEROS, step=2)
    np.testing.assert_allclose(raw, errors, rtol=5e-3, atol=1e-3)
    shares = rows(fidelity(), model, x, ZEROS, step=2)
    np.testing.assert_allclose(shares, np.divide(errors, variances), rtol=5e-3, atol=1e-4)


def test_points_lie_between_two_rows_and_are_new_at_every_step(rng):
    """On the line from a row to the one before it, at another place for every row; integers are the row's own."""
    inputs = {"x": tf.constant(rng.normal(size=(500, 3)).astype("float32")), "id": tf.range(500)}
    everyone = tf.ones([500], tf.bool)
    first, second = (neighbourhoods.between(inputs, everyone, random.fold(tf.constant([0, s]), 1)) for s in (0, 1))
    np.testing.assert_array_equal(first["id"], inputs["id"])
    ends = np.roll(inputs["x"], 1, axis=0) - inputs["x"]
    shares = (first["x"] - inputs["x"]) / ends
    np.testing.assert_allclose(shares, np.repeat(shares[:, :1], 3, axis=1), atol=1e-3)
    assert np.all(shares > -1e-3) and np.all(shares < 1.001)
    assert kstest(shares[:, 0], "uniform").pvalue > 0.01
    assert np.abs(first["x"] - second["x"]).min() > 0


def test_points_lie_between_rows_that_count(rng):
    """Those that do not are nobody's other row."""
    x, counts, seed = rng.normal(size=(7, 3)), np.array([0, 1, 1, 0, 0, 1, 0], bool), tf.constant([0, 3])
    points = neighbourhoods.between(tf.constant(x), tf.constant(counts), seed)
    share = random.uniform(seed, (7,)).numpy()[:, None]
    own = [1, 2, 5]
    np.testing.assert_allclose(points.numpy()[own], (x + share * (x[[0, 5, 1, 0, 0, 2, 0]] - x))[own], atol=1e-6)


def test_a_row_far_from_the_others(x):
    """Neighbours have no weight left: nothing is wrong there, and gradients are finite."""
    x[0] = 1e4
    x[1:] *= 1e-3
    model = network("tanh")
    penalty = lambda: rows(fidelity(), model, x, np.zeros(6, int))
    assert np.isfinite(penalty()).all()
    assert all(np.isfinite(slope).all() for slope in weight_gradients(model, penalty))


def test_linear_models_are_explained_but_for_the_ridge(x, rng):
    model = linear(rng.normal(size=(4, 1)).astype("float32"), 0.7)
    model.compile("sgd", "mse")
    few, many = (rows(fidelity(samples=samples), model, x, ZEROS).numpy() for samples in (256, 4096))
    assert few.max() < 1e-2 and many.max() < 1e-4


def test_flattening_the_model_earns_nothing(x):
    value = lambda factor: rows(fidelity(), quadratic(4, factor), x, ZEROS)
    np.testing.assert_allclose(value(0.01), value(1.0), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("normalize", [True, False])
def test_constant_model_has_a_defined_penalty(normalize):
    assert_a_constant_model_is_harmless(fidelity(normalize=normalize))


@pytest.mark.parametrize("normalize", [True, False])
def test_gradient_by_finite_differences(normalize, x):
    model = network("tanh")
    assert_gradients_by_finite_differences(
        model, lambda: rows(fidelity(normalize=normalize), model, x, np.arange(6) % 3)
    )


@pytest.mark.slow
def test_eager_graph_and_xla(x):
    """Also where the graph does not know the size of the batch."""
    model = network("tanh")
    call = lambda x: rows(fidelity(), model, x, np.zeros(6, int))
    unknown = {"input_signature": [tf.TensorSpec((None, 4))]}
    for options in ({}, {"jit_compile": True}, unknown, {"jit_compile": True, **unknown}):
        traced = tf.function(call, autograph=False, **options)
        np.testing.assert_allclose(traced(tf.constant(x)), call(x), rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_training_on_batches_of_any_size(jit_compile, x):
    model = xai.compile(regression(), "sgd", "mse", explanation_loss=fidelity(), jit_compile=jit_compile)
    line = model.fit(x, ZEROS, batch_size=4, verbose=0).history["xai_lime_fidelity_loss"]
    assert np.isfinite(line).all() and line[0] > 0


def test_token_ids_raise(rng):
    with pytest.raises(ValueError, match="For token ids, pass `neighbourhood='regions'`"):
        rows(fidelity(), tokens(), rng.integers(1, 10, (6, 5)).astype("int32"))


def test_training_brings_limes_explanations_closer(rng):
    """The same network, with and without, on other draws at the end."""
    x = rng.normal(size=(64, 3)).astype("float32")
    y = (np.sin(2 * x[:, :1]) + x[:, 1:2] * x[:, 2:]).astype("float32")
    base = regression(3, units=16)
    start, steps, off = base.get_weights(), tf.data.Dataset.from_tensors((x, y)).repeat(60), {}
    for weight in (0.0, 10.0):
        base.set_weights(start)
        model = xai.compile(base, keras.optimizers.Adam(0.02), "mse", explanation_loss=fidelity(weight=weight))
        model.fit(steps, shuffle=False, verbose=0)
        off[weight] = np.mean([rows(fidelity(samples=2000), base, x, y, step=step) for step in range(-3, 0)])
    assert off[10.0] < 0.2 * off[0.0]
