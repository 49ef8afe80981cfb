"""The order of features by their attributions."""

import tensorflow as tf

from tf_xai.core import regions, trees


def pooled(attributions, inputs):
    """The attributions of all floating inputs, where the channels of a pixel go together, by their sum.

    Args:
        attributions: Tree like `inputs`, or that broadcasts to it.
        inputs: Tensor or nested tensors, each `(batch, ...)`.

    Returns: A list of leaves `(batch, ...)`, that broadcast to the floating inputs.
    """
    return [
        tf.reduce_sum(a, axis=-1, keepdims=True) if x.shape.rank > 3 else a
        for a, x in zip(trees.leaves(attributions), trees.leaves(inputs), strict=True)
        if trees.is_float(x)
    ]


def side_by_side(leaves):
    """Leaves `(batch, ...)` as one `(batch, columns)`, float32."""
    return tf.concat([tf.reshape(tf.cast(a, tf.float32), [tf.shape(a)[0], -1]) for a in leaves], axis=1)


def descending(attributions, inputs, choice=None):
    """The place of every feature, the largest attribution first, as leaves that broadcast to the inputs; their number.

    All floating leaves share one order; in images the channels of a pixel go together, by their sum. What is not
    floating has no rank: None.

    Args:
        attributions: Tree like `inputs`, or that broadcasts to it.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        choice: Regions that go together, by the sum of their attributions, see `core.regions`; None takes every
            feature for itself.

    Returns: Leaves of integers, and how many there are to every row: a scalar, or `(batch,)`.
    """
    if choice is not None:
        return _of_regions(attributions, inputs, choice)
    leaves = pooled(attributions, inputs)
    ranks = _ranks(side_by_side(leaves))
    parts = iter(tf.split(ranks, [tf.reduce_prod(tf.shape(a)[1:]) for a in leaves], axis=1, num=len(leaves)))
    shapes = iter(leaves)
    shaped = [
        tf.reshape(next(parts), tf.shape(next(shapes))) if trees.is_float(x) else None for x in trees.leaves(inputs)
    ]
    return shaped, tf.shape(ranks)[1]


def _of_regions(attributions, inputs, choice):
    players = regions.resolve(choice, inputs)
    there = regions.sizes(players, inputs) > 0
    # Players that a row lacks come last.
    ranks = _ranks(tf.where(there, regions.collect(attributions, players, inputs), float("-inf")))
    count = tf.reduce_sum(tf.cast(there, tf.int32), axis=1)

    def leaf(labels):
        own = tf.broadcast_to(labels, tf.concat([tf.shape(ranks)[:1], tf.shape(labels)[1:]], 0))
        return tf.gather(ranks, own, axis=1, batch_dims=1)

    return [None if labels is None else leaf(labels) for labels in players.labels], count


def _ranks(values):
    order = tf.argsort(values, axis=1, direction="DESCENDING", stable=True)
    return tf.argsort(order, axis=1, stable=True)
