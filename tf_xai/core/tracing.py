"""The one way in which functions are compiled."""

from functools import partial

import tensorflow as tf


def trace(function):
    """A traced function that serves every batch size.

    A partial, because TensorFlow counts retraces by code object, and would warn of those of other instances.
    """
    return tf.function(partial(function), autograph=False, reduce_retracing=True)
