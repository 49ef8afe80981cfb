"""Random draws that depend on a seed and an index only: not on the batch, the chunk, the device or global state."""

import tensorflow as tf


def key(seed):
    """A stateless seed `(2,)`: of an int, always the same; of None, a fresh one; a tensor `(2,)` is taken as it is."""
    if seed is None:
        return tf.random.uniform((2,), maxval=tf.int32.max, dtype=tf.int32)
    seed = tf.convert_to_tensor(seed, tf.int32)
    return seed if seed.shape.rank else tf.stack([seed, 0])


def normal(seed, shape):
    """Standard normal, by inversion."""
    return tf.math.ndtri(uniform(seed, shape))


def uniform(seed, shape):
    """Uniform on (0, 1), both ends out.

    The bits are drawn and converted here: TensorFlow and XLA turn the same bits into different floats, and choose
    different algorithms where none is named.
    """
    bits = tf.random.stateless_uniform(shape, key(seed), None, None, tf.uint32, alg="philox")
    return (tf.cast(tf.bitwise.right_shift(bits, tf.constant(9, tf.uint32)), tf.float32) + 0.5) * 2.0**-23


def normals(seed, indices, shape):
    """One independent standard normal draw of `shape` for every index: `(len(indices), *shape)`."""
    # Hashed first: seeds of successive training steps differ by one, as those of successive indices do.
    seed = _hash(seed)
    return tf.map_fn(lambda k: normal(seed + k * tf.constant([0, 1]), shape), indices, fn_output_signature=tf.float32)


def permutation(seed, count):
    """The integers below `count` in random order."""
    return tf.argsort(uniform(seed, (count,)))


def fold(seed, number):
    """A new seed made of a seed and a number, for an independent stream; folds of folds are independent too."""
    return _hash(_hash(seed) + tf.constant([0, 1]) * number)


def _hash(seed):
    """A seed that has nothing in common with those next to it."""
    return tf.random.stateless_uniform((2,), key(seed), None, None, tf.int32, alg="philox")
