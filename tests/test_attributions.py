"""Attribution methods against closed forms and enumeration; what all methods share is in conformance/."""

import numpy as np
import pytest
import tensorflow as tf

from tests import models
from tf_xai.attributions import expected_gradients, gradient, integrated_gradients, smooth_grad
from tf_xai.core.score import Score


def product(x, target=None):
    """`x0 * x1`."""
    return x[:, 0] * x[:, 1]


def quintic(x, target=None):
    """`x0^5 + x0 * x1^2`."""
    return x[:, 0] ** 5 + x[:, 0] * x[:, 1] ** 2


def quadratic(x, target=None):
    """`x0^2 + 3 * x1`."""
    return x[:, 0] ** 2 + 3 * x[:, 1]


@pytest.fixture
def x(rng):
    """Four rows of two numbers."""
    return tf.constant(rng.uniform(0.5, 2, size=(4, 2)), tf.float32)


# Integrated gradients


@pytest.mark.parametrize("baseline", [(0.0, 0.0), (1.0, -1.0)])
def test_integrated_gradients_of_a_product(x, baseline):
    values = integrated_gradients(product, x, baseline=np.array(baseline, "float32"), steps=1)
    (a, b), (p, q) = x.numpy().T, baseline
    expected = np.stack([(a - p) * (b + q) / 2, (b - q) * (a + p) / 2], axis=1)
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


def test_integrated_gradients_of_a_polynomial_are_exact_with_few_steps(x):
    a, b = x.numpy().T
    expected = np.stack([a**5 + a * b**2 / 3, 2 * a * b**2 / 3], axis=1)
    # The slope has degree four along the path: three points integrate it exactly, two do not.
    np.testing.assert_allclose(integrated_gradients(quintic, x, steps=3), expected, rtol=1e-5)
    assert np.abs(integrated_gradients(quintic, x, steps=2) - expected).max() > 1e-3


@pytest.mark.parametrize(("rule", "mean_of_t"), [("riemann", (1 + 2 + 3 + 4) / 16), ("trapezoid", 1 / 2)])
def test_integrated_gradients_by_other_rules(x, rule, mean_of_t):
    values = integrated_gradients(product, x, rule=rule, steps=4)
    np.testing.assert_allclose(values, np.tile(2 * mean_of_t * product(x)[:, None] / 2, 2), rtol=1e-5)


class Counting:
    """A score that counts the rows it has seen."""

    def __init__(self, score):
        self.score, self.rows = score, []

    def __call__(self, x, target=None):
        self.rows.append(len(x))
        return self.score(x, target)


def wave(x, target=None):
    """Linear for small x0, a wave of growing frequency for large: some rows need many points."""
    return tf.reduce_sum(x, axis=1) + tf.sin(6 * tf.nn.relu(x[:, 0] - 1) ** 2) * x[:, 1]


def test_a_tolerance_is_met_with_more_steps():
    x, tolerance = tf.constant([[3.0, 2.0], [2.0, -1.0]]), 1e-3
    residual = lambda **options: np.abs(
        tf.reduce_sum(integrated_gradients(wave, x, steps=4, **options), axis=1) - wave(x)  # zero at the origin
    )
    assert np.all(residual() > tolerance * np.abs(wave(x)))
    assert np.all(residual(tolerance=tolerance) <= tolerance * np.abs(wave(x)) + 1e-5)


def test_rows_within_the_tolerance_are_not_done_again():
    easy = tf.constant([[0.5, 1.0], [0.3, 2.0], [0.1, -1.0]])
    hard = tf.constant([[0.5, 1.0], [3.0, 2.0]])
    linear = Counting(wave)
    values = integrated_gradients(linear, easy, steps=4, tolerance=1e-3)
    # The scores at input and baseline, and one round of four points.
    assert linear.rows == [3, 3, 4 * 3]
    np.testing.assert_allclose(values, easy, rtol=1e-5)
    mixed = Counting(wave)
    integrated_gradients(mixed, hard, steps=4, tolerance=1e-3)
    first, rounds = mixed.rows[:3], mixed.rows[3:]
    assert first == [2, 2, 4 * 2]
    # Then one row alone, with twice the points every time.
    assert rounds and rounds == [8 * 2**level for level in range(len(rounds))]


def test_a_tolerance_works_in_a_graph(x):
    values = lambda rows: integrated_gradients(quintic, rows, steps=1, tolerance=1e-4)
    np.testing.assert_allclose(tf.function(values, autograph=False)(x), values(x), rtol=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(values(x), axis=1), quintic(x), rtol=1e-4)


