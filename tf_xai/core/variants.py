"""The only chunking loop: many variants of a batch, `chunk` of them in one forward pass.

A variant function takes indices `k`, `(chunk,)`, and returns the inputs of those variants, leaves
`(chunk, batch, ...)`. Chunks are of equal size; where they do not divide the count, the last one repeats the last
variant with weight zero.
"""

import tensorflow as tf

from tf_xai.core import checks, trees

# Input elements in one forward pass: enough to keep the cores busy, little enough to keep memory bounded.
ELEMENTS = 2**21

# As `chunk`: every variant in one forward pass.
ALL = 2**31 - 1


def sum_variants(fn, variant, weights, inputs, target=None, chunk=None, like=None):
    """`sum_k weights[k] * fn(variant(k), target)`.

    Args:
        fn: Function of inputs and target, each with `rows` rows, to a tree with leaves `(rows, ...)`.
        variant: Function of indices `(chunk,)` to inputs with leaves `(chunk, batch, ...)`.
        weights: `(count,)`.
        inputs: The batch that is varied.
        target: `(batch,)` or `(batch, classes)`, or None.
        chunk: Variants in one forward pass; None bounds the memory.
        like: Tree in the structure and shapes of the result; `inputs` where None.

    Returns: Tree of float32 leaves `(batch, ...)`.
    """
    weights = tf.convert_to_tensor(weights, tf.float32)
    count = weights.shape[0] if weights.shape[0] is not None else tf.shape(weights)[0]

    def accumulate(k, live, total):
        size = _length(k)
        values = trees.split(fn(trees.merge(variant(k)), tile(target, size)), size)
        weight = tf.gather(weights, k) * tf.cast(live, tf.float32)
        return trees.map_leaves(lambda t, v: t + tf.tensordot(weight, v, 1), total, values)

    zeros = trees.map_leaves(lambda x: tf.zeros(tf.shape(x)), inputs if like is None else like)
    return fold(accumulate, zeros, count, inputs, chunk)


def map_variants(fn, variant, count, inputs, target=None, chunk=None):
    """`fn(variant(k), target)` for every k below `count`, where `fn` returns one number per row: `(count, batch)`."""

    def append(k, live, results):
        size = _length(k)
        values = tf.reshape(fn(trees.merge(variant(k)), tile(target, size)), [size, -1])
        # The repeats of the last variant carry its own value, so writing them twice does no harm.
        return tf.tensor_scatter_nd_update(results, k[:, None], values)

    start = tf.zeros([count, trees.batch_size(inputs)])
    # While one chunk is evaluated, the next one is built: that keeps the cores busy, and two of them without
    # gradients hold no more memory than one with.
    return fold(append, start, count, inputs, chunk, at_once=2)


def fold(step, state, count, inputs, chunk=None, at_once=1):
    """`step(indices, live, state) -> state` over all indices below `count`, chunk after chunk.

    Indices that are not `live` repeat the last one, and are to count for nothing. So many chunks are `at_once` in
    memory.
    """
    chunk = _chunk(chunk, count, inputs)
    if isinstance(chunk, int) and isinstance(count, int) and chunk >= count:
        return step(tf.range(count), tf.ones([count], tf.bool), state)
    parts = -(-count // chunk)
    size = -(-count // parts)

    def body(part, state):
        k = part * size + tf.range(size)
        return part + 1, step(tf.minimum(k, count - 1), k < count, state)

    more, start = lambda part, _: part < parts, (tf.constant(0), state)
    return tf.while_loop(more, body, start, parallel_iterations=at_once, maximum_iterations=parts)[1]


def _chunk(chunk, count, inputs):
    """The chunk asked for, or as many variants as stay within `ELEMENTS`."""
    return least(capacity(inputs, chunk), count)


def capacity(inputs, chunk=None):
    """The variants of a batch in one pass: `chunk`, or as many as stay within `ELEMENTS`, at least one."""
    if chunk is not None:
        if not tf.is_tensor(chunk):
            checks.positive("chunk", chunk)
        return chunk
    batch = trees.batch_size(inputs)
    rows = max(1, ELEMENTS // max(1, trees.row_size(inputs)))
    return max(1, rows // max(1, batch)) if isinstance(batch, int) else tf.maximum(1, rows // tf.maximum(batch, 1))


def least(number, other):
    """The smaller of two numbers, each known now or at run time only."""
    return min(number, other) if isinstance(number, int) and isinstance(other, int) else tf.minimum(number, other)


def _length(k):
    return k.shape[0] if k.shape[0] is not None else tf.shape(k)[0]


def tile(target, count):
    """The target of the batch, repeated for every variant of a chunk."""
    return None if target is None else trees.merge(trees.repeat(target, count))
