"""Guided integrated gradients."""

import numpy as np
import tensorflow as tf

from tf_xai.core import baselines, checks, trees
from tf_xai.core.gradients import gradients
from tf_xai.core.score import resolve
from tf_xai.core.variants import fold


def guided_integrated_gradients(
    score, inputs, target=None, *, baseline="zeros", steps=200, fraction=0.25, distance=0.02
):
    """Integrates the gradient along a path on which the features with the smallest gradients go first.

        a_i = sum_k g_i(x_k) (x_{k+1,i} - x_{k,i}),    g = d score / d x,    x_0 = b,    x_K = x

    All steps are of one length, sum_i |x_{k+1,i} - x_{k,i}|, in a corridor around the straight path. Steep
    directions wait, so that noise on the way counts for less.

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Tensor or nested tensors, each `(batch, ...)`; the gradients of all their features are ranked together.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        baseline: See `core.baselines.resolve`.
        steps: Steps on the path, K.
        fraction: Share of the features that go at a time; 1 is the straight path.
        distance: How far features may run ahead of the straight path or fall behind it, as a share of its length.

    Returns: Tree like `inputs`, same shapes, float32; units: score.
    Raises: TypeError for integer inputs; ValueError for a baseline of another structure.
    Properties: completeness up to an error of order `1 / steps`; exact on linear models. Differentiable: the path is
        constant but where two gradients change order. Cost: `steps` forward and backward passes, one after another.

    >>> import tensorflow as tf
    >>> score = lambda x, target: x[:, 0] + 2 * x[:, 1]
    >>> guided_integrated_gradients(score, tf.constant([[2.0, 3.0]]), steps=10).numpy().round(3).tolist()
    [[2.0, 6.0]]

    Reference: Kapishnikov et al., 2021, https://arxiv.org/abs/2106.09788
    """
    checks.positive("steps", steps)
    _check_share("fraction", fraction)
    _check_share("distance", distance)
    target = resolve(score, inputs, target)
    start = baselines.resolve(baseline, inputs)
    delta = trees.subtract(inputs, start)
    length = trees.columns(delta, inputs)

    def step(k, live, state):
        place, values = state
        slope = trees.columns(gradients(score, _point(place, start, delta), target), inputs)
        straight = tf.cast(k + 1, tf.float32) / steps
        moved = _move(place, straight, tf.abs(length), tf.abs(slope), fraction, distance)
        return moved, values + slope * length * (moved - place)

    # One point at a time: where a step begins depends on the gradient of the one before.
    _, values = fold(step, (tf.zeros_like(length), tf.zeros_like(length)), steps, inputs, chunk=1)
    return trees.of_columns(values, inputs)


def _move(place, straight, length, steepness, fraction, distance):
    """One step: where every feature goes, as a share of its way from the baseline.

    Args:
        place: `(batch, features)`, where they are.
        straight: Where the straight path goes.
        length: `(batch, features)`, their whole ways.
        steepness: `(batch, features)`; the least goes first.
    """
    ahead = tf.minimum(straight + distance, 1.0)
    place = tf.maximum(place, straight - distance)
    room = length * (ahead - place)
    wanted = tf.reduce_sum(length * (straight - place), axis=1, keepdims=True)
    group, count = _groups(tf.where(room > 0, steepness, np.inf), fraction)
    rooms = tf.linalg.matvec(tf.one_hot(group, count), room, transpose_a=True)
    # Group after group goes all the way, until one goes the part that is still wanted.
    left = wanted - tf.cumsum(rooms, axis=1, exclusive=True)
    share = tf.gather(tf.clip_by_value(tf.math.divide_no_nan(left, rooms), 0.0, 1.0), group, batch_dims=1)
    return (1 - share) * place + share * ahead


def _groups(keys, fraction):
    """The number of every feature's group in the order of the keys, and how many groups there are.

    Each has a `fraction` of the features; equal keys stay together.
    """
    features = tf.shape(keys)[1]
    size = tf.cast(fraction * tf.cast(features - 1, tf.float32), tf.int32) + 1
    count = -(-features // size)
    last = tf.minimum(tf.range(1, count + 1) * size, features) - 1
    return tf.searchsorted(tf.gather(tf.sort(keys, axis=1), last, axis=1), keys), count


def _point(place, start, delta):
    """The inputs at these shares of their ways."""
    between = lambda share, s, d: s + tf.cast(share, s.dtype) * d if trees.is_float(s) else s
    return trees.map_leaves(between, trees.of_columns(place, start), start, delta)


def _check_share(argument, value):
    if not 0 < value <= 1:
        raise ValueError(f"`{argument}` must lie between 0 and 1. Received: {argument}={value!r}.")
