"""Correlations, ranks and entropies against scipy and NumPy."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tf_xai.core import statistics


@pytest.fixture
def pair(rng):
    """Two samples of five rows, with ties."""
    return np.round(rng.normal(size=(2, 5, 30)), 1).astype("float32")


@pytest.mark.parametrize("ours, theirs", [("pearson", scipy.stats.pearsonr), ("spearman", scipy.stats.spearmanr)])
def test_correlations(ours, theirs, pair):
    expected = [theirs(a, b).statistic for a, b in zip(*pair, strict=True)]
    np.testing.assert_allclose(getattr(statistics, ours)(*map(tf.constant, pair)), expected, rtol=1e-4, atol=1e-6)


def test_weights_leave_out(pair):
    weights = np.ones(30, "float32")
    weights[20:] = 0
    expected = [scipy.stats.pearsonr(a[:20], b[:20]).statistic for a, b in zip(*pair, strict=True)]
    np.testing.assert_allclose(statistics.pearson(*map(tf.constant, pair), weights), expected, rtol=1e-4, atol=1e-6)


def test_ranks_of_ties_are_their_mean(pair):
    np.testing.assert_array_equal(statistics.ranks(tf.constant(pair[0])), scipy.stats.rankdata(pair[0], axis=1))


def test_what_does_not_vary_has_no_correlation():
    varies, constant = tf.constant([[1.0, 2.0, 3.0]]), tf.constant([[0.1, 0.1, 0.1]])
    for correlation in (statistics.pearson, statistics.spearman):
        assert np.isnan(correlation(varies, constant)).all() and np.isnan(correlation(constant, varies)).all()


def test_entropy_of_a_histogram(pair):
    # At the edge of a bin rounding decides: values are moved off the edges.
    moved = pair[0] + 1e-4 * np.linspace(0, 1, 30, dtype="float32")
    shares = [np.histogram(row, bins=100)[0] / 30 for row in moved]
    np.testing.assert_allclose(statistics.entropy(tf.constant(moved)), scipy.stats.entropy(shares, axis=1), rtol=1e-5)
    np.testing.assert_array_equal(statistics.entropy(tf.ones((2, 5))), np.zeros(2))
