"""How much work an explanation is, in passes of the model."""

from functools import wraps

import tensorflow as tf

from tf_xai.core import trees
from tf_xai.core.capture import patched

# Walks back by rules show in no gradient: one goes back from so many of the rows that went forward.
WALKS = {"deep_lift": 0.5, "lrp": 1.0}


def count(bound, inputs, target):
    """Rows that go forward through the model, and back from its outputs, while a bound explainer explains a batch.

    Runs it once, without a graph around it. Draws that all rows share go through once.

    Args:
        bound: The bound explainer.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` integer classes or weights of the outputs.

    Returns: Two numbers, per row of the batch: 16 and 16 for integrated gradients of 16 steps. A pass back that stops
        at a layer counts in full, and so does what fills up a last chunk.
    """
    forward, back = [], []

    def wrap(layer, call):
        @wraps(call)
        def counted(*args, **kwargs):
            outputs = call(*args, **kwargs)
            _note(forward, trees.leaves(outputs)[0])
            # Of several outputs one is explained.
            return trees.map_leaves(lambda leaf: _noting_gradients(back, leaf), outputs)

        return counted

    with patched([bound.score.model], wrap):
        bound.attribute(inputs, target)
    rows = trees.batch_size(inputs)
    return sum(forward) / rows, (sum(back) + WALKS.get(bound.method, 0.0) * sum(forward)) / rows


def _note(rows, tensor):
    """Adds the rows of a tensor to a list: when they are computed, not when a graph is only looked at."""
    tf.py_function(lambda count: rows.append(int(count)), [tf.shape(tensor)[0]], [])


def _noting_gradients(rows, outputs):
    """Outputs as they are; a gradient that comes by adds its rows to a list."""

    @tf.custom_gradient
    def same(outputs):
        def slope(upstream):
            _note(rows, upstream)
            return upstream

        return tf.identity(outputs), slope

    return same(outputs)
