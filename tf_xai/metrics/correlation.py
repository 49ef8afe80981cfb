"""Metrics of whether the size of attributions goes with what features do to the score."""

import numpy as np
import tensorflow as tf

from tf_xai.core import random, regions, statistics, trees
from tf_xai.core.games import Game


def faithfulness_correlation(
    score,
    inputs,
    target,
    attributions,
    *,
    baseline="zeros",
    regions=None,
    size=None,
    samples=128,
    seed=0,
    chunk=None,
):
    """How what random sets of features take from the score goes with the attributions of these; higher is better.

        corr_S (sum_{i in S} a_i, f(x) - f(x without S)),    |S| = size

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Array, tensor or a nest of them, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        attributions: Contributions, a tree like `inputs`, or that broadcasts to it.
        baseline: What replaces a feature, see `core.baselines.resolve`.
        regions: What goes together, see `core.regions`; None is every column of a table, every token, and the cells of
            a grid over images and series.
        size: Features, or regions, in a set; None is a fifth of all, at least one.
        samples: Sets, the same ones for all rows.
        seed: Integer.
        chunk: Sets in one forward pass; None bounds the memory.

    Returns: `(batch,)`, -1 to 1; 1 for the contributions of a linear model; NaN where one of both is constant.
    Cost: `samples + 1` forward passes.

    Reference: Bhatt et al., 2020, https://arxiv.org/abs/2005.00631; Pearson's correlation
    """
    game, contributions = _game(score, inputs, target, attributions, baseline, regions, chunk)
    players = game.players.count
    size = max(1, round(players / 5)) if size is None else _at_most(size, players)
    return _of_sets(game, contributions, _sets(seed, samples, players, size))


def sensitivity_n(
    score,
    inputs,
    target,
    attributions,
    *,
    baseline="zeros",
    regions=None,
    sizes=None,
    samples=100,
    seed=0,
    chunk=None,
):
    """The same correlation as `faithfulness_correlation`, the mean over sets of several sizes; higher is better.

    Args:
        sizes: Features, or regions, in the sets of each size; None takes up to eight sizes, in equal ratios, from one
            to 80 % of all.
        samples: Sets of every size.
        score, inputs, target, attributions, baseline, regions, seed, chunk: As for `faithfulness_correlation`.

    Returns: `(batch,)`, -1 to 1; 1 for the contributions of a linear model; NaN where one of both is constant.
    Cost: `samples + 1` forward passes for every size.

    Reference: Ancona et al., 2018, https://arxiv.org/abs/1711.06104
    """
    game, contributions = _game(score, inputs, target, attributions, baseline, regions, chunk)
    players = game.players.count
    sizes = _sizes(players) if sizes is None else [_at_most(size, players) for size in sizes]
    found = [
        _of_sets(game, contributions, _sets(random.fold(seed, number), samples, players, size))
        for number, size in enumerate(sizes)
    ]
    return tf.add_n(found) / len(found)


def faithfulness_estimate(score, inputs, target, attributions, *, baseline="zeros", regions=None, chunk=None):
    """How what every feature alone takes from the score goes with its attribution; higher is better.

        corr_i (a_i, f(x) - f(x without i))

    Arguments as for `faithfulness_correlation`.

    Returns: `(batch,)`, -1 to 1; 1 for the contributions of a linear model; NaN where one of both is constant.
    Cost: a forward pass for every feature, or region, and one more.

    Reference: Alvarez-Melis and Jaakkola, 2018, https://arxiv.org/abs/1806.07538
    """
    game, contributions = _game(score, inputs, target, attributions, baseline, regions, chunk)
    alone = tf.eye(game.players.count, dtype=tf.bool)
    return statistics.pearson(contributions, _taken(game, alone), _there(game))


def monotonicity(
    score,
    inputs,
    target,
    attributions,
    *,
    baseline="zeros",
    background=None,
    regions=None,
    chunk=None,
):
    """How the size of attributions goes with how much their features make the score vary; higher is better.

        rank correlation over i of |a_i| and mean_r (f(x) - f(x with i from r))^2

    Args:
        background: Rows `r` of data, nested like the inputs; None takes the baseline alone.
        score, inputs, target, attributions, baseline, regions, chunk: As for `faithfulness_correlation`.

    Returns: `(batch,)`, -1 to 1; with a baseline 1 for the contributions of a linear model; NaN where one of both is
        constant. Cost: as many forward passes as features, or regions, times rows of the background.

    Reference: Nguyen and Rodríguez Martínez, 2020, https://arxiv.org/abs/2007.07584; Spearman's correlation
    """
    inputs = trees.tensors(inputs)
    whole = score(inputs, target)

    def change(mixed, target):
        values = score(mixed, target)
        return tf.square(tf.tile(whole, [tf.shape(values)[0] // tf.shape(whole)[0]]) - values)

    game, contributions = _game(change, inputs, target, attributions, baseline, regions, chunk, background)
    changes = game.values(~tf.eye(game.players.count, dtype=tf.bool))
    return statistics.spearman(tf.abs(contributions), tf.transpose(changes), _there(game))


def _game(score, inputs, target, attributions, baseline, choice, chunk, background=None):
    """The game that a row plays, and what every player of it is said to contribute, `(batch, players)`."""
    inputs, attributions = trees.tensors(inputs), trees.tensors(attributions)
    game = Game(score, inputs, target, choice, background, baseline, chunk)
    return game, regions.collect(attributions, game.players, inputs)


def _of_sets(game, contributions, sets):
    said = tf.matmul(contributions, tf.cast(sets, tf.float32), transpose_b=True)
    return statistics.pearson(said, _taken(game, sets))


def _taken(game, sets):
    """What these sets of players take from the score when they go, `(batch, sets)`."""
    return tf.transpose(game.score(game.inputs, game.target) - game.values(~sets))


def _there(game):
    """Which players a row has, `(1 or batch, players)`: with segments, rows have different numbers of them."""
    return tf.cast(regions.sizes(game.players, game.inputs) > 0, tf.float32)


def _sets(seed, samples, players, size):
    """Random sets of so many players, `(samples, players)` booleans."""
    order = tf.argsort(random.uniform(seed, (samples, players)), axis=1)
    return tf.argsort(order, axis=1) < size


def _sizes(players):
    return np.unique(np.round(np.geomspace(1, max(1, 0.8 * players), 8)).astype(int)).tolist()


def _at_most(size, players):
    if not 0 < size <= players:
        raise ValueError(
            f"Sets hold 1 to {players} features or regions, as many as there are. Received: {size}. Pass less, or "
            "finer `regions`."
        )
    return size
