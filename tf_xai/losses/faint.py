"""Ratios are the steeper the less there is to divide by: rows that the model is least sure of would lead a batch."""

import tensorflow as tf


def damped(penalty, size, counted):
    """The penalty, and its gradient times a row's size over the median of those counted, if that is below 1.

    Args:
        penalty: `(batch,)`, ratios.
        size: `(batch,)`, what they are divided by.
        counted: `(batch,)` booleans: which rows the median is of, if they have any size.
    """
    counted &= size > 0
    order = tf.sort(tf.where(counted, size, size.dtype.max))
    median = order[tf.maximum(tf.math.count_nonzero(counted, dtype=tf.int32) - 1, 0) // 2]
    pull = tf.stop_gradient(tf.minimum(size / median, 1.0))
    return pull * penalty + tf.stop_gradient((1 - pull) * penalty)
