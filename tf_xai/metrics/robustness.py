"""Metrics of how far attributions move when the inputs hardly do."""

import tensorflow as tf

from tf_xai.core import checks, random, trees
from tf_xai.core.variants import map_variants


def max_sensitivity(score, inputs, target, attributions, *, explain, radius=0.02, samples=10, seed=0, chunk=None):
    """How far attributions move within a small cube around the inputs, at most; lower is better.

        max_s |a(x + e_s) - a(x)| / |a(x)|,    e_s uniform in [-radius, radius]

    Args:
        score: Not used.
        inputs: Array, tensor or a nest of them, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs; the same for inputs that have moved.
        attributions: Tree, what `explain` gives for the inputs.
        explain: Callable `(inputs, target) -> attributions`, such as a bound explainer.
        radius: In units of the inputs.
        samples: Moved inputs of every row; the moves are the same for all rows.
        seed: Integer.
        chunk: Moves explained at once; None bounds the memory.

    Returns: `(batch,)`, 0 or more, a share of the size of the attributions; NaN where all are zero.
    Raises: ValueError where all inputs are integer or boolean, as token ids.
    Cost: `samples` explanations.

    Reference: Yeh et al., 2019, https://arxiv.org/abs/1901.09392
    """
    _check("max_sensitivity", inputs)
    apart, _ = _distances(inputs, target, attributions, explain, radius, samples, seed, chunk)
    size = tf.sqrt(trees.sum_features(trees.square(trees.tensors(attributions))))
    return tf.reduce_max(apart, axis=0) / size


def local_lipschitz(score, inputs, target, attributions, *, explain, radius=0.1, samples=10, seed=0, chunk=None):
    """How far attributions move within a small cube around the inputs, for the length of the way; lower is better.

        max_s |a(x + e_s) - a(x)| / |e_s|,    e_s uniform in [-radius, radius]

    Arguments and cost as for `max_sensitivity`.

    Returns: `(batch,)`, 0 or more, in units of attributions per unit of the inputs.

    Reference: Alvarez-Melis and Jaakkola, 2018, https://arxiv.org/abs/1806.08049
    """
    _check("local_lipschitz", inputs)
    apart, way = _distances(inputs, target, attributions, explain, radius, samples, seed, chunk)
    return tf.reduce_max(apart / way, axis=0)


def _check(name, inputs):
    """Raises where nothing can move."""
    if not any(trees.is_float(leaf) for leaf in trees.leaves(trees.tensors(inputs))):
        raise ValueError(
            f"`{name}` moves floating inputs a little, and there are none: token ids, integers and booleans can not be "
            f"moved. Received: inputs of shape {checks.shapes(inputs)}. Leave it out here, or pass floats "
            "(`x.astype('float32')`) where integers are quantities."
        )


def _distances(inputs, target, attributions, explain, radius, samples, seed, chunk):
    """How far apart attributions are after every move, and how long that was: two `(samples, batch)`."""
    inputs, attributions = trees.tensors(inputs), trees.tensors(attributions)

    def moves(k):
        """A move for every index, `(chunk, 1, ...)`; none of what is not floating."""

        def leaf(number, x):
            draw = lambda i: random.uniform(random.fold(random.fold(seed, number), i), tf.shape(x)[1:])
            shares = tf.map_fn(draw, k, fn_output_signature=tf.float32)
            return radius * (2 * shares[:, None] - 1) if trees.is_float(x) else tf.zeros_like(shares[:, None])

        return trees.pack(inputs, [leaf(*pair) for pair in enumerate(trees.leaves(inputs))])

    def variant(k):
        move = lambda x, e: x + tf.cast(e, x.dtype) if trees.is_float(x) else trees.repeat(x, tf.shape(k)[0])
        return trees.map_leaves(move, inputs, moves(k)), trees.map_leaves(
            lambda a: trees.repeat(a, tf.shape(k)[0]), attributions
        )

    def apart(moved, target):
        near, before = moved
        gaps = trees.map_leaves(lambda a, b: tf.square(a - b), explain(near, target), before)
        return tf.sqrt(trees.sum_features(gaps))

    way = tf.sqrt(trees.sum_features(trees.map_leaves(lambda e: tf.square(e[:, 0]), moves(tf.range(samples)))))
    return map_variants(apart, variant, samples, inputs, target, chunk), way[:, None]
