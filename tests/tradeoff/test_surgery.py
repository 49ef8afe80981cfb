"""PCGrad and MGDA against NumPy, and against what makes a shortest combination."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_xai.tradeoff import MGDA, PCGrad


def merge(tradeoff, *gradients):
    """The merged gradient of vectors, each cut into the tensors of two weights."""
    parts = [[tf.constant(g[:2], tf.float32), tf.constant(g[2:].reshape(-1, 1), tf.float32)] for g in gradients]
    one, other = tradeoff.merge(parts)
    assert one.shape == (2,) and other.shape == (len(gradients[0]) - 2, 1)
    return np.concatenate([one, np.ravel(other)])


def without(g, other):
    """What is left of a gradient when that along another one is taken out, if it points against it."""
    return g - min(0, g @ other) / (other @ other) * other


@pytest.fixture
def gradients(rng):
    """Three that conflict in pairs: they sum to little."""
    g = rng.normal(size=(3, 6))
    return g - 1.2 * g.mean(axis=0)


def test_two_gradients_that_conflict():
    """By hand: of (1, 0, 0) and (-1, 1, 0) the first becomes (1/2, 1/2, 0), the second (0, 1, 0)."""
    merged = merge(PCGrad(), np.array([1.0, 0, 0]), np.array([-1.0, 1, 0]))
    np.testing.assert_allclose(merged, [0.5, 1.5, 0], atol=1e-6)


def test_two_gradients_that_agree_are_added():
    one, other = np.array([1.0, 0, 2]), np.array([1.0, 1, 0])
    np.testing.assert_allclose(merge(PCGrad(), one, other), one + other, rtol=1e-6)


def test_three_gradients_one_after_the_other(gradients):
    """Each gives way to the others as they were at first, in their order."""
    a, b, c = gradients
    assert min(a @ b, b @ c, c @ a) < 0
    expected = without(without(a, b), c) + without(without(b, a), c) + without(without(c, a), b)
    np.testing.assert_allclose(merge(PCGrad(), a, b, c), expected, rtol=1e-5, atol=1e-6)


def shortest(gradients):
    """The shortest convex combination: on every face of the simplex the point with equal slopes, if it is inside."""
    best = None
    for many in range(1, len(gradients) + 1):
        for face in map(list, itertools.combinations(range(len(gradients)), many)):
            weights = np.linalg.solve(gradients[face] @ gradients[face].T, np.ones(many))
            weights /= weights.sum()
            point = weights @ gradients[face]
            if (weights >= 0).all() and (best is None or point @ point < best @ best):
                best = point
    return best


@pytest.mark.parametrize("lengths", [(1, 1), (1, 0.2), (5, 1), (1, 1, 1), (1, 3, 0.3), (1, 1, 1, 2)])
def test_shortest_combination(lengths, rng):
    for _ in range(5):
        g = np.array(lengths)[:, None] * rng.normal(size=(len(lengths), 5))
        np.testing.assert_allclose(merge(MGDA(normalize=False), *g), shortest(g), rtol=2e-3, atol=2e-3)


def test_no_loss_grows_along_a_shortest_combination(rng):
    """The condition of optimality: <g_i, g> >= |g|^2 for every i."""
    for _ in range(5):
        g = rng.normal(size=(4, 6))
        merged = merge(MGDA(normalize=False), *g)
        assert (g @ merged >= (1 - 1e-3) * merged @ merged).all()


def test_shortest_of_two_by_hand():
    """Of (2, 0, 0) and (0, 1, 0): a fifth of the one and four of the other."""
    merged = merge(MGDA(normalize=False), np.array([2.0, 0, 0]), np.array([0, 1.0, 0]))
    np.testing.assert_allclose(merged, [0.4, 0.8, 0], rtol=1e-5)


def test_normalized_gradients_have_the_length_of_the_tasks(gradients):
    task, *rest = gradients
    scaled = [task, *(np.linalg.norm(task) / np.linalg.norm(g) * g for g in rest)]
    np.testing.assert_allclose(merge(MGDA(), *gradients), shortest(np.array(scaled)), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(merge(MGDA(), task, *(1e3 * g for g in rest)), merge(MGDA(), *gradients), rtol=1e-3)


@pytest.mark.parametrize("tradeoff", [PCGrad(), MGDA(), MGDA(normalize=False)])
@pytest.mark.parametrize("many", [1, 2, 3])
def test_losses_without_gradient_leave_the_task_alone(tradeoff, many, gradients):
    """No penalty at all, or such as are not due."""
    task, nothing = gradients[0], np.zeros(6)
    np.testing.assert_allclose(merge(tradeoff, task, *[nothing] * (many - 1)), task, rtol=1e-5)


@pytest.mark.parametrize("tradeoff", [PCGrad(), MGDA(), MGDA(normalize=False)])
def test_a_task_without_gradient_leaves_the_penalty_alone(tradeoff, gradients):
    np.testing.assert_allclose(merge(tradeoff, np.zeros(6), gradients[1]), gradients[1], rtol=1e-5)


@pytest.mark.parametrize("tradeoff", [PCGrad(), MGDA(), MGDA(normalize=False)])
def test_nothing_of_nothing(tradeoff):
    np.testing.assert_array_equal(merge(tradeoff, np.zeros(4), np.zeros(4)), np.zeros(4))


@pytest.mark.parametrize("tradeoff", [PCGrad(), MGDA(), MGDA(normalize=False)])
def test_opposite_gradients_cancel(tradeoff):
    g = np.array([1.0, -2, 3, 0])
    np.testing.assert_allclose(merge(tradeoff, g, -g), np.zeros(4), atol=1e-6)


@pytest.mark.parametrize("tradeoff", [PCGrad(), MGDA(), MGDA(normalize=False)])
def test_overflow_is_passed_on(tradeoff):
    """A scaled loss that overflows in float16 has to reach the optimizer, which then skips the step."""
    assert not np.isfinite(merge(tradeoff, np.array([1.0, 2, 3]), np.array([1.0, np.inf, 0]))).all()


def test_large_and_small_gradients(gradients):
    """As loss scaling makes them: their lengths change, what becomes of them does not."""
    for scale in (2.0**-20, 2.0**20):
        for tradeoff in (PCGrad(), MGDA(), MGDA(normalize=False)):
            expected = scale * merge(tradeoff, *gradients)
            np.testing.assert_allclose(merge(tradeoff, *(scale * gradients)), expected, rtol=1e-3, atol=1e-3 * scale)
