"""Arithmetic on nested inputs: one tensor, or dicts, lists and tuples of tensors with a shared batch axis.

Leaves that are not floating point (boolean masks) are carried along unchanged and get zero attributions.
"""

import keras
import tensorflow as tf

map_leaves = keras.tree.map_structure
leaves = keras.tree.flatten
pack = keras.tree.pack_sequence_as


def is_float(leaf):
    return tf.as_dtype(leaf.dtype).is_floating


def tensors(tree):
    """Arrays as tensors; tensors as they are."""
    return map_leaves(tf.convert_to_tensor, tree)


def batch_size(tree):
    """Rows in the batch: an int where the shape is static, else a scalar tensor."""
    first = leaves(tree)[0]
    return tf.shape(first)[0] if first.shape[0] is None else first.shape[0]


def row_size(tree):
    """Elements per row, all leaves together; an axis of unknown length counts as one."""
    return sum(tf.TensorShape([n or 1 for n in leaf.shape[1:]]).num_elements() for leaf in leaves(tree))


def zeros_like(tree):
    """Float zeros in the shape of every leaf."""
    return map_leaves(lambda x: tf.zeros(tf.shape(x), x.dtype if is_float(x) else tf.float32), tree)


def subtract(tree, other):
    return map_leaves(lambda x, y: x - y if is_float(x) else tf.zeros(tf.shape(x)), tree, other)


def multiply(tree, other):
    """In float32, as attributions are."""
    product = lambda x, y: tf.cast(x, tf.float32) * tf.cast(y, tf.float32)
    # What is no number, as strings, has none.
    return map_leaves(lambda x, y: tf.zeros(tf.shape(x)) if x.dtype == tf.string else product(x, y), tree, other)


def square(tree):
    return map_leaves(tf.square, tree)


def axpy(factors, tree, other):
    """`factors[k] * tree + other` for every k, as leaves `(count, batch, ...)`."""

    def leaf(x, y):
        y = repeat(y, tf.shape(factors)[0])
        return align(tf.cast(factors, x.dtype), x.shape.rank + 1) * x + y if is_float(y) else y

    return map_leaves(leaf, tree, other)


def repeat(leaf, count):
    """One leaf `(batch, ...)` as `(count, batch, ...)`."""
    return tf.broadcast_to(leaf, tf.concat([[count], tf.shape(leaf)], 0))


def align(factors, rank):
    """Appends axes of length one to `factors` until it has `rank` axes."""
    return tf.reshape(factors, tf.concat([tf.shape(factors), [1] * (rank - factors.shape.rank)], 0))


def merge(tree):
    """Leaves `(count, batch, ...)` to `(count * batch, ...)`."""
    return map_leaves(lambda x: tf.reshape(x, tf.concat([[-1], tf.shape(x)[2:]], 0)), tree)


def split(tree, count):
    """Leaves `(count * batch, ...)` to `(count, batch, ...)`."""
    return map_leaves(lambda x: tf.reshape(x, tf.concat([[count, -1], tf.shape(x)[1:]], 0)), tree)


def take(tree, rows):
    """The rows with these indices."""
    return map_leaves(lambda x: tf.gather(x, rows), tree)


def nonempty(tree, value=0):
    """The tree, with one row of this value where a replica has no rows at all: the last batch may not go round."""
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return tree

    def leaf(x):
        if not x.shape.rank:
            return x
        missing, filling = tf.maximum(1 - tf.shape(x)[0], 0), "" if x.dtype == tf.string else tf.cast(value, x.dtype)
        return tf.pad(x, [[0, missing]] + [[0, 0]] * (x.shape.rank - 1), constant_values=filling)

    return map_leaves(leaf, tree)


def columns(tree, inputs=None):
    """The features of all floating leaves side by side: `(batch, columns)`, float32.

    Of a tree like `inputs`, those that are floating there.
    """
    pairs = zip(leaves(tree), leaves(tree if inputs is None else inputs), strict=True)
    row = lambda leaf, x: tf.reshape(tf.cast(leaf, tf.float32), [tf.shape(leaf)[0], _features(x)])
    return tf.concat([row(leaf, x) for leaf, x in pairs if is_float(x)], axis=1)


def of_columns(values, inputs):
    """The inverse, with any axes before the columns: a tree like `inputs`, zeros for what is not floating."""
    floats, rows = [leaf for leaf in leaves(inputs) if is_float(leaf)], tf.shape(values)[:-1]
    parts = iter(tf.split(values, [_features(leaf) for leaf in floats], axis=-1, num=len(floats)))
    shaped = lambda x: tf.reshape(next(parts), tf.concat([rows, tf.shape(x)[1:]], 0)) if is_float(x) else zeros_like(x)
    return pack(inputs, [shaped(leaf) for leaf in leaves(inputs)])


def _features(leaf):
    """How many numbers a row has: an int where the shape is static, else a scalar tensor."""
    static = tf.TensorShape(leaf.shape)[1:].num_elements()
    return tf.reduce_prod(tf.shape(leaf)[1:]) if static is None else static


def sum_features(tree):
    """Sum over everything but the batch axis and over all leaves: `(batch,)`, float32."""
    flat = [tf.reshape(tf.cast(x, tf.float32), [tf.shape(x)[0], -1]) for x in leaves(tree)]
    return tf.add_n([tf.reduce_sum(x, axis=1) for x in flat])


def length(vectors, axis):
    """The Euclidean norm; its gradient is zero, not undefined, where the vector is."""
    square = tf.reduce_sum(tf.square(vectors), axis)
    return tf.where(square > 0, tf.sqrt(tf.where(square > 0, square, 1.0)), 0.0)
