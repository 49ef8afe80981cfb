"""Kernel SHAP: Shapley values by regression on coalitions."""

from math import comb

import numpy as np
import tensorflow as tf

from tf_xai.core import checks, random
from tf_xai.core.games import Game
from tf_xai.core.score import resolve


def kernel_shap(
    score, inputs, target=None, *, background=None, baseline="zeros", regions=None, samples=2048, seed=0, chunk=None
):
    """Estimates Shapley values by weighted least squares on coalitions, where completeness holds exactly.

        a = argmin_a sum_S w(S) (v(S) - v({}) - sum_{i in S} a_i)^2   with   sum_i a_i = v(all) - v({}),
        w(S) = (d - 1) / (C(d, |S|) |S| (d - |S|)),    v(S) = mean_r score(x_S, r_rest)

    All rows share the coalitions. They come with their complements, no coalition twice: of every size the same number,
    or all that there are.

    Args:
        score, inputs, target, background, baseline, regions, chunk: As for `exact_shap`, with any number of players.
        samples: Coalitions, evaluated for every row and reference. From `2^d` on the values are exact.
        seed: Integer; None draws anew at every call.

    Returns: Tree like `inputs`, same shapes, float32; units: score. A player's value is shared equally by its features.
    Raises: ValueError for fewer than four samples per player (and not all coalitions); TypeError for integer inputs.
    Properties: completeness; exact where at most two players interact at a time, so on linear models. Differentiable.
        Cost: `samples` forward passes for every row of the background.

    >>> import tensorflow as tf
    >>> kernel_shap(lambda x, target: x[:, 0] * x[:, 1], tf.constant([[2.0, 3.0]])).numpy().round(4).tolist()
    [[3.0, 3.0]]

    Reference: Lundberg and Lee, 2017, https://arxiv.org/abs/1705.07874; complements: Covert and Lee, 2021,
    https://arxiv.org/abs/2012.01536; numbers per size: Musco and Witter, 2025, https://arxiv.org/abs/2410.01917
    """
    checks.positive("samples", samples)
    target = resolve(score, inputs, target)
    game = Game(score, inputs, target, regions, background, baseline, chunk)
    count = game.players.count
    numbers = _numbers(count, (samples - 2) // 2)
    half = _draw(seed, count, numbers)
    coalitions = tf.concat([half, ~half, tf.zeros([1, count], tf.bool), tf.ones([1, count], tf.bool)], 0)
    values = _regress(coalitions, _weights(count, numbers), game.values(coalitions))
    return game.share(values)


def _numbers(count, pairs):
    """How many of the pairs have a coalition of size 1, 2, ... players / 2: as equal as can be."""
    # With as many members as its complement, a coalition is counted once.
    there = [comb(count, size) // (2 if 2 * size == count else 1) for size in range(1, count // 2 + 1)]
    if pairs < min(2 * count, sum(there)):
        raise ValueError(
            f"`kernel_shap` needs at least {2 * min(2 * count, sum(there)) + 2} samples for {count} players. Received: "
            f"samples={2 * pairs + 2}. Pass more, or `regions=` that put features together."
        )
    numbers = dict.fromkeys(range(len(there)), 0)
    for done, size in enumerate(sorted(numbers, key=there.__getitem__)):
        numbers[size] = min(there[size], pairs // (len(there) - done))
        pairs -= numbers[size]
    return list(numbers.values())


def _draw(seed, count, numbers):
    """Coalitions of size 1, 2, ..., so many of each, no two of them alike: `(sum(numbers), players)`, booleans.

    The coalitions of one size are the leaves of a tree, which has a level per player: in or out. Equal steps through
    the leaves, from a random start, meet none twice. Once a draw has its branch to itself, it goes on at random.
    """
    sizes = np.repeat(np.arange(1.0, len(numbers) + 1), numbers)
    many = np.repeat(np.array(numbers, float), numbers)
    place = np.concatenate([np.arange(number) for number in numbers] or [[]])
    double = lambda tensor: tf.cast(tensor, tf.float64)
    start = double(random.uniform(seed, [len(numbers)]))
    fresh = double(random.uniform(random.fold(seed, 1), [count, len(sizes)]))

    def step(state, level):
        within, width, members, _ = state
        player, anew = level
        within = tf.where(width * many < 1 - 1e-9, anew, tf.minimum(within, 1 - 1e-15))
        chance = (sizes - members) / (count - player)
        # Of a coalition and a complement of the same size the one with the first player.
        chance = tf.where((player == 0) & (2 * sizes == count), double(1), chance)
        joins = within < chance
        within = tf.where(joins, within / chance, (within - chance) / (1 - chance))
        return within, width * tf.where(joins, chance, 1 - chance), members + double(joins), joins

    within = (place + tf.repeat(start, numbers)) / many
    state = within, tf.ones_like(within), tf.zeros_like(within), tf.zeros_like(within, tf.bool)
    joins = tf.scan(step, (tf.range(count, dtype=tf.float64), fresh), state)[-1]
    return tf.transpose(tf.gather(joins, random.permutation(random.fold(seed, 2), count)))


def _weights(count, numbers):
    """The kernel's weight of all coalitions of a size, in equal parts on those that were drawn."""
    sizes = np.arange(1, len(numbers) + 1)
    kernel = (count - 1) / (sizes * (count - sizes)) / np.where(2 * sizes == count, 2, 1)
    weights = np.repeat(kernel / np.maximum(numbers, 1), numbers)
    return np.concatenate([weights, weights])


def _regress(coalitions, weights, values):
    """The constrained regression, `(batch, players)`; the last two coalitions are those of nobody and of all.

    Every player gets an equal part of the total. What that leaves is regressed on the centred coalitions, whose
    coefficients sum to zero.
    """
    values, members = tf.cast(values, tf.float64), tf.cast(coalitions, tf.float64)
    nobody, total = values[-2], values[-1] - values[-2]
    share = tf.reduce_mean(members, axis=1, keepdims=True)
    centred, rest = (members - share)[:-2], (values - nobody - share * total)[:-2]
    weighted = weights[:, None] * centred
    count = members.shape[1]
    gram = tf.matmul(weighted, centred, transpose_a=True) + tf.fill([count, count], tf.constant(1 / count, tf.float64))
    moments = tf.matmul(weighted, rest, transpose_a=True)
    coefficients = tf.linalg.cholesky_solve(tf.linalg.cholesky(gram), moments)
    return tf.cast(tf.transpose(total / count + coefficients), tf.float32)
