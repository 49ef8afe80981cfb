"""The order of features by their attributions."""

import tensorflow as tf

from tf_xai.core import trees


def descending(attributions, inputs):
    """The place of every feature, the largest attribution first, as leaves that broadcast to the inputs; their number.

    All floating leaves share one order; in images the channels of a pixel go together, by their sum. What is not
    floating has no rank: None.

    Args:
        attributions: Tree like `inputs`, or that broadcasts to it.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
    """
    pooled = [
        tf.reduce_sum(a, axis=-1, keepdims=True) if x.shape.rank > 3 else a
        for a, x in zip(trees.leaves(attributions), trees.leaves(inputs), strict=True)
        if trees.is_float(x)
    ]
    flat = tf.concat([tf.reshape(a, [tf.shape(a)[0], -1]) for a in pooled], axis=1)
    order = tf.argsort(flat, axis=1, direction="DESCENDING", stable=True)
    ranks = tf.argsort(order, axis=1, stable=True)
    parts = iter(tf.split(ranks, [tf.reduce_prod(tf.shape(a)[1:]) for a in pooled], axis=1, num=len(pooled)))
    shapes = iter(pooled)
    shaped = [
        tf.reshape(next(parts), tf.shape(next(shapes))) if trees.is_float(x) else None for x in trees.leaves(inputs)
    ]
    return shaped, tf.shape(flat)[1]
