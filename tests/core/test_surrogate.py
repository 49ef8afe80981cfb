"""Local surrogates, against NumPy and scikit-learn."""

import numpy as np
import pytest
import tensorflow as tf

from tf_xai.core import regions, surrogate


@pytest.fixture
def data(rng):
    """A design, the values of three rows, and weights."""
    design = rng.normal(size=(20, 4))
    values = design @ rng.normal(size=(4, 3)) + rng.normal(size=(20, 3)) + 2
    return [array.astype("float32") for array in (design, values, rng.uniform(0.1, 2, size=20))]


def _sums(design, values, weights, coefficients):
    """Weighted residual and total sum of squares of a fit with intercept, given its slopes."""
    centre = lambda matrix: matrix - np.average(matrix, axis=0, weights=weights)
    rest = centre(values) - centre(design) @ coefficients
    return weights @ rest**2, weights @ centre(values) ** 2


@pytest.mark.parametrize("weighted", [False, True])
def test_least_squares(data, weighted):
    design, values, weights = data
    weights = weights if weighted else np.ones(20)
    root, full = np.sqrt(weights)[:, None], np.c_[design, np.ones(20)]
    solution, *_ = np.linalg.lstsq(root * full, root * values, rcond=None)
    expected = _sums(design, values, weights, solution[:4])
    fitted = surrogate.fit(
        tf.constant(design), tf.constant(values), tf.constant(weights, tf.float32) if weighted else None
    )
    np.testing.assert_allclose(fitted[0], expected[0], rtol=1e-4)
    np.testing.assert_allclose(fitted[1], expected[1], rtol=1e-4)


@pytest.mark.parametrize("ridge", [1.0, 10.0])
def test_ridge(data, ridge):
    linear_model = pytest.importorskip("sklearn.linear_model")
    design, values, weights = data
    solution = linear_model.Ridge(alpha=ridge).fit(design, values, sample_weight=weights)
    expected = _sums(design, values, weights, solution.coef_.T)
    fitted = surrogate.fit(*map(tf.constant, data), ridge=ridge)
    np.testing.assert_allclose(fitted[0], expected[0], rtol=1e-4)
    np.testing.assert_allclose(fitted[1], expected[1], rtol=1e-4)


def test_a_linear_function_leaves_no_residual(data):
    design, _, weights = data
    values = design @ np.array([[1.0], [2.0], [0.0], [-1.0]], "float32") + 3
    residual, total = surrogate.fit(tf.constant(design), tf.constant(values), tf.constant(weights))
    assert residual[0] < 1e-8 * total[0]


def test_perturbed_moves_all_rows_alike(rng):
    inputs = {"x": tf.constant(rng.normal(size=(2, 3)), tf.float32), "mask": tf.constant([[True], [False]])}
    players = regions.resolve("features", inputs)
    noise = tf.constant(rng.normal(size=(4, players.count)), tf.float32)
    moved = surrogate.perturbed(inputs, players, noise)(tf.constant([3, 1]))
    np.testing.assert_allclose(moved["x"][1], inputs["x"] + noise[1], rtol=1e-6)
    np.testing.assert_array_equal(moved["mask"][0], inputs["mask"])


@pytest.mark.parametrize("features", [1, 3, 6])
def test_forward_selection_is_that_of_the_package(features, rng):
    from lime.lime_base import LimeBase

    data, labels, weights = rng.normal(size=(60, 9)), rng.normal(size=(2, 60)), rng.uniform(0.1, 1, 60)
    data[:, 4] = data[:, 1] + 0.1 * data[:, 4]
    labels += data[:, :3].sum(axis=1)
    kept = surrogate.forward_selection(_covariances(data, labels, weights), features)
    base = LimeBase(None, random_state=0)
    for row in range(2):
        expected = base.forward_selection(data, labels[row], weights, features)
        assert set(np.flatnonzero(kept[row])) == set(expected)


def test_highest_weights_are_those_of_the_package(rng):
    from lime.lime_base import LimeBase

    data, labels, weights = rng.normal(size=(60, 9)), rng.normal(size=(2, 60)), rng.uniform(0.1, 1, 60)
    kept = surrogate.highest_weights(_covariances(data, labels, weights), 7, data[:1])
    base = LimeBase(None, random_state=0)
    for row in range(2):
        expected = base.feature_selection(data, labels[row], weights, 7, "highest_weights")
        assert set(np.flatnonzero(kept[row])) == set(expected)


def _covariances(data, labels, weights):
    """Weighted covariances of columns and labels, in NumPy: `(rows, columns + 1, columns + 1)`."""
    joined = [np.c_[data, row] for row in labels]
    centred = [each - np.average(each, axis=0, weights=weights) for each in joined]
    return tf.constant([each.T @ (weights[:, None] * each) for each in centred], tf.float32)
