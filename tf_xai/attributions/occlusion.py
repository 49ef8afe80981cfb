"""Occlusion: what the score loses when a window is covered."""

from math import prod

import numpy as np
import tensorflow as tf

from tf_xai.core import baselines, checks, trees
from tf_xai.core.resize import along
from tf_xai.core.score import resolve
from tf_xai.core.variants import map_variants


def occlusion(score, inputs, target=None, *, baseline="zeros", window=None, stride=None, chunk=None):
    """Slides a window over the input and averages the loss of score over the windows that cover a feature.

        a_i = mean over windows W with i in W of score(x) - score(x with b in W)

    Several inputs are covered one at a time.

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        baseline: What covers, see `core.baselines.resolve`.
        window: Length of the window along all spatial axes, or a tuple with one per axis; None takes an eighth of each
            axis. All channels are covered together. In a table every column is a window.
        stride: Steps from one window to the next, likewise, at most the window; None takes the window. The last window
            may reach over the edge.
        chunk: Windows in one forward pass; None bounds the memory.

    Returns: Tree like `inputs`, same shapes, float32; units: score. The channels of a position are alike.
    Raises: ValueError for windows that do not fit the inputs; TypeError for integer inputs.
    Properties: exact on linear models of a table; not complete. Differentiable. Cost: one forward pass per window.

    >>> import tensorflow as tf
    >>> occlusion(lambda x, target: x[:, 0] + 2 * x[:, 1], tf.constant([[2.0, 3.0]])).numpy().tolist()
    [[2.0, 6.0]]

    Reference: Zeiler and Fergus, 2014, https://arxiv.org/abs/1311.2901
    """
    checks.some_floats(inputs)
    target = resolve(score, inputs, target)
    start = trees.leaves(baselines.resolve(baseline, inputs))
    whole = score(inputs, target)

    def leaf(number, x):
        if not trees.is_float(x):
            return trees.zeros_like(x)
        windows = _windows(x, window, stride)
        counts = [len(each) for each in windows]
        variant = _covered(inputs, number, start[number], windows)
        losses = whole - map_variants(score, variant, prod(counts), inputs, target, chunk)
        maps = tf.reshape(tf.transpose(losses), [-1, *counts])
        for axis, each in enumerate(windows, 1):
            maps = along(maps, (each / each.sum(axis=0)).T, axis)
        return tf.broadcast_to(trees.align(maps, x.shape.rank), tf.shape(x))

    return trees.pack(inputs, [leaf(*each) for each in enumerate(trees.leaves(inputs))])


def _windows(x, window, stride):
    """For every axis which positions `(windows, length)` the windows along it cover, 0 or 1."""
    if x.shape.rank < 3:
        return [np.eye(trees.row_size(x), dtype="float32")]
    lengths = x.shape[1:-1]
    if None in lengths:
        raise ValueError(
            f"`occlusion` needs inputs of known shape. Received: {tuple(x.shape)}. Pad the rows to a fixed length."
        )
    sizes = [-(-length // 8) for length in lengths] if window is None else _per_axis("window", window, lengths)
    steps = sizes if stride is None else _per_axis("stride", stride, lengths)
    if any(step > size for step, size in zip(steps, sizes, strict=True)):
        raise ValueError(
            f"`stride` must be at most the window, or features stay uncovered. Received: stride={tuple(steps)} and "
            f"window={tuple(sizes)}. Pass a smaller stride or a larger window."
        )
    return [_along_axis(*each) for each in zip(lengths, sizes, steps, strict=True)]


def _along_axis(length, size, step):
    starts = np.arange(0, max(length - size, 0) + step, step)[:, None]
    place = np.arange(length)
    return ((starts <= place) & (place < starts + size)).astype("float32")


def _per_axis(argument, value, lengths):
    values = list(value) if isinstance(value, (list, tuple)) else [value] * len(lengths)
    if len(values) != len(lengths):
        raise ValueError(
            f"`{argument}` must have one length per spatial axis. Expected: {len(lengths)}. Received: {value}. Pass an "
            "integer for all axes."
        )
    for each in values:
        checks.positive(argument, each)
    return values


def _covered(inputs, number, baseline, windows):
    """A variant function: input `number` with one window covered, the others as they are."""
    leaves = trees.leaves(inputs)
    rank = leaves[number].shape.rank

    def variant(k):
        covered = tf.ones([1] * (rank + 1), tf.bool)
        for axis, (each, place) in enumerate(zip(windows, _unravel(k, windows), strict=True), 2):
            shape = [1] * (rank + 1)
            shape[0], shape[axis] = -1, each.shape[1]
            covered &= tf.reshape(tf.gather(each > 0, place), shape)
        varied = [trees.repeat(leaf, tf.shape(k)[0]) for leaf in leaves]
        varied[number] = tf.where(covered, baseline, leaves[number])
        return trees.pack(inputs, varied)

    return variant


def _unravel(k, windows):
    """The place of window `k` along every axis."""
    places = []
    for each in reversed(windows):
        places.insert(0, k % len(each))
        k //= len(each)
    return places
