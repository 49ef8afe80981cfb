"""Noise on the inputs of a batch, for losses that compare a row with a changed one."""

import tensorflow as tf

from tf_xai.core import checks, places, random, trees


def uniform(loss, score, batch):
    """Draws from (0, 1), anew at every step: a tree like the inputs, zeros for what is not floating."""
    leaves, place = trees.leaves(batch.inputs), places.find(score, batch.inputs)
    numbers = {i for i, leaf in enumerate(leaves) if trees.is_float(leaf)}
    if not numbers or (place is not None and numbers.intersection(place.ids)):
        raise ValueError(
            f"`{type(loss).__name__}` changes floating inputs, and those of shape {checks.shapes(batch.inputs)} are "
            "token ids, integers or booleans. For token ids, train the model from the output of its embedding on. Pass "
            "floats (`x.astype('float32')`) where integers are quantities."
        )
    draw = lambda i, x: tf.cast(random.uniform(random.fold(batch.seed, i), tf.shape(x)), x.dtype)
    return trees.pack(batch.inputs, [draw(i, x) if i in numbers else trees.zeros_like(x) for i, x in enumerate(leaves)])
