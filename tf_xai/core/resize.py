"""Linear maps along spatial axes: resizing, and what else is a matrix per axis."""

import tensorflow as tf


def resize(maps, shape):
    """Maps `(batch, *spatial)` to `(batch, *shape)`, linear along every axis, with half-pixel centres.

    Args:
        maps: Float tensor.
        shape: The wanted lengths, a list of integers or a tensor `(axes,)`.
    """
    for axis in range(1, maps.shape.rank):
        maps = along(maps, _interpolation(tf.shape(maps)[axis], shape[axis - 1]), axis)
    return maps


def along(leaf, matrix, axis):
    """Applies a matrix `(new, old)` along one axis."""
    moved = tf.tensordot(leaf, tf.cast(matrix, leaf.dtype), [[axis], [1]])  # the new axis comes out last
    return tf.transpose(moved, [*range(axis), leaf.shape.rank - 1, *range(axis, leaf.shape.rank - 1)])


def _interpolation(length, wanted):
    """The matrix `(wanted, length)` of linear interpolation."""
    ratio = tf.cast(length, tf.float32) / tf.cast(wanted, tf.float32)
    position = (tf.range(wanted, dtype=tf.float32) + 0.5) * ratio - 0.5
    position = tf.clip_by_value(position, 0.0, tf.cast(length - 1, tf.float32))
    return tf.maximum(0.0, 1.0 - tf.abs(position[:, None] - tf.range(length, dtype=tf.float32)))
