"""Sparseness and complexity against closed forms, agreement against scipy."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tf_xai import metrics


def value(name, attributions):
    return metrics.METRICS[name](None, None, None, tf.constant(attributions, tf.float32)).numpy()


def test_all_alike_and_all_on_one():
    attributions = [[1, 1, -1, 1], [0, -3, 0, 0]]
    np.testing.assert_allclose(value("sparseness", attributions), [0, 0.75], atol=1e-6)
    np.testing.assert_allclose(value("complexity", attributions), [np.log(4), 0], atol=1e-6)


def test_the_gini_index_is_the_mean_difference(rng):
    """Half the mean absolute difference of all pairs, relative to the mean."""
    sizes = np.abs(rng.normal(size=(3, 9)))
    expected = np.abs(sizes[:, None] - sizes[:, :, None]).mean(axis=(1, 2)) / 2 / sizes.mean(axis=1)
    np.testing.assert_allclose(value("sparseness", -sizes), expected, rtol=1e-5)


def test_entropy(rng):
    attributions = rng.normal(size=(3, 9))
    np.testing.assert_allclose(
        value("complexity", attributions), scipy.stats.entropy(np.abs(attributions), axis=1), rtol=1e-5
    )


@pytest.mark.parametrize("name", ["sparseness", "complexity"])
def test_nothing_has_no_shape(name):
    assert np.isnan(value(name, np.zeros((2, 3)))).all()


def test_all_inputs_count(rng):
    whole = rng.normal(size=(3, 9)).astype("float32")
    parts = {"a": tf.constant(whole[:, :5]), "b": tf.constant(whole[:, 5:])}
    np.testing.assert_allclose(metrics.sparseness(None, None, None, parts), value("sparseness", whole), rtol=1e-6)


def test_rank_agreement(rng):
    a, b = np.round(rng.normal(size=(2, 4, 12)), 1).astype("float32")
    expected = [scipy.stats.spearmanr(*pair).statistic for pair in zip(a, b, strict=True)]
    np.testing.assert_allclose(metrics.rank_agreement(tf.constant(a), tf.constant(b)), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(metrics.rank_agreement(tf.constant(a), tf.constant(-a)), -np.ones(4), rtol=1e-5)


def test_topk_agreement(rng):
    a, b = rng.normal(size=(2, 4, 30)).astype("float32")
    top = lambda row, k: set(np.argsort(-np.abs(row))[:k])
    for k, count in ((None, 3), (7, 7), (99, 30)):
        expected = [len(top(x, count) & top(y, count)) / count for x, y in zip(a, b, strict=True)]
        np.testing.assert_allclose(metrics.topk_agreement(tf.constant(a), tf.constant(b), k=k), expected, rtol=1e-6)


def test_topk_agreement_of_nothing_is_undefined():
    a = np.array([[1.0, 2.0], [0.0, 0.0], [np.nan, 1.0], [3.0, 3.0]], "float32")
    b = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0]], "float32")
    for pair in ((a, b), (b, a)):
        np.testing.assert_array_equal(metrics.topk_agreement(*map(tf.constant, pair), k=1), [1, np.nan, np.nan, 0])
