"""Gradients of a score: the only GradientTape of the package.

Scores are summed over the batch, never averaged (an average would underflow in float16), and gradients are float32.
All of it can be differentiated again.
"""

import warnings

import tensorflow as tf

from tf_xai.core import trees
from tf_xai.core.capture import capture


def gradients(score, inputs, target=None):
    """`d score / d inputs`: a tree like `inputs`."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        watched = _watch(tape, inputs)
        total = tf.reduce_sum(score(inputs, target))
    return _fill(tape.gradient(total, watched), inputs)


def layer_gradients(score, layers, inputs, target, choose):
    """Activations of a layer and `d score / d activations`, both float32.

    Args:
        layers: The layers to observe.
        choose: Function of what they put out, in the order of their calls, to the activations that come into question.
            The last of these that the score depends on are taken.
    """
    outputs = []
    tape = tf.GradientTape(persistent=True, watch_accessed_variables=False)

    def record(output):
        tape.watch(trees.leaves(output))
        outputs.append(output)

    with tape, capture(layers, record):
        total = tf.reduce_sum(score(inputs, target))
    candidates = choose(outputs)
    for activations in reversed(candidates):
        slopes = tape.gradient(total, activations)
        if slopes is not None:
            return tf.cast(activations, tf.float32), tf.cast(slopes, tf.float32)
    raise ValueError(
        f"The score does not depend on the layer: activations of shape {tuple(candidates[-1].shape)}. Pass a layer on "
        "the way to the explained output."
    )


class SharedPass:
    """A forward pass of a model that task loss and explanation losses share: its gradients need no second one."""

    def __init__(self, model, inputs, training):
        self.inputs = inputs
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as self._tape:
            self._watched = _watch(self._tape, inputs)
            self.outputs = model(inputs, training=training)

    def gradients(self, score, target=None):
        """`d score / d inputs`, where `score` is a `Score` of the same model."""
        with self._tape:
            total = tf.reduce_sum(score.of(self.outputs, target))
        return _fill(self._tape.gradient(total, self._watched), self.inputs)


def _watch(tape, inputs):
    """Watches the floating leaves and returns them. Others are held fixed, with a warning for integers."""
    integers = [leaf for leaf in trees.leaves(inputs) if tf.as_dtype(leaf.dtype).is_integer]
    watched = [leaf for leaf in trees.leaves(inputs) if trees.is_float(leaf)]
    if integers:
        message = (
            f"Integer inputs have no gradient. Received: {integers[0].dtype.name} of shape "
            f"{tuple(integers[0].shape)}. Pass floats (`x.astype('float32')`) where the numbers are quantities and "
            "booleans where they are a mask; for token ids, explain the model from the output of its embedding on."
        )
        if not watched:
            raise TypeError(message)
        warnings.warn(f"{message} Here they are held fixed, and their attributions are zero.", stacklevel=2)
    tape.watch(watched)
    return watched


def _fill(slopes, inputs):
    """Gradients of the floating leaves as a tree like `inputs`: zeros where a leaf has none, with a warning."""
    slopes = iter(slopes)
    pairs = [(leaf, next(slopes) if trees.is_float(leaf) else None) for leaf in trees.leaves(inputs)]
    missing = [leaf for leaf, slope in pairs if slope is None and trees.is_float(leaf)]
    if missing:
        warnings.warn(
            f"The score does not depend on the input of shape {tuple(missing[0].shape)}: its gradient is zero. Check "
            "that the model uses it, and that no layer between rounds, casts to integers or stops the gradient.",
            stacklevel=2,
        )
    filled = [trees.zeros_like(leaf) if slope is None else tf.cast(slope, tf.float32) for leaf, slope in pairs]
    return trees.pack(inputs, filled)
