"""The neighbourhoods of LIME: what is drawn around the rows, and how a surrogate sees it.

The draws are the same for all rows. Those from a background do not even depend on the row, as in the lime package: one
forward pass of them serves all rows, and only the surrogate's view and the weights are a row's own.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_xai.core import random, trees
from tf_xai.core.score import Score
from tf_xai.core.variants import map_variants

# Keeps the normal distribution of a quartile defined where all its values are one.
NARROW = 1e-11


class Neighbours(NamedTuple):
    """Neighbours of a batch.

    Attributes:
        values: `(count, batch)`, their scores.
        moves: Function of indices `(some,)` to what the surrogate sees of those neighbours, less what it sees of the
            row itself: `(batch or 1, some, players)`.
        weigh: Function of moves and the width of the kernel to weights `(batch or 1, some)`.
        instance: `(batch or 1, players)`, what the surrogate sees of the row itself.
    """

    values: tf.Tensor
    moves: Callable
    weigh: Callable
    instance: tf.Tensor


def hidden(game, count, seed):
    """Some players are replaced by the baseline of the game; the surrogate sees which.

    Of images every second one is, as in lime_image; else as many as a uniform draw says, as in lime_text.
    """
    players = game.players.count
    draws = random.uniform(seed, (count, players))
    if any(trees.is_float(leaf) and leaf.shape.rank > 3 for leaf in trees.leaves(game.inputs)):
        shown = draws > 0.5
    else:
        many = tf.cast(random.uniform(random.fold(seed, 1), (count, 1)) * players, tf.int32)
        shown = tf.argsort(tf.argsort(draws)) < many
    moves = lambda k: tf.cast(tf.gather(shown, k), tf.float32)[None] - 1
    return Neighbours(game.values(shown), moves, cosine, tf.ones((1, players)))


def around(game, background, count, seed):
    """Normal noise around every row, as wide as the columns of the background; the surrogate sees it standardised."""
    rows = trees.columns(game.inputs)
    mean, scale = _scales(background)
    noise = random.normal(seed, (count, rows.shape[1]))
    draw = lambda k: rows + scale * tf.gather(noise, k)[:, None]
    moves = lambda k: tf.gather(noise, k)[None]
    return Neighbours(_values(game, draw, count), moves, euclidean, (rows - mean) / scale)


def normal(game, background, count, seed, weights=None):
    """Normal columns with the mean and width of the background's; the surrogate sees them standardised.

    Its rows may have weights, `(rows,)`.
    """
    mean, scale = _scales(background, weights)
    instance = (trees.columns(game.inputs) - mean) / scale
    noise = random.normal(seed, (count, mean.shape[0]))
    draw = lambda k: (mean + scale * tf.gather(noise, k))[:, None]
    moves = lambda k: tf.gather(noise, k) - instance[:, None]
    return Neighbours(_values(game, draw, count, shared=True), moves, euclidean, instance)


def quartiles(game, background, count, seed):
    """Every column by itself from one of its quartiles; the surrogate sees whether it is the row's own."""
    rows, known = trees.columns(game.inputs), trees.columns(background)
    edges = _percentiles(known, (25, 50, 75))
    parts = [_normal_of(known, _bin(known, edges) == number) for number in range(4)]
    frequency, mean, scale = (tf.stack(part) for part in zip(*parts, strict=True))
    low = tf.concat([tf.reduce_min(known, axis=0, keepdims=True), edges], axis=0)
    high = tf.concat([edges, tf.reduce_max(known, axis=0, keepdims=True)], axis=0)

    first, second = (random.uniform(random.fold(seed, part), (count, rows.shape[1])) for part in (0, 1))
    chosen, own = _bin(first, tf.cumsum(frequency)[:-1]), _bin(rows, edges)
    drawn = _truncated_normal(second, *(_pick(table, chosen) for table in (mean, scale, low, high)))
    draw = lambda k: tf.gather(drawn, k)[:, None]
    moves = lambda k: tf.cast(tf.gather(chosen, k) == own[:, None], tf.float32) - 1
    return Neighbours(_values(game, draw, count, shared=True), moves, euclidean, tf.ones_like(rows))


def euclidean(moves, width=None):
    """`sqrt(exp(-D^2 / width^2))`, with `D` the length of the move; 0.75 sqrt(players) wide, as lime_tabular."""
    width = 0.75 * moves.shape[-1] ** 0.5 if width is None else width
    return tf.exp(-tf.reduce_sum(tf.square(moves), axis=-1) / (2 * width**2))


