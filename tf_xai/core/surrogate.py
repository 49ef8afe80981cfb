"""Local linear surrogates: noise around every row, the same for all rows, and a least-squares fit of the score.

Because the noise is shared, the fit for a whole batch is one factorisation.
"""

import numpy as np
import tensorflow as tf

from tf_xai.core import trees

# The most parts that an axis is cut into, by the number of spatial axes: at most 64 players per input.
_PARTS = {1: 16, 2: 8, 3: 4}


def features(leaf):
    """Every feature is a player: their numbers, in the shape of a row."""
    return np.arange(trees.row_size(leaf)).reshape(leaf.shape[1:])


def cells(leaf):
    """The cells of a grid are the players, all channels of a cell together; in a table every column is one."""
    spatial = leaf.shape[1:-1]
    if not len(spatial):
        return features(leaf)
    parts = [min(length, _PARTS.get(len(spatial), 2)) for length in spatial]
    axes = [np.arange(length) * part // length for length, part in zip(spatial, parts, strict=True)]
    numbers = np.ravel_multi_index(np.meshgrid(*axes, indexing="ij"), parts)
    return np.broadcast_to(numbers[..., None], leaf.shape[1:])


def number_players(inputs, numbering):
    """The player that every feature belongs to, as a tree of integer arrays, and how many players there are.

    Leaves that are not floating point have no players; their numbers are None.
    """
    trees_, total = [], 0
    for leaf in trees.leaves(inputs):
        numbers = numbering(leaf) + total if trees.is_float(leaf) else None
        trees_.append(numbers)
        total = total if numbers is None else int(numbers.max()) + 1
    return trees_, total


def perturbed(inputs, players, noise):
    """A variant function: variant `k` adds `noise[k]`, `(players,)`, to the features of every row."""

    def variant(k):
        moves = tf.gather(noise, k)

        def leaf(x, numbers):
            if numbers is None:
                return trees.repeat(x, tf.shape(k)[0])
            return x[None] + tf.cast(tf.gather(moves, numbers, axis=1), x.dtype)[:, None]

        moved = [leaf(x, numbers) for x, numbers in zip(trees.leaves(inputs), players, strict=True)]
        return trees.pack(inputs, moved)

    return variant


def fit(design, values, weights=None, ridge=0.0):
    """Weighted least squares with intercept.

    Args:
        design: `(samples, players)`.
        values: `(samples, batch)`.
        weights: `(samples,)`; all equal where None.
        ridge: Penalty on the squared coefficients; the intercept is free.

    Returns: Residual and total sum of squares, two `(batch,)`.
    """
    weights = tf.ones(tf.shape(design)[:1]) if weights is None else weights
    root = tf.sqrt(weights)[:, None]
    centre = lambda matrix: root * (matrix - tf.tensordot(weights / tf.reduce_sum(weights), matrix, 1))
    design, values = centre(design), centre(values)
    if ridge:
        gram = tf.matmul(design, design, transpose_a=True) + ridge * tf.eye(design.shape[1])
        factor = tf.linalg.cholesky(gram)
        fitted = tf.matmul(design, tf.linalg.cholesky_solve(factor, tf.matmul(design, values, transpose_a=True)))
    else:
        basis, _ = tf.linalg.qr(design)
        fitted = tf.matmul(basis, tf.matmul(basis, values, transpose_a=True))
    return tf.reduce_sum(tf.square(values - fitted), axis=0), tf.reduce_sum(tf.square(values), axis=0)
