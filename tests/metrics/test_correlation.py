"""Correlations of attributions with what features do, against enumeration in NumPy and on linear scores."""

import itertools

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tf_xai import metrics
from tf_xai.attributions import gradient_input
from tf_xai.core import random

SLOPES = np.array([3.0, -1.0, 2.0, 0.5, -2.0], "float32")
EXACT = ("faithfulness_correlation", "faithfulness_estimate", "sensitivity_n", "monotonicity")


def linear(x, target=None):
    return tf.linalg.matvec(x, tf.constant(SLOPES))


def crossed(x, target=None):
    """Features that act together."""
    return linear(x) + 2 * x[:, 0] * x[:, 1] + tf.sin(3 * x[:, 3])


@pytest.fixture
def x(rng):
    return tf.constant(rng.normal(size=(6, 5)), tf.float32)


@pytest.fixture
def noise(rng):
    return tf.constant(rng.normal(size=(6, 5)), tf.float32)


def taken(score, x, sets):
    """What sets of features take from the score when they become zero, `(batch, sets)`."""
    return np.stack([score(x) - score(tf.where(there, 0.0, x)) for there in sets], axis=1)


@pytest.mark.parametrize("name", EXACT)
def test_contributions_of_a_linear_score(name, x, noise):
    metric, contributions = metrics.METRICS[name], gradient_input(linear, x)
    np.testing.assert_allclose(metric(linear, x, None, contributions), np.ones(6), atol=1e-5)
    assert np.mean(metric(linear, x, None, noise)) < 0.6
    assert np.isnan(metric(linear, x, None, tf.ones_like(x))).all()


@pytest.mark.parametrize("name", EXACT[:3])
def test_negated_contributions_of_a_linear_score(name, x):
    """-1, by theory. The size alone counts for monotonicity."""
    np.testing.assert_allclose(
        metrics.METRICS[name](linear, x, None, -gradient_input(linear, x)), -np.ones(6), atol=1e-5
    )


def test_faithfulness_estimate(x, noise):
    changes = taken(crossed, x, np.eye(5, dtype=bool))
    expected = [scipy.stats.pearsonr(a, b).statistic for a, b in zip(noise.numpy(), changes, strict=True)]
    np.testing.assert_allclose(metrics.faithfulness_estimate(crossed, x, None, noise), expected, rtol=1e-4)


def test_faithfulness_correlation(x, noise):
    """Over all ten sets of two in many draws: the correlation under their uniform distribution."""
    sets = np.array([[i in pair for i in range(5)] for pair in itertools.combinations(range(5), 2)])
    changes, said = taken(crossed, x, sets), noise.numpy() @ sets.T
    expected = [scipy.stats.pearsonr(a, b).statistic for a, b in zip(said, changes, strict=True)]
    got = metrics.faithfulness_correlation(crossed, x, None, noise, size=2, samples=5000)
    np.testing.assert_allclose(got, expected, atol=0.04)


def drawn(name, count=9, **options):
    """The sets that a metric draws, `(sets, count)` booleans, read from the rows that the score is asked about."""
    rows = []

    def watched(x, target=None):
        rows.append(x.numpy())
        return tf.linalg.matvec(x, tf.range(1.0, count + 1))

    ones = tf.ones((1, count))
    metrics.METRICS[name](watched, ones, None, ones * tf.range(1.0, count + 1), **options)
    asked = np.concatenate(rows)
    assert set(np.unique(asked)) == {0, 1}, "a feature is there, or has the baseline"
    gone = asked == 0
    return gone[gone.any(axis=1)]  # the row itself is asked about, too


@pytest.mark.parametrize("size", [1, 4, 8])
@pytest.mark.parametrize("chunk", [1, 3, None])
def test_every_set_has_so_many_features(size, chunk):
    """Without replacement: a feature that was drawn twice would leave a set too small."""
    sets = drawn("faithfulness_correlation", size=size, samples=60, chunk=chunk)
    assert sets.shape == (60, 9) and (sets.sum(axis=1) == size).all()


def test_sets_are_drawn_anew_and_all_alike_likely():
    """Of 126 sets of four, 2000 draws have all; every feature is in 4/9 of them, every pair in 1/6."""
    sets = drawn("faithfulness_correlation", size=4, samples=2000)
    assert len(np.unique(sets, axis=0)) == 126
    together = sets.T.astype(float) @ sets / 2000
    np.testing.assert_allclose(np.diag(together), 4 / 9, atol=0.045)  # four standard errors
    np.testing.assert_allclose(together[~np.eye(9, dtype=bool)], 1 / 6, atol=0.034)
    repeated = (sets[1:] == sets[:-1]).all(axis=1).mean()
    assert repeated < 0.03  # 1/126, but for chance


