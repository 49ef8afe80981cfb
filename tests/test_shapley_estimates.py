"""Kernel and permutation SHAP: what they evaluate, and how near they come, beside those of the shap package."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests.test_shapley import SAMPLED, network, predict
from tf_xai.attributions import exact_shap, kernel_shap, permutation_shap


@pytest.mark.parametrize("method", SAMPLED)
def test_the_mean_of_many_estimates_is_exact(method):
    score, x = network(7, seed=3), tf.ones((1, 7))
    expected = exact_shap(score, x)
    estimate = tf.function(lambda seed: method(score, x, samples=40, seed=seed), autograph=False)
    draws = np.stack([estimate(tf.constant(seed)) for seed in range(300)])
    error = draws.std(axis=0) / np.sqrt(len(draws))
    assert np.all(error > 0)
    # A regression on few samples has a small bias.
    np.testing.assert_array_less(np.abs(draws.mean(axis=0) - expected), 5 * error + 0.005)


def _error(estimates, expected):
    """Root of the mean squared error over draws and players."""
    return np.sqrt(np.mean(np.square(np.stack(estimates) - expected)))


@pytest.mark.slow
@pytest.mark.parametrize(("features", "samples"), [(12, 2048), (15, 2048), (12, 512)])
def test_kernel_shap_is_no_worse_than_that_of_shap(features, samples):
    shap = pytest.importorskip("shap")
    ours, theirs = [], []
    for number in range(3):
        score, x = network(features, seed=number), np.ones((1, features), "float32")
        expected = exact_shap(score, tf.constant(x)).numpy()
        estimate = tf.function(lambda seed: kernel_shap(score, x, samples=samples, seed=seed), autograph=False)  # noqa: B023
        explainer = shap.KernelExplainer(predict(score), np.zeros((1, features)))
        ours.append(_error([estimate(tf.constant(seed)) for seed in range(10)], expected))
        np.random.seed(number)
        options = {"nsamples": samples, "l1_reg": False, "silent": True}
        theirs.append(_error([explainer.shap_values(x, **options) for _ in range(10)], expected))
    assert np.mean(ours) <= np.mean(theirs)
    assert np.mean(ours) > 0


@pytest.mark.slow
@pytest.mark.parametrize(("features", "samples"), [(10, 210), (12, 2048)])
def test_permutation_shap_is_no_worse_than_that_of_shap(features, samples):
    shap = pytest.importorskip("shap")
    ours, theirs = [], []
    for number in range(3):
        score, x = network(features, seed=number), np.ones((1, features), "float32")
        expected = exact_shap(score, tf.constant(x)).numpy()
        estimate = tf.function(lambda seed: permutation_shap(score, x, samples=samples, seed=seed), autograph=False)  # noqa: B023
        masker = shap.maskers.Independent(np.zeros((1, features)))
        ours.append(_error([estimate(tf.constant(seed)) for seed in range(20)], expected))
        explain = lambda seed: shap.PermutationExplainer(predict(score), masker, seed=seed)  # noqa: B023
        theirs.append(_error([explain(seed)(x, max_evals=samples, silent=True).values for seed in range(20)], expected))
    assert np.mean(ours) <= np.mean(theirs)


def test_no_coalition_is_drawn_twice():
    seen = []

    def record(x, target):
        seen.append(x.numpy())
        return tf.reduce_sum(x, axis=1)

    for samples, features in ((300, 9), (1000, 20), (4000, 12)):
        seen.clear()
        kernel_shap(record, tf.ones((1, features)), samples=samples)
        coalitions = np.concatenate(seen)
        assert len(coalitions) == samples
        assert len(np.unique(coalitions, axis=0)) == samples
        # They come with their complements.
        assert {row.tobytes() for row in coalitions} == {(1 - row).tobytes() for row in coalitions}


def test_samples_are_the_most_evaluations():
    rows = []

    def count(x, target):
        rows.append(len(x))
        return tf.reduce_sum(x, axis=1)

    for method, samples in itertools.product(SAMPLED, (40, 41, 99)):
        rows.clear()
        method(count, tf.ones((1, 8)), samples=samples)
        assert samples - 2 * 7 <= sum(rows) <= samples
