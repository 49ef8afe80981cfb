"""Quadrature rules on [0, 1]."""

import numpy as np

from tf_xai.core import checks


def gauss_legendre(steps):
    """Exact for polynomials up to degree `2 * steps - 1`."""
    # Newton's method on the Legendre polynomial: far faster than an eigenvalue problem where there are many steps.
    nodes = -np.cos(np.pi * (np.arange(1, steps + 1) - 0.25) / (steps + 0.5))
    for _ in range(6):
        value, slope = _legendre(steps, nodes)
        nodes -= value / slope
    weights = 2 / ((1 - nodes**2) * _legendre(steps, nodes)[1] ** 2)
    return (nodes + 1) / 2, weights / 2


def _legendre(degree, x):
    """The Legendre polynomial and its derivative."""
    before, value = np.ones_like(x), x
    for n in range(2, degree + 1):
        before, value = value, ((2 * n - 1) * x * value - (n - 1) * before) / n
    return value, degree * (x * value - before) / (x**2 - 1)


def trapezoid(steps):
    """Equal steps with both ends; the ends weigh half."""
    if steps < 2:
        raise ValueError(f"`rule='trapezoid'` needs `steps` of at least 2. Received: steps={steps}.")
    weights = np.full(steps, 1 / (steps - 1))
    weights[[0, -1]] /= 2
    return np.linspace(0, 1, steps), weights


def riemann(steps):
    """The right Riemann sum of Sundararajan et al., 2017: nodes `k / steps` for k = 1 ... steps."""
    return np.arange(1, steps + 1) / steps, np.full(steps, 1 / steps)


RULES = {rule.__name__: rule for rule in (gauss_legendre, trapezoid, riemann)}


def rule(name, steps):
    """Nodes and weights, two float32 arrays of length `steps`."""
    checks.positive("steps", steps)
    nodes, weights = checks.choose("rule", name, RULES)(int(steps))
    return nodes.astype("float32"), weights.astype("float32")
