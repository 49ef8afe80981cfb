"""Quadrature rules, against the integrals of monomials."""

import numpy as np
import pytest

from tf_xai.core import quadrature


def _integral(rule, steps, degree):
    nodes, weights = quadrature.rule(rule, steps)
    return float(np.sum(weights.astype("float64") * nodes.astype("float64") ** degree))


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8])
def test_gauss_legendre_is_exact_to_degree_twice_the_steps_less_one(steps):
    for degree in range(2 * steps):
        assert _integral("gauss_legendre", steps, degree) == pytest.approx(1 / (degree + 1), rel=1e-6)
    error = 1 / (2 * steps + 1) - _integral("gauss_legendre", steps, 2 * steps)
    if steps < 4:  # beyond, the error is below float32
        assert error > 1e-5


def test_trapezoid():
    assert _integral("trapezoid", 2, 1) == pytest.approx(1 / 2, rel=1e-6)
    # The error of x^2 is h^2 / 6.
    assert _integral("trapezoid", 5, 2) == pytest.approx(1 / 3 + (1 / 4) ** 2 / 6, rel=1e-6)
    with pytest.raises(ValueError, match="`steps` of at least 2"):
        quadrature.rule("trapezoid", 1)


def test_riemann_is_the_right_sum():
    assert _integral("riemann", 4, 1) == pytest.approx((1 + 2 + 3 + 4) / 16, rel=1e-6)


@pytest.mark.parametrize("rule", ["gauss_legendre", "trapezoid", "riemann"])
def test_weights_sum_to_one_and_nodes_lie_on_the_path(rule):
    nodes, weights = quadrature.rule(rule, 7)
    assert nodes.shape == weights.shape == (7,)
    assert weights.sum() == pytest.approx(1, rel=1e-6)
    assert 0 <= nodes.min() <= nodes.max() <= 1


@pytest.mark.parametrize("steps", [0, -1, 2.5, True])
def test_steps_are_positive_integers(steps):
    with pytest.raises(ValueError, match="`steps` must be an integer of at least 1"):
        quadrature.rule("gauss_legendre", steps)


def test_an_unknown_rule_is_named_with_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'trapezoid'"):
        quadrature.rule("trapezoids", 3)
