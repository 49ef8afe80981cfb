"""Correlations and ranks, one per row."""

import tensorflow as tf


def pearson(a, b, weights=None):
    """Pearson's correlation along the last axis; NaN where one of both does not vary.

    Args:
        a, b: `(..., count)`.
        weights: Zero or more, broadcasts to them; None weighs all alike.
    """
    weights = tf.ones_like(a) if weights is None else tf.broadcast_to(weights, tf.shape(a))
    weights /= tf.reduce_sum(weights, axis=-1, keepdims=True)
    mean = lambda values: tf.reduce_sum(weights * values, axis=-1, keepdims=True)
    a, b = _standardised(a, mean), _standardised(b, mean)
    return mean(a * b)[..., 0]


def _standardised(values, mean):
    """With mean 0 and variance 1; NaN where nothing varies, to the resolution of float32."""
    centred = values - mean(values)
    spread = tf.sqrt(mean(tf.square(centred)))
    varies = spread > 1e-6 * tf.reduce_max(tf.abs(values), axis=-1, keepdims=True)
    return tf.where(varies, centred / tf.where(varies, spread, 1.0), float("nan"))


def spearman(a, b, weights=None):
    """Spearman's rank correlation along the last axis, ties at their mean rank; NaN where one of both is constant.

    What has weight zero has a rank nevertheless: the lowest or the highest ones, which moves all others alike.
    """
    return pearson(ranks(a), ranks(b), weights)


def ranks(values):
    """Ranks along the last axis from 1, the smallest first, ties at their mean rank: float32."""
    below, upto = places(values)
    return tf.cast(below + upto + 1, tf.float32) / 2


def places(values):
    """How many of the values `(..., count)` along the last axis are below each one, and how many below or equal."""
    flat = tf.reshape(values, [-1, tf.shape(values)[-1]])
    ordered = tf.sort(flat, axis=-1)
    find = lambda side: tf.reshape(tf.searchsorted(ordered, flat, side=side), tf.shape(values))
    return find("left"), find("right")


def entropy(values, bins=100):
    """The entropy of a histogram along the last axis, between the least and the largest value, in nats.

    Args:
        values: `(rows, count)`.
        bins: Of equal width.

    Returns: `(rows,)`, 0 where all are alike.
    """
    low, high = tf.reduce_min(values, 1, keepdims=True), tf.reduce_max(values, 1, keepdims=True)
    bin_of = tf.cast(tf.math.divide_no_nan(values - low, high - low) * bins, tf.int32)
    rows = tf.shape(values)[0]
    place = tf.minimum(bin_of, bins - 1) + bins * tf.range(rows)[:, None]
    counts = tf.reshape(tf.math.unsorted_segment_sum(tf.ones_like(values), place, rows * bins), [-1, bins])
    shares = counts / tf.cast(tf.shape(values)[1], tf.float32)
    return -tf.reduce_sum(tf.math.xlogy(shares, shares), axis=1)