def test_another_seed_draws_other_sets():
    first, again, other = (drawn("faithfulness_correlation", size=4, samples=50, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any(axis=1).mean() > 0.9


def test_sets_by_default():
    """A fifth of the features, 128 times; one, where a fifth is less."""
    sets = drawn("faithfulness_correlation")
    assert len(sets) == 128 and (sets.sum(axis=1) == 2).all()
    assert (drawn("faithfulness_correlation", count=2).sum(axis=1) == 1).all()


def test_every_size_has_sets_of_its_own():
    sets = drawn("sensitivity_n", sizes=[2, 4, 4], samples=50)
    assert sets.sum(axis=1).tolist() == [2] * 50 + [4] * 100
    assert (sets[50:100] != sets[100:]).any(axis=1).mean() > 0.9


def test_sets_are_those_that_are_summed(x, noise):
    """What is said of a set is the sum over its features, not over the others: by the sets that were drawn."""
    sets = drawn("faithfulness_correlation", count=5, size=2, samples=40, seed=3)
    changes, said = taken(crossed, x, sets), noise.numpy() @ sets.T
    expected = [scipy.stats.pearsonr(a, b).statistic for a, b in zip(said, changes, strict=True)]
    got = metrics.faithfulness_correlation(crossed, x, None, noise, size=2, samples=40, seed=3)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_sensitivity_n_is_the_mean_over_sizes(x, noise):
    found = metrics.sensitivity_n(crossed, x, None, noise, sizes=[1, 3], samples=50, seed=4)
    each = [
        metrics.faithfulness_correlation(crossed, x, None, noise, size=size, samples=50, seed=random.fold(4, number))
        for number, size in enumerate([1, 3])
    ]
    np.testing.assert_allclose(found, np.mean(each, axis=0), rtol=1e-4)
    default = metrics.sensitivity_n(crossed, x, None, noise)
    np.testing.assert_allclose(default, metrics.sensitivity_n(crossed, x, None, noise, sizes=[1, 2, 3, 4]), rtol=1e-5)


@pytest.mark.parametrize("with_background", [False, True])
def test_monotonicity(with_background, x, noise, rng):
    background = rng.normal(size=(7, 5)).astype("float32") if with_background else np.zeros((1, 5), "float32")
    changes = np.zeros((6, 5))
    for i in range(5):
        for row in background:
            moved = np.where(np.arange(5) == i, row, x)
            changes[:, i] += (crossed(x) - crossed(tf.constant(moved))).numpy() ** 2 / len(background)
    expected = [scipy.stats.spearmanr(abs(a), b).statistic for a, b in zip(noise.numpy(), changes, strict=True)]
    got = metrics.monotonicity(crossed, x, None, noise, background=background if with_background else None)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


def test_regions_that_a_row_lacks_do_not_count(rng):
    """The first row has three segments, the second two: as if nobody had heard of a third."""
    x = tf.constant(rng.normal(size=(2, 6)), tf.float32)
    labels = np.array([[0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 1]])
    square = lambda x, target=None: tf.reduce_sum(x**2, axis=1)
    noise = tf.constant(rng.normal(size=(2, 6)), tf.float32)
    for name in ("faithfulness_estimate", "monotonicity"):
        both = metrics.METRICS[name](square, x, None, noise, regions=labels)
        alone = [metrics.METRICS[name](square, x[i:][:1], None, noise[i:][:1], regions=labels[i]) for i in range(2)]
        np.testing.assert_allclose(both, np.concatenate(alone), rtol=1e-4)


def test_images_go_by_the_cells_of_a_grid(rng):
    score = lambda x, target=None: tf.reduce_sum(x, axis=[1, 2, 3])
    x = tf.constant(rng.normal(size=(2, 16, 16, 3)), tf.float32)
    np.testing.assert_allclose(metrics.faithfulness_estimate(score, x, None, x), np.ones(2), atol=1e-5)
    # A map for all channels is shared out among them.
    one = tf.reduce_sum(x, axis=-1, keepdims=True)
    np.testing.assert_allclose(metrics.faithfulness_estimate(score, x, None, one), np.ones(2), atol=1e-5)


def test_sets_larger_than_all(x):
    with pytest.raises(ValueError, match=r"Sets hold 1 to 5 features.*Received: 6"):
        metrics.faithfulness_correlation(linear, x, None, x, size=6)
