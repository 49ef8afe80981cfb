"""Shapley values by enumeration."""

from math import comb

import numpy as np
import tensorflow as tf

from tf_xai.core.games import Game
from tf_xai.core.score import resolve

# Players whose coalitions are enumerated: 65,536 evaluations of every row.
MOST = 16


def exact_shap(score, inputs, target=None, *, background=None, baseline="zeros", regions=None, chunk=None):
    """Shapley values: what a player adds on average, over all orders in which the players may come.

        a_i = sum_{S without i} |S|! (d - |S| - 1)! / d! * (v(S + i) - v(S)),    v(S) = mean_r score(x_S, r_rest)

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        background: References `r` for absent players, a tree like `inputs` with any number of rows; None takes the
            baseline.
        baseline: The reference where there is no background, see `core.baselines.resolve`.
        regions: The players, at most 16, see `core.regions.resolve`; None takes columns, or cells of a grid.
        chunk: Evaluations of every row in one forward pass; None bounds the memory.

    Returns: Tree like `inputs`, same shapes, float32; units: score. A player's value is shared equally by its features.
    Raises: ValueError for more than 16 players; TypeError for integer inputs.
    Properties: completeness, symmetry, zero for players without influence; exact on linear models. Differentiable.
        Cost: `2^d` forward passes for every row of the background.

    >>> import tensorflow as tf
    >>> exact_shap(lambda x, target: x[:, 0] * x[:, 1], tf.constant([[2.0, 3.0]])).numpy().tolist()
    [[3.0, 3.0]]

    Reference: Shapley, 1953; Lundberg and Lee, 2017, https://arxiv.org/abs/1705.07874
    """
    target = resolve(score, inputs, target)
    game = Game(score, inputs, target, regions, background, baseline, chunk)
    count = game.players.count
    if count > MOST:
        raise ValueError(
            f"`exact_shap` enumerates the coalitions of at most {MOST} players. Received: {count} players. Pass "
            "`regions=` that put features together, or use 'kernel_shap' or 'permutation_shap'."
        )
    coalitions = (np.arange(2**count)[:, None] >> np.arange(count)) % 2 == 1
    values = tf.cast(game.values(coalitions), tf.float64)
    return game.share(tf.cast(tf.matmul(values, _weights(coalitions), transpose_a=True), tf.float32))


def _weights(coalitions):
    """The weight of every `v(S)` in every value, `(coalitions, players)`."""
    count = coalitions.shape[1]
    orders = np.array([1 / (count * comb(count - 1, size)) for size in range(count)])
    sizes = coalitions.sum(axis=1, keepdims=True)
    return np.where(coalitions, orders[np.maximum(sizes - 1, 0)], -orders[np.minimum(sizes, count - 1)])
