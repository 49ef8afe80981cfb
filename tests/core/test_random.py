"""Random draws depend on seed and index only, and have the distribution that they promise."""

from functools import reduce

import numpy as np
import pytest
import tensorflow as tf

from tf_xai.core import random

SEED = tf.constant([3, 4])


@pytest.mark.parametrize(
    "draw",
    [
        lambda seed: random.uniform(seed, (9,)),
        lambda seed: random.normal(seed, (9,)),
        lambda seed: random.normals(seed, tf.range(3), (2, 2)),
        lambda seed: random.permutation(seed, 9),
    ],
    ids=["uniform", "normal", "normals", "permutation"],
)
def test_eager_graph_and_xla_draw_alike(draw):
    # The seed is an argument: TensorFlow would draw from a constant one before XLA sees it.
    eager = draw(SEED)
    for compiled in (False, True):
        np.testing.assert_allclose(
            tf.function(draw, jit_compile=compiled, autograph=False)(SEED), eager, rtol=1e-5, atol=1e-5
        )


def test_distributions():
    uniform, normal = random.uniform(1, (20_000,)).numpy(), random.normal(2, (20_000,)).numpy()
    grid = np.linspace(0, 1, 11)
    np.testing.assert_allclose(np.quantile(uniform, grid[1:-1]), grid[1:-1], atol=0.015)
    assert uniform.min() >= 0 and uniform.max() < 1
    # Five standard errors each.
    assert abs(normal.mean()) < 5 / np.sqrt(20_000)
    assert abs(normal.var() - 1) < 5 * np.sqrt(2 / 20_000)
    assert abs((normal**4).mean() - 3) < 5 * np.sqrt(96 / 20_000)


def test_a_draw_depends_on_its_index_not_on_the_others():
    together = random.normals(5, tf.range(4), (3,))
    np.testing.assert_array_equal(random.normals(5, tf.constant([2, 0]), (3,)), together.numpy()[[2, 0]])
    assert len(np.unique(together)) == 12


def test_folded_seeds_are_other_streams():
    streams = [random.uniform(random.fold(seed, number), (4,)) for seed in (0, 1) for number in (0, 1)]
    assert len(np.unique(streams)) == 16


def test_folds_of_folds_are_other_streams():
    paths = [(number,) for number in range(4)] + [(first, second) for first in range(3) for second in range(3)]
    seeds = [tf.constant([5, step]) for step in range(2)]  # as training has them: step after step
    streams = [random.uniform(reduce(random.fold, path, seed), (4,)) for seed in seeds for path in paths]
    assert len(np.unique(streams)) == 4 * len(paths) * len(seeds)
    drawn = [random.normals(seed, tf.range(9), (4,)) for seed in seeds]
    assert not np.isin(streams, drawn).any()


def test_permutation():
    assert sorted(random.permutation(0, 50).numpy()) == list(range(50))
    assert list(random.permutation(0, 50).numpy()) != list(random.permutation(1, 50).numpy())


def test_no_seed_draws_anew_also_in_a_graph():
    draw = tf.function(lambda: random.uniform(None, (4,)))
    assert np.all(draw().numpy() != draw().numpy())