@pytest.mark.parametrize("tolerance", [0, 1, -0.1])
def test_a_tolerance_is_a_share(x, tolerance):
    with pytest.raises(ValueError, match="`tolerance` must lie between 0 and 1"):
        integrated_gradients(product, x, tolerance=tolerance)


# Expected gradients


@pytest.fixture
def background(rng):
    """Five reference rows."""
    return rng.normal(size=(5, 2)).astype("float32")


def test_expected_gradients_of_a_product_against_enumeration(x, background):
    a, b = x.numpy().T
    pairs = [np.stack([(a - p) * (b + q) / 2, (b - q) * (a + p) / 2], axis=1) for p, q in background]
    values = expected_gradients(product, x, background=background, samples=4000)
    # The times are stratified over all draws and fall on the references at random: an error of a few per cent.
    np.testing.assert_allclose(values, np.mean(pairs, axis=0), atol=0.08)


def test_expected_gradients_of_a_linear_score_are_exact(x, background):
    weights = tf.constant([2.0, -3.0])
    values = expected_gradients(lambda x, target: tf.linalg.matvec(x, weights), x, background=background, samples=10)
    np.testing.assert_allclose(values, weights * (x - background.mean(axis=0)), rtol=1e-5, atol=1e-5)


def test_expected_gradients_without_a_background_take_the_other_rows(x):
    weights = tf.constant([2.0, -3.0])
    values = expected_gradients(lambda x, target: tf.linalg.matvec(x, weights), x, samples=6)
    others = (x.numpy().sum(axis=0) - x) / 3
    np.testing.assert_allclose(values, weights * (x - others), rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="this batch has one row"):
        expected_gradients(product, x[:1])


def test_expected_gradients_carry_masks(x, background):
    mask = tf.constant([[True], [False], [True], [True]])
    score = lambda inputs, target: tf.where(inputs[1][:, 0], product(inputs[0]), 0.0)
    values = expected_gradients(score, [x, mask], background=[background, np.ones((5, 1), bool)], samples=5)
    np.testing.assert_array_equal(values[1], np.zeros((4, 1)))
    assert np.any(values[0] != 0)


# SmoothGrad


def test_smooth_grad_of_a_quadratic(x):
    samples, noise = 4000, 0.2
    scale = noise * np.ptp(x, axis=1)
    names = ("mean", "square", "variance")
    draw = lambda rows: [smooth_grad(quadratic, rows, samples=samples, noise=noise, form=name) for name in names]
    # In a graph: thousands of draws take long one by one.
    forms = dict(zip(names, (values.numpy() for values in tf.function(draw, autograph=False)(x)), strict=True))
    # The slope of x0 is 2 (x0 + s e): its mean 2 x0, its variance (2 s)^2. Tolerances are five standard errors.
    mean, variance = 2 * x.numpy()[:, 0], (2 * scale) ** 2
    error = 5 * np.sqrt(variance / samples)
    assert np.all(np.abs(forms["mean"][:, 0] - mean) < error)
    assert np.all(np.abs(forms["variance"][:, 0] - variance) < 5 * variance * np.sqrt(2 / samples))
    assert np.all(
        np.abs(forms["square"][:, 0] - mean**2 - variance) < 2 * mean * error + 5 * variance / np.sqrt(samples)
    )
    np.testing.assert_allclose(forms["mean"][:, 1], np.full(4, 3.0), rtol=1e-5)
    np.testing.assert_allclose(forms["square"][:, 1], np.full(4, 9.0), rtol=1e-4)
    np.testing.assert_allclose(forms["variance"][:, 1], np.zeros(4), atol=1e-4)
    # The three are moments of the same draws.
    np.testing.assert_allclose(forms["variance"], forms["square"] - forms["mean"] ** 2, atol=1e-4)


def test_smooth_grad_without_noise_is_the_gradient(x):
    np.testing.assert_allclose(smooth_grad(quintic, x, noise=0.0, samples=3), gradient(quintic, x), rtol=1e-5)


def test_smooth_grad_names_its_forms(x):
    with pytest.raises(ValueError, match=r"Unknown `form`.*Did you mean 'variance'"):
        smooth_grad(product, x, form="varianc")
    with pytest.raises(ValueError, match="`samples` must be an integer of at least 1"):
        smooth_grad(product, x, samples=0)


# Scores of models


def test_a_score_of_a_model_defaults_to_the_predicted_class(rng):
    model, x = models.mlp(), tf.constant(rng.normal(size=(3, 4)), tf.float32)
    predicted = tf.argmax(model(x), axis=1, output_type=tf.int32)
    for method in (integrated_gradients, smooth_grad):
        np.testing.assert_allclose(method(Score(model), x), method(Score(model), x, predicted), rtol=1e-5, atol=1e-7)
