"""Linear maps along spatial axes: resizing, blurring, and what else is a matrix per axis."""

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


def average(leaf, length, axis):
    """A leaf with another length along an axis: every new cell is the mean of what it covers."""
    return along(leaf, _overlap(tf.shape(leaf)[axis], length), axis)


def blur(leaf, axes, scale):
    """A leaf blurred along these axes by a Gaussian, and the derivative of that by the scale.

    Args:
        leaf: Float tensor.
        axes: Integers.
        scale: The Gaussian's standard deviation, as a share of the length of an axis; 0 blurs nothing.
    """
    change = tf.zeros_like(leaf)
    for axis in axes:
        kernel, slope = _gaussian(tf.shape(leaf)[axis], scale)
        leaf, change = along(leaf, kernel, axis), along(leaf, slope, axis) + along(change, kernel, axis)
    return leaf, change


def along(leaf, matrix, axis):
    """Applies a matrix `(new, old)` along one axis."""
    moved = tf.tensordot(leaf, tf.cast(matrix, leaf.dtype), [[axis], [1]])  # the new axis comes out last
    return tf.transpose(moved, [*range(axis), leaf.shape.rank - 1, *range(axis, leaf.shape.rank - 1)])


def _gaussian(length, scale):
    """The matrix `(length, length)` of a blur, whose rows sum to one, and its derivative by the scale."""
    place, unit = tf.range(length, dtype=tf.float32), tf.cast(length, tf.float32)
    # At a twentieth of the distance between neighbours, the neighbours count for nothing in float32.
    width = tf.maximum(scale * unit, 0.05)
    squares = tf.square((place[:, None] - place) / width)
    kernel, slope = tf.nn.softmax(-0.5 * squares), squares / width * unit
    return kernel, kernel * (slope - tf.reduce_sum(kernel * slope, axis=1, keepdims=True))


def _interpolation(length, wanted):
    """The matrix `(wanted, length)` of linear interpolation."""
    ratio = tf.cast(length, tf.float32) / tf.cast(wanted, tf.float32)
    position = (tf.range(wanted, dtype=tf.float32) + 0.5) * ratio - 0.5
    position = tf.clip_by_value(position, 0.0, tf.cast(length - 1, tf.float32))
    return tf.maximum(0.0, 1.0 - tf.abs(position[:, None] - tf.range(length, dtype=tf.float32)))


def _overlap(length, wanted):
    """The matrix `(wanted, length)` of the shares that old cells have in every new one."""
    ratio = tf.cast(length, tf.float32) / tf.cast(wanted, tf.float32)
    start, old = ratio * tf.range(wanted, dtype=tf.float32)[:, None], tf.range(length, dtype=tf.float32)
    return tf.maximum(0.0, tf.minimum(start + ratio, old + 1) - tf.maximum(start, old)) / ratio