def cosine(moves, width=None):
    """The same, with `D` the cosine distance from what is shown to the whole row; 0.25 wide, as lime_image."""
    width = 0.25 if width is None else width
    shown = 1 + tf.reduce_mean(moves, axis=-1)
    return tf.exp(-tf.square(1 - tf.sqrt(tf.maximum(shown, 0.0))) / (2 * width**2))


def as_inputs(values, inputs):
    """`(some, batch or 1, columns)` nested like inputs; leaves that are not floating point are those of the rows."""
    own = lambda v, x: tf.cast(v, x.dtype) if trees.is_float(x) else trees.repeat(x, tf.shape(values)[0])
    return trees.map_leaves(own, trees.of_columns(values, inputs), inputs)


def _values(game, draw, count, shared=False):
    """The scores of draws `(some, batch or 1, columns)`: `(count, batch)`.

    What all rows share is scored once: whatever their targets, the model gives all its outputs.
    """
    score, inputs, target = game.score, game.inputs, game.target
    if shared and isinstance(score, Score) and all(map(trees.is_float, trees.leaves(inputs))):
        scores = lambda z, _: _for_all(score.values(score.model(z, training=False)), target)
        return map_variants(scores, lambda k: as_inputs(draw(k), inputs), count, inputs, chunk=game.chunk)
    own = lambda z, x: tf.broadcast_to(z, tf.concat([tf.shape(z)[:1], tf.shape(x)], 0))
    variant = lambda k: trees.map_leaves(own, as_inputs(draw(k), inputs), inputs)
    return map_variants(score, variant, count, inputs, target, game.chunk)


def _for_all(values, target):
    """Outputs `(some, classes)`, narrowed to the target of every row: `(some, batch)`."""
    if target.shape.rank == 1:
        return tf.gather(values, target, axis=1)
    axes = list(range(1, values.shape.rank))
    return tf.tensordot(values, tf.cast(target, tf.float32), [axes, axes])


def _scales(background, weights=None):
    """Mean and standard deviation of every column; 1 for those that do not vary, to the resolution of float32."""
    values = trees.columns(background)
    weights = tf.ones(tf.shape(values)[:1]) if weights is None else weights
    mean = lambda columns: tf.math.divide_no_nan(tf.tensordot(weights, columns, 1), tf.reduce_sum(weights))
    centre = mean(values)
    scale = tf.sqrt(mean(tf.square(values - centre)))
    return centre, tf.where(scale > 1e-5 * tf.abs(centre), scale, 1.0)


def _percentiles(values, percents):
    """Of every column, interpolated linearly: `(len(percents), columns)`."""
    values = tf.sort(values, axis=0)
    last = tf.shape(values)[0] - 1
    place = tf.constant(percents, tf.float32) / 100 * tf.cast(last, tf.float32)
    below = tf.cast(place, tf.int32)
    low, high = tf.gather(values, below), tf.gather(values, tf.minimum(below + 1, last))
    return low + (place - tf.cast(below, tf.float32))[:, None] * (high - low)


def _bin(values, edges):
    """The number of the bin of every value: how many edges of its column lie below it."""
    return tf.add_n([tf.cast(values > edge, tf.int32) for edge in tf.unstack(edges)])


def _normal_of(values, inside):
    """Frequency, mean and standard deviation of the values inside a bin, of every column."""
    inside = tf.cast(inside, tf.float32)
    average = lambda part: tf.math.divide_no_nan(tf.reduce_sum(inside * part, 0), tf.reduce_sum(inside, 0))
    mean = average(values)
    return tf.reduce_mean(inside, axis=0), mean, tf.sqrt(average(tf.square(values - mean))) + NARROW


def _truncated_normal(uniform, mean, scale, low, high):
    """Draws between two bounds, by inversion."""
    below = lambda bound: 0.5 * tf.math.erfc((mean - bound) / scale * 0.5**0.5)
    drawn = mean + scale * tf.math.ndtri(below(low) + uniform * (below(high) - below(low)))
    return tf.clip_by_value(drawn, low, high)


def _pick(table, numbers):
    """`table[numbers[s, j], j]`."""
    return tf.transpose(tf.gather(tf.transpose(table), tf.transpose(numbers), batch_dims=1))
