"""Linear maps along spatial axes: resizing, and what else is a matrix per axis."""

import numpy as np
import tensorflow as tf


def resize(maps, shape):
    """Maps `(batch, *spatial)` to `(batch, *shape)`, linear along every axis, with half-pixel centres."""
    for axis, (length, wanted) in enumerate(zip(maps.shape[1:], shape, strict=True), start=1):
        if length == wanted:
            continue
        if length is None or wanted is None:
            raise ValueError(
                f"Maps of unknown length can not be resized. Received: {tuple(maps.shape)} to {tuple(shape)}. "
                "Pass `resize=False` for the maps as the layer has them, or inputs of known shape."
            )
        maps = along(maps, _interpolation(length, wanted), axis)
    return maps


def along(leaf, matrix, axis):
    """Applies a matrix `(new, old)` along one axis."""
    moved = tf.tensordot(leaf, tf.constant(matrix, leaf.dtype), [[axis], [1]])  # the new axis comes out last
    return tf.transpose(moved, [*range(axis), leaf.shape.rank - 1, *range(axis, leaf.shape.rank - 1)])


def _interpolation(length, wanted):
    """The matrix `(wanted, length)` of linear interpolation."""
    position = np.clip((np.arange(wanted) + 0.5) * length / wanted - 0.5, 0, length - 1)
    return np.maximum(0, 1 - np.abs(position[:, None] - np.arange(length)))
