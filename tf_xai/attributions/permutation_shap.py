"""Permutation SHAP: Shapley values by letting the players come in random orders."""

import tensorflow as tf

from tf_xai.core import checks, random
from tf_xai.core.games import Game
from tf_xai.core.score import resolve


def permutation_shap(
    score, inputs, target=None, *, background=None, baseline="zeros", regions=None, samples=1024, seed=0, chunk=None
):
    """Averages what every player adds when it comes, over random orders and their reverses.

        a_i = mean over orders of v(those before i, and i) - v(those before i),    v(S) = mean_r score(x_S, r_rest)

    All rows share the orders.

    Args:
        score, inputs, target, background, baseline, regions, chunk: As for `exact_shap`, with any number of players.
        samples: The most coalitions, evaluated for every row and reference: 2, and `2 (d - 1)` for every order with its
            reverse.
        seed: Integer; None draws anew at every call.

    Returns: Tree like `inputs`, same shapes, float32; units: score. A player's value is shared equally by its features.
    Raises: ValueError for fewer than two samples per player; TypeError for integer inputs.
    Properties: completeness, zero for players without influence; exact where at most two players interact at a time,
        so on linear models. Differentiable. Cost: `samples` forward passes for every row of the background.

    >>> import tensorflow as tf
    >>> permutation_shap(lambda x, target: x[:, 0] * x[:, 1], tf.constant([[2.0, 3.0]])).numpy().tolist()
    [[3.0, 3.0]]

    Reference: Castro et al., 2009, https://doi.org/10.1016/j.cor.2008.04.004; reverses: Mitchell et al., 2022,
    https://arxiv.org/abs/2104.12199
    """
    checks.positive("samples", samples)
    target = resolve(score, inputs, target)
    game = Game(score, inputs, target, regions, background, baseline, chunk)
    count = game.players.count
    if samples < 2 * count:
        raise ValueError(
            f"`permutation_shap` needs at least {2 * count} samples for {count} players. Received: samples={samples}. "
            "Pass more, or `regions=` that put features together."
        )
    orders = (samples - 2) // max(1, 2 * (count - 1))
    place = tf.argsort(random.uniform(seed, [orders, count]))  # of every player in every order
    before = place[:, None] < tf.range(1, count)[:, None]  # the first one, two, ... of the order: (orders, d - 1, d)
    prefixes = tf.reshape(before, [orders * (count - 1), count])
    coalitions = tf.concat([prefixes, ~prefixes, tf.zeros([1, count], tf.bool), tf.ones([1, count], tf.bool)], 0)
    values = game.values(coalitions)

    # The complement of the first ones are the first ones of the reverse.
    first, last = tf.unstack(tf.reshape(values[:-2], [2, orders, count - 1, tf.shape(values)[1]]))
    end = tf.repeat((values[-1] - values[-2])[None, None], orders, axis=0)
    gap = tf.concat([-end, first - last, end], axis=1)
    added = tf.gather((gap[:, 1:] - gap[:, :-1]) / 2, place, axis=1, batch_dims=1)
    return game.share(tf.transpose(tf.reduce_mean(added, axis=0)))
