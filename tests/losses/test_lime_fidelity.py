"""LIMEFidelity against least squares in NumPy and scikit-learn, and its known properties."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import Ridge

import tf_xai as xai
from tests.losses.curved import Wave, coefficients, quadratic, regression_by
from tests.losses.models import assert_gradients_by_finite_differences, network, rows, weight_gradients
from tests.models import linear, mlp, regression, tokens, two_outputs
from tf_xai.core import random

LIMEFidelity = xai.losses.LIMEFidelity
ZEROS = np.zeros((6, 1), "float32")


@pytest.fixture
def x(rng):
    return rng.normal(size=(6, 4)).astype("float32")


def noise(samples, features, step=0):
    """The noise of a training step, standard normal."""
    return random.normal(tf.constant([0, step]), (samples, features)).numpy().astype("float64")


def neighbours(x, moves):
    """Values of the quadratic at the neighbours, `(samples, batch)`."""
    return ((x[None] + moves[:, None]) ** 2 @ coefficients(x.shape[1])).astype("float64")


def least_squares(design, values):
    """Residual sum of squares of the fit with intercept, per column of `values`."""
    design = np.column_stack([design, np.ones(len(design))])
    fitted = design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return np.square(values - fitted).sum(axis=0)


@pytest.mark.parametrize("variant", ["linear", "one_coordinate"])
@pytest.mark.parametrize("normalize", [True, False])
def test_linear_models_are_explained_fully(variant, normalize, x, rng):
    model = linear(rng.normal(size=(4, 1)).astype("float32"), 0.7)
    model.compile("sgd", "mse")
    loss = LIMEFidelity(variant, normalize=normalize)
    for step in range(4):
        value = rows(loss, model, x, ZEROS, step=step).numpy()
        assert value.min() >= 0 and value.max() <= 1e-9


@pytest.mark.parametrize("scale", [0.1, 1.0])
@pytest.mark.parametrize("samples", [None, 9, 40])
def test_least_squares(samples, scale, x):
    """Residual and variance with their degrees of freedom: 1 less adjusted R^2."""
    count = samples or 20
    moves = scale * noise(count, 4)
    values = neighbours(x.astype("float64"), moves)
    residual = least_squares(moves, values) / (count - 5)
    raw = rows(LIMEFidelity(samples=samples, scale=scale, normalize=False), quadratic(), x, ZEROS)
    np.testing.assert_allclose(raw, residual, rtol=1e-3)
    shares = rows(LIMEFidelity(samples=samples, scale=scale), quadratic(), x, ZEROS)
    np.testing.assert_allclose(shares, residual / values.var(axis=0, ddof=1), rtol=1e-3)


@pytest.mark.parametrize("samples", [3, 30])
def test_ridge_is_that_of_scikit_learn(samples, x):
    """Penalty 1 on the coefficients of the noise before its scale, none on the intercept; few samples serve."""
    design = noise(samples, 4)
    values = neighbours(x.astype("float64"), 0.5 * design)
    fitted = Ridge(alpha=1.0).fit(design, values).predict(design)
    residual = np.square(values - fitted).mean(axis=0)
    raw = rows(LIMEFidelity("ridge", samples=samples, normalize=False), quadratic(), x, ZEROS)
    np.testing.assert_allclose(raw, residual, rtol=1e-3)


def test_one_coordinate_is_a_line_through_one_feature(x):
    """One feature moves, and `f` is fitted along it: for some feature it is the residual that NumPy finds."""
    seen = set()
    for step in range(12):
        value = rows(LIMEFidelity("one_coordinate", normalize=False), quadratic(), x, ZEROS, step=step)
        moves = 0.5 * noise(20, 1, step)
        for feature, place in enumerate(np.eye(4)):
            expected = least_squares(moves, neighbours(x.astype("float64"), moves * place)) / 18
            if np.allclose(value, expected, rtol=1e-3):
                seen.add((step, feature))
    assert len(seen) == 12  # every step agrees with one feature
    assert len({feature for _, feature in seen}) == 4  # and all have their turn


@pytest.mark.parametrize("variant", ["linear", "ridge", "one_coordinate"])
def test_scaling_the_model(variant, x):
    """A share of the variance does not change with the units of `f`; a squared error does, with their square."""
    value = lambda factor, normalize: rows(LIMEFidelity(variant, normalize=normalize), quadratic(4, factor), x, ZEROS)
    np.testing.assert_allclose(value(10.0, True), value(1.0, True), rtol=1e-4)
    np.testing.assert_allclose(value(10.0, False), 100 * value(1.0, False), rtol=1e-4)


def test_flattening_the_model_earns_nothing(x):
    """A model shrunk to a thousandth has the penalty of the model, down to the smallest epsilon."""
    value = lambda factor: rows(LIMEFidelity(), quadratic(4, factor), x, ZEROS)
    np.testing.assert_allclose(value(0.05), value(1.0), rtol=1e-3)


@pytest.mark.parametrize("samples", [8, 24])
@pytest.mark.parametrize(("normalize", "expected"), [(False, 0.5), (True, 1.0)])
def test_expectation_does_not_depend_on_the_samples(samples, normalize, expected):
    """Three features explain nothing of noise: the residual is its variance, and the share 1, for any count."""
    model = regression_by(Wave(), 3)
    loss = LIMEFidelity(samples=samples, normalize=normalize)
    call = tf.function(lambda step: rows(loss, model, np.zeros((1, 3), "float32"), ZEROS[:1], step=step))
    values = np.array([call(tf.constant(step)).numpy()[0] for step in range(1500)])
    standard_error = values.std() / np.sqrt(len(values))
    assert standard_error < 0.02 * expected
    assert abs(values.mean() - expected) < 3 * standard_error


@pytest.mark.parametrize("variant", ["linear", "ridge", "one_coordinate"])
@pytest.mark.parametrize("normalize", [True, False])
def test_gradient_by_finite_differences(variant, normalize, x):
    model, loss = network("tanh"), LIMEFidelity(variant, normalize=normalize)
    y = np.arange(6) % 3
    assert_gradients_by_finite_differences(model, lambda: rows(loss, model, x, y))


def subspace(samples, step=0):
    """The design and the moves of few samples of four features, before their scale."""
    width = samples // 2
    directions = tf.linalg.qr(random.normal(random.fold(tf.constant([0, step]), 1), (4, width)))[0].numpy()
    np.testing.assert_allclose(directions.T @ directions, np.eye(width), atol=1e-6)
    design = noise(samples, width, step)
    return design, np.sqrt(4 / width) * design @ directions.T


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("samples", [3, 5, 7])
def test_few_samples_lie_in_a_random_subspace(samples, step, x):
    """Half as many orthonormal directions as samples, which `g` sees; the noise is as long as without."""
    design, moves = subspace(samples, step)
    values = neighbours(x.astype("float64"), 0.3 * moves)
    residual = least_squares(design, values) / (samples - 1 - samples // 2)
    loss = lambda normalize: LIMEFidelity(samples=samples, scale=0.3, normalize=normalize)
    at = {"step": step}
    np.testing.assert_allclose(rows(loss(False), quadratic(), x, ZEROS, **at), residual, rtol=2e-3)
    shares = residual / values.var(axis=0, ddof=1)
    np.testing.assert_allclose(rows(loss(True), quadratic(), x, ZEROS, **at), shares, rtol=2e-3)


def test_images_need_no_more_neighbours(rng):
    x = rng.normal(size=(4, 6, 6, 3)).astype("float32")
    model = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    assert np.max(np.abs(rows(LIMEFidelity(samples=4), model, x, ZEROS[:4]))) < 1e-9
    curved = keras.Sequential([model, keras.layers.Activation("tanh")])
    curved.compile("sgd", "mse")
    assert np.min(rows(LIMEFidelity(samples=4), curved, x, ZEROS[:4])) > 1e-4
    assert np.max(rows(LIMEFidelity("one_coordinate"), curved, x, ZEROS[:4])) > 0


@pytest.mark.parametrize("variant", ["linear", "one_coordinate"])
@pytest.mark.parametrize("samples", [1, 2])
def test_too_few_samples(variant, samples, x):
    """A line goes through two points exactly: nothing is left to penalise, and 0 / 0 must not come out."""
    with pytest.raises(ValueError, match=f"needs more than 2 samples. Received: samples={samples}"):
        rows(LIMEFidelity(variant, samples=samples), mlp(), x)


@pytest.mark.parametrize("variant", ["linear", "ridge", "one_coordinate"])
def test_token_ids_raise(variant, rng):
    """Ids have no neighbourhood: an error, not a penalty of nothing."""
    ids = rng.integers(0, 10, (6, 5)).astype("int32")
    with pytest.raises((TypeError, ValueError), match="nteger"):
        rows(LIMEFidelity(variant), tokens(), ids)


@pytest.mark.parametrize("variant", ["linear", "ridge", "one_coordinate"])
def test_noise_is_new_at_every_step_and_reproducible(variant, x):
    first, again, second = (rows(LIMEFidelity(variant), quadratic(), x, ZEROS, step=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (np.abs(first / second - 1) > 1e-3).all()


def test_a_row_has_the_same_penalty_in_any_batch(x):
    """The noise is shared: it does not depend on the batch."""
    model = network("tanh")
    whole = rows(LIMEFidelity(), model, x)
    single = [rows(LIMEFidelity(), model, x[i : i + 1])[0] for i in range(6)]
    np.testing.assert_allclose(whole, single, rtol=1e-3)


def test_the_true_class_is_explained(x):
    """Classes and one-hot rows alike, and each class has its own penalty."""
    model, y = network("tanh"), np.arange(6) % 3
    value = rows(LIMEFidelity(), model, x, y)
    np.testing.assert_allclose(rows(LIMEFidelity(), model, x, np.eye(3, dtype="float32")[y]), value, rtol=1e-5)
    each = np.stack([rows(LIMEFidelity(), model, x, np.full(6, k)) for k in range(3)])
    np.testing.assert_allclose(each[y, np.arange(6)], value, rtol=1e-5)
    assert (each.max(axis=0) > 1.01 * each.min(axis=0)).all()


def test_integer_labels_of_a_regression(x):
    """Counts are not classes: one number is explained, whatever the dtype of the labels."""
    model = quadratic()
    counts = np.arange(6, dtype="int64")[:, None]
    np.testing.assert_array_equal(rows(LIMEFidelity(), model, x, counts), rows(LIMEFidelity(), model, x, ZEROS))


def test_one_of_two_outputs(x):
    model = two_outputs()
    y = {"label": np.arange(6) % 3, "amount": ZEROS}
    model.compile("sgd", {"label": "sparse_categorical_crossentropy", "amount": "mse"})
    for output in y:
        alone = keras.Model(model.input, model.output[output])
        alone.compile("sgd", model.loss[output])
        value = rows(LIMEFidelity(output=output), model, x, y)
        np.testing.assert_allclose(value, rows(LIMEFidelity(), alone, x, y[output]), rtol=1e-4)


@pytest.mark.parametrize("variant", ["linear", "ridge", "one_coordinate"])
@pytest.mark.parametrize("normalize", [True, False])
def test_constant_model_has_a_defined_penalty(variant, normalize, x):
    """Nothing varies, so nothing is unexplained: zero, with finite gradients."""
    model = regression()
    model.set_weights([np.zeros_like(w) for w in model.get_weights()[:2]] + model.get_weights()[2:])
    penalty = lambda: rows(LIMEFidelity(variant, normalize=normalize), model, x, ZEROS)
    np.testing.assert_allclose(penalty(), np.zeros(6), atol=1e-6)
    assert all(np.isfinite(slope).all() for slope in weight_gradients(model, penalty))


@pytest.mark.parametrize("variant", ["linear", "ridge", "one_coordinate"])
def test_training_makes_a_regression_easier_to_explain(variant, rng):
    """On a curved target: the same network, with and without, on the same noise at the end."""
    x = rng.normal(size=(64, 3)).astype("float32")
    y = (np.sin(2 * x[:, :1]) + x[:, 1:2] * x[:, 2:]).astype("float32")
    base = regression(3, units=16)
    start = base.get_weights()
    steps, after = tf.data.Dataset.from_tensors((x, y)).repeat(60), {}
    for weight in (0.0, 10.0):
        base.set_weights(start)
        loss = LIMEFidelity(variant, weight=weight)
        xai.compile(base, keras.optimizers.Adam(0.02), "mse", explanation_loss=loss).fit(
            steps, shuffle=False, verbose=0
        )
        after[weight] = np.mean([rows(LIMEFidelity(samples=20), base, x, y, step=step) for step in range(-3, 0)])
    assert after[10.0] < 0.5 * after[0.0]
