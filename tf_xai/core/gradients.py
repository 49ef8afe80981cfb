"""Gradients of a score: the only GradientTape of the package.

Scores are summed over the batch, never averaged (an average would underflow in float16), and gradients are float32.
All of it can be differentiated again.
"""

import threading
import warnings
from contextlib import contextmanager

import tensorflow as tf

from tf_xai.core import checks, trees


def gradients(score, inputs, target=None):
    """`d score / d inputs`: a tree like `inputs`."""
    one, forward = tf.ones([]), _THREAD.forward
    if forward is not None:
        forward.tape.watch(one)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        watched = floats(inputs)
        tape.watch(watched)
        total = tf.reduce_sum(score(inputs, target))
    slopes = tape.gradient(total, watched, output_gradients=tf.cast(one, total.dtype))
    return fill(slopes if forward is None else forward.constants(slopes, one), inputs)


class _Forward:
    """The gradients taken during `by_forward_mode`, as functions of the `one` they start from and as constants."""

    def __init__(self):
        self.tape = tf.GradientTape(persistent=True, watch_accessed_variables=False)
        self.ones, self.slopes, self.fixed = [], [], []
        self._graph = tf.compat.v1.get_default_graph()

    def constants(self, slopes, one):
        if tf.compat.v1.get_default_graph() is not self._graph:
            raise ValueError(
                "`second_order='forward'` does not work for attributions that are computed in a loop, point after "
                "point. Pass `second_order='reverse'`, or a larger `chunk=` to the explainer."
            )
        slopes = [None if slope is None else tf.convert_to_tensor(slope) for slope in slopes]
        fixed = [None if slope is None else tf.stop_gradient(slope) for slope in slopes]
        self.ones.append(one)
        self.slopes += [slope for slope in slopes if slope is not None]
        self.fixed += [slope for slope in fixed if slope is not None]
        self.tape.watch(self.fixed)
        return fixed


class _Thread(threading.local):
    """A replica is a thread."""

    forward = None


_THREAD = _Thread()


def by_forward_mode(penalty):
    """A penalty on `gradients`, whose own gradient is taken by reverse over forward mode.

        d penalty / d weights = d <v, g> / d weights,    g = d score / d inputs,    v = d penalty / d g, held fixed

    `<v, g>` is the derivative of the score in a direction. A reverse pass is linear in the `1` it starts from, and the
    derivative of `<v, g>` by it is a forward-mode pass, which takes the place of the second reverse pass. (TensorFlow's
    ForwardAccumulator calls a function for every operation; XLA would compile them anew whenever weights change.)
    The value and its gradient are the same, if no gradient is taken at a point that depends on another one.

    Args:
        penalty: Function without arguments that returns a scalar first, and whatever else.
    """
    _THREAD.forward = forward = _Forward()
    try:
        with forward.tape as tape:
            value, *rest = penalty()
    finally:
        _THREAD.forward = None
    directions = tape.gradient(value, forward.fixed, unconnected_gradients="zero")
    with tape:
        parts = [tf.stop_gradient(v) * g for v, g in zip(directions, forward.slopes, strict=True)]
        total = tf.add_n([tf.zeros([]), *(tf.reduce_sum(tf.cast(part, tf.float32)) for part in parts)])
    for along in tape.gradient(total, forward.ones, unconnected_gradients="zero"):
        value += along - tf.stop_gradient(along)
    return value, *rest


@contextmanager
def fixed():
    """Gradients in here are constants to a penalty: nothing is prepared for differentiating them once more."""
    forward, _THREAD.forward = _THREAD.forward, None
    try:
        yield
    finally:
        _THREAD.forward = forward


def layer_gradients(score, observing, inputs, target, choose):
    """Activations in a model and `d score / d activations`, both float32.

    Args:
        observing: Function of `record` to a context in which a forward pass calls `record(tensors)`.
        choose: Function of what was recorded, in this order, to the activations that come into question. The last of
            these that the score depends on are taken.
    """
    recorded = []
    tape = tf.GradientTape(persistent=True, watch_accessed_variables=False)

    def record(tensors):
        tape.watch([tensor for tensor in trees.leaves(tensors) if trees.is_float(tensor)])
        recorded.append(tensors)

    with tape, observing(record):
        total = tf.reduce_sum(score(inputs, target))
    candidates = choose(recorded)
    for activations in reversed(candidates):
        slopes = tape.gradient(total, activations)
        if slopes is not None:
            return tf.cast(activations, tf.float32), tf.cast(tf.convert_to_tensor(slopes), tf.float32)
    raise ValueError(
        f"The score does not depend on the layer: activations of shape {tuple(candidates[-1].shape)}. Pass a layer on "
        "the way to the explained output."
    )


def inner_gradients(score, observing, inputs, target, choose):
    """What is seen in a model during a forward pass, and `d score / d tensors` of all the tensors chosen from it.

    Args:
        observing: Function of `watch` to a context that collects what it sees, and watches what leads there.
        choose: Function of what was seen to a list of tensors.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape, observing(tape.watch) as seen:
        total = tf.reduce_sum(score(inputs, target))
    slopes = tape.gradient(total, choose(seen), unconnected_gradients="zero")
    return seen, [tf.cast(tf.convert_to_tensor(slope), tf.float32) for slope in slopes]


class SharedPass:
    """A forward pass of a model that task loss and explanation losses share: its gradients need no second one."""

    def __init__(self, model, inputs, training):
        self.inputs = inputs
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as self._tape:
            self._watched = floats(inputs)
            self._tape.watch(self._watched)
            self.outputs = model(inputs, training=training)

    def gradients(self, score, target=None):
        """`d score / d inputs`, where `score` is a `Score` of the same model."""
        with self._tape:
            total = tf.reduce_sum(score.of(self.outputs, target))
        return fill(self._tape.gradient(total, self._watched), self.inputs)


def gradients_of_each(losses, weights):
    """The gradients of several losses of one forward pass.

    Args:
        losses: Function without arguments that returns whatever the caller wants back, and the losses last.
        weights: Function without arguments that returns variables, once the losses have been computed.

    Returns: All but the losses, and for every loss a list of tensors, zeros where it does not depend on a weight.
    """
    with tf.GradientTape(persistent=True) as tape:
        *rest, each = losses()
        each, weights = list(each), weights()
    # Not `unconnected_gradients="zero"`: TensorFlow makes no zeros for the variables of Keras.
    filled = lambda slope, weight: tf.zeros_like(weight) if slope is None else tf.convert_to_tensor(slope)
    return rest, [list(map(filled, tape.gradient(loss, weights), weights)) for loss in each]


def with_gradient(value, weights, gradient):
    """A value whose gradient is known: a list of tensors, one for every weight."""

    @tf.custom_gradient
    def known(value, *_):
        return tf.identity(value), lambda upstream: (tf.zeros_like(upstream), *(upstream * slope for slope in gradient))

    return known(tf.stop_gradient(value), *map(tf.convert_to_tensor, weights))


def floats(inputs):
    """The leaves that have a gradient; others are held fixed."""
    checks.some_floats(inputs)
    return [leaf for leaf in trees.leaves(inputs) if trees.is_float(leaf)]


def fill(slopes, inputs):
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
