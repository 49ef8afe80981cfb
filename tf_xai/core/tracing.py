"""The one way in which functions are compiled."""

from functools import partial

import keras
import tensorflow as tf


class trace:
    """A traced function that serves every batch size.

    One trace for each combination of shapes of a row and dtypes: TensorFlow would relax different ones to an unknown
    shape, which regions and recurrent layers can not work with.
    """

    def __init__(self, function):
        self._function, self._traced = function, {}

    def __call__(self, *arguments, **changes):
        key = tuple(_kind(leaf) for leaf in keras.tree.flatten((arguments, changes)))
        if key not in self._traced:
            # A partial, because TensorFlow counts retraces by code object, and would warn of those of other instances.
            self._traced[key] = tf.function(partial(self._function), autograph=False, reduce_retracing=True)
        return self._traced[key](*arguments, **changes)

    def experimental_get_tracing_count(self):
        """How often the function was traced, as `tf.function` counts it."""
        return sum(traced.experimental_get_tracing_count() for traced in self._traced.values())


def _kind(leaf):
    return (len(leaf.shape), *leaf.shape[1:], str(leaf.dtype)) if hasattr(leaf, "shape") else type(leaf)
