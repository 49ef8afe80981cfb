"""Local linear surrogates: variants of every row, and weighted least-squares fits of the score there.

Where the design is the same for all rows, the fit for a whole batch is one factorisation (`fit`); otherwise the
moments of all rows are gathered in one pass over the samples, and solved together (`moments`, `solve`).
"""

import tensorflow as tf

from tf_xai.core import trees
from tf_xai.core.variants import fold


def perturbed(inputs, players, noise):
    """A variant function: variant `k` adds `noise[k]`, `(players,)`, to the features of every row."""

    def variant(k):
        moves = tf.gather(noise, k)

        def leaf(x, numbers):
            if numbers is None:
                return trees.repeat(x, tf.shape(k)[0])
            return x[None] + tf.cast(tf.gather(moves, numbers, axis=1), x.dtype)

        moved = [leaf(x, numbers) for x, numbers in zip(trees.leaves(inputs), players.labels, strict=True)]
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
    design, values = _centred(design, values, weights)
    if ridge:
        gram = tf.matmul(design, design, transpose_a=True) + ridge * tf.eye(design.shape[1])
        factor = tf.linalg.cholesky(gram)
        fitted = tf.matmul(design, tf.linalg.cholesky_solve(factor, tf.matmul(design, values, transpose_a=True)))
    else:
        basis, _ = tf.linalg.qr(design)
        fitted = tf.matmul(basis, tf.matmul(basis, values, transpose_a=True))
    return tf.reduce_sum(tf.square(values - fitted), axis=0), tf.reduce_sum(tf.square(values), axis=0)


def coefficients(design, values):
    """The slopes of the least-squares fit with intercept: `(players, batch)`.

    Args:
        design: `(samples, players)`, of full rank with more samples than players.
        values: `(samples, batch)`.
    """
    design, values = _centred(design, values)
    basis, triangle = tf.linalg.qr(design)
    return tf.linalg.triangular_solve(triangle, tf.matmul(basis, values, transpose_a=True), lower=False)


def _centred(design, values, weights=None):
    """Both less their weighted means, times the roots of the weights."""
    weights = tf.ones(tf.shape(design)[:1]) if weights is None else weights
    root = tf.sqrt(weights)[:, None]
    centre = lambda matrix: root * (matrix - tf.tensordot(weights / tf.reduce_sum(weights), matrix, 1))
    return centre(design), centre(values)


def moments(moves, weigh, values, inputs, chunk=None):
    """Weighted covariances of players and score over the neighbours of every row: `(batch, players + 1, players + 1)`.

    Sums, not means; the score comes last. The row itself takes part with weight one: nothing has moved there.

    Args:
        moves: Function of indices `(count,)` to what the surrogate sees of those neighbours, less what it sees of the
            row itself: `(batch or 1, count, players)`.
        weigh: Function of moves to their weights, `(batch or 1, count)`.
        values: `(samples, batch)`, the score of the neighbours less that of the row itself.
        inputs: The batch, which bounds the memory.
        chunk: Neighbours that are added at once; None bounds the memory.
    """

    def add(k, live, sums):
        move, value = moves(k), tf.transpose(tf.gather(values, k))[..., None]
        weight = weigh(move) * tf.cast(live, tf.float32)
        move = tf.broadcast_to(move, tf.concat([tf.shape(value)[:2], tf.shape(move)[2:]], 0))
        seen = tf.concat([tf.ones_like(value), move, value], axis=-1)
        return sums + tf.matmul(seen, weight[..., None] * seen, transpose_a=True)

    width = moves(tf.range(1)).shape[-1] + 2
    itself = tf.linalg.diag(tf.one_hot([0], width))
    sums = fold(add, tf.repeat(itself, tf.shape(values)[1], axis=0), values.shape[0], inputs, chunk)
    first = sums[:, :1, 1:]
    return sums[:, 1:, 1:] - tf.matmul(first, first, transpose_a=True) / sums[:, :1, :1]


def solve(covariances, ridge, kept=1.0):
    """The coefficients of the ridge regression and its weighted R2: `(batch, players)` and `(batch,)`.

    Args:
        covariances: Of `moments`.
        ridge: Penalty on the squared coefficients; the intercept is free.
        kept: `(batch, players)`, ones for the players that take part and zeros for the others.
    """
    gram, cross, total = covariances[:, :-1, :-1], covariances[:, :-1, -1], covariances[:, -1, -1]
    # A player that never moves has nothing to tell. The one on its diagonal keeps the matrix regular.
    kept = kept * tf.cast(tf.linalg.diag_part(gram) > 0, tf.float32)
    gram, cross = gram * kept[:, :, None] * kept[:, None], cross * kept
    factor = tf.linalg.cholesky(gram + tf.linalg.diag(ridge + 1 - kept))
    coefficients = tf.linalg.cholesky_solve(factor, cross[..., None])[..., 0]
    fitted = tf.reduce_sum(coefficients * (2 * cross - tf.linalg.matvec(gram, coefficients)), axis=1)
    return coefficients, fitted / total


def forward_selection(covariances, count):
    """The players that are added one after the other, each for the largest gain in R2: `(batch, players)` of 0 and 1.

    Every step sweeps the player out of the covariances, so that they are those of what is left.
    """
    start = tf.linalg.diag_part(covariances)[:, :-1]
    kept = tf.zeros_like(start)
    for _ in range(count):
        own, cross = tf.linalg.diag_part(covariances)[:, :-1], covariances[:, :-1, -1]
        fresh = (kept == 0) & (own > 1e-6 * start)
        gain = tf.where(fresh, tf.math.divide_no_nan(tf.square(cross), own), -1.0)
        best = tf.argmax(gain, axis=1, output_type=tf.int32)
        column = tf.gather(covariances, best, axis=2, batch_dims=1)
        pivot = tf.gather(own, best, axis=1, batch_dims=1)[:, None, None]
        covariances -= tf.math.divide_no_nan(column[:, :, None] * column[:, None], pivot)
        kept = tf.maximum(kept, tf.one_hot(best, kept.shape[1]))
    return kept


def highest_weights(covariances, count, instance):
    """The players with the largest share in a nearly unpenalised surrogate: `(batch, players)` of 0 and 1.

    Args:
        instance: `(batch or 1, players)`, what the surrogate sees of the row itself.
    """
    coefficients, _ = solve(covariances, ridge=0.01)
    best = tf.math.top_k(tf.abs(coefficients * instance), count).indices
    return tf.reduce_sum(tf.one_hot(best, coefficients.shape[1]), axis=1)
