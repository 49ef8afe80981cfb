"""Regions: which features belong together, as one player of a game or of a local surrogate."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tf_xai.core import checks, trees
from tf_xai.core.grids import Bands, Frames, Patches, Segments, Windows, cells, columns, features, tokens

REGIONS = {function.__name__: function for function in (cells, features, columns, tokens)}
REGIONS |= {"patches": Patches(), "segments": Segments(), "windows": Windows(), "frames": Frames(), "bands": Bands()}

REMEDY = "Pass a name such as 'cells', integer labels in the shape of a row, or groups of columns: [[0, 1], [2]]."


class Players(NamedTuple):
    """Who plays.

    Attributes:
        labels: For every leaf of the inputs the number of the player of each feature, integers `(1 or batch, ...)` that
            broadcast to the leaf; None for leaves that are not floating point.
        count: Players of all leaves together.
    """

    labels: list
    count: int


def resolve(regions, inputs):
    """The players of the inputs.

    Args:
        regions: None ("cells"); a name in `REGIONS`; integer labels in the shape of a row, or of the inputs (players of
            every row's own), where the channel axis may be 1; a list of groups of columns, `[[0, 1], [2]]`; a function
            of a leaf to labels and the number of players, such as `Patches(4)`; or a nest of these in the structure of
            the inputs.
        inputs: Tensor or nested tensors, each `(batch, ...)`.

    Returns: `Players`.
    """
    labels, count = [], 0
    for choice, leaf in zip(choices(regions, inputs), trees.leaves(inputs), strict=True):
        if not trees.is_float(leaf):
            labels.append(None)
            continue
        numbers, players = _number(choice, leaf)
        labels.append(tf.cast(numbers, tf.int32) + count)
        count += players
    return Players(labels, count)


def share(values, players, inputs):
    """Values of players `(batch, players)`, in equal parts on their features: a tree like `inputs`, float32."""
    each = tf.math.divide_no_nan(values, sizes(players, inputs))

    def leaf(x, labels):
        if labels is None:
            return trees.zeros_like(x)
        own = tf.broadcast_to(labels, tf.concat([tf.shape(x)[:1], tf.shape(labels)[1:]], 0))
        return tf.broadcast_to(tf.gather(each, own, axis=1, batch_dims=1), tf.shape(x))

    return trees.pack(inputs, [leaf(*pair) for pair in zip(trees.leaves(inputs), players.labels, strict=True)])


def collect(values, players, inputs):
    """The sum of the values of every player's features, `(batch, players)`, float32: what `share` has shared out.

    A value that stands for several features, as that of a map for all channels, is shared out among them.
    """
    total = tf.zeros([trees.batch_size(inputs), players.count])
    for x, value, labels in zip(trees.leaves(inputs), trees.leaves(values), players.labels, strict=True):
        if labels is not None:
            part = tf.cast(value, tf.float32) * tf.cast(tf.size(value) / tf.size(x), tf.float32)
            total += _sums(tf.broadcast_to(part, tf.shape(x)), labels, players.count)
    return total


def sizes(players, inputs):
    """How many features every player has, `(1 or batch, players)`: zero where a row has not all players."""
    total = tf.zeros([1, players.count])
    for x, labels in zip(trees.leaves(inputs), players.labels, strict=True):
        if labels is not None:
            ones = tf.fill(tf.shape(labels), trees.row_size(x) / labels[0].shape.num_elements())
            total += _sums(ones, labels, players.count)
    return total


def _sums(values, labels, count):
    """The sums of a leaf `(rows, ...)` by its labels, which broadcast to it: `(rows, count)`."""
    rows = tf.shape(values)[0]
    flat = tf.reshape(tf.broadcast_to(labels, tf.shape(values)), [rows, -1])
    place = flat + count * tf.range(rows)[:, None]
    return tf.reshape(tf.math.unsorted_segment_sum(tf.reshape(values, [rows, -1]), place, rows * count), [-1, count])


def choices(regions, inputs):
    """The regions asked for every leaf."""
    if regions is None or isinstance(regions, str) or callable(regions):
        return [regions] * len(trees.leaves(inputs))
    found = []
    try:
        keras.tree.map_structure_up_to(inputs, lambda _, choice: found.append(choice), inputs, regions)
    except (ValueError, TypeError):
        raise ValueError(
            f"`regions` must have the structure of `inputs`. Expected {checks.outline(inputs)}. "
            f"Received: {checks.outline(regions)}. Pass regions for every input, or one name for all."
        ) from None
    return found


def _number(choice, leaf):
    """Labels `(1 or batch, ...)` of one leaf, and how many players there are."""
    if None in leaf.shape[1:]:
        raise ValueError(
            f"`regions` needs inputs of known shape. Received: {tuple(leaf.shape)}. Pad the rows to a fixed length."
        )
    if choice is None or isinstance(choice, str):
        choice = checks.choose("regions", choice or "cells", REGIONS)
    if callable(choice):
        return choice(leaf)
    return _groups(choice, leaf) if isinstance(choice, (list, tuple)) else _labels(choice, leaf)


def _labels(labels, leaf):
    """Labels that the caller gives, of one row for all or of every row."""
    labels = tf.get_static_value(labels) if tf.is_tensor(labels) else np.asarray(labels)
    if labels is None or labels.dtype.kind not in "iufb" or not np.array_equal(labels, np.round(labels)):
        received = "a tensor without values" if labels is None else f"{labels.dtype} of shape {labels.shape}"
        raise ValueError(
            f"`regions` must hold integer labels that are known beforehand. Received: {received}. {REMEDY}"
        )
    given, labels = labels.shape, labels[None] if labels.ndim == leaf.shape.rank - 1 else labels
    if labels.ndim != leaf.shape.rank or not checks.broadcasts(labels.shape, leaf.shape):
        raise ValueError(
            f"`regions` must hold labels in the shape of a row, {tuple(leaf.shape[1:])}, or of the inputs; the channel "
            f"axis may be 1. Received: {given}. {REMEDY}"
        )
    if labels.min() < 0:
        raise ValueError(
            f"`regions` must cover the input. Received labels of which {np.sum(labels < 0)} are negative. Give what is "
            "left over a label of its own."
        )
    players, numbers = np.unique(labels, return_inverse=True)
    return numbers.reshape(labels.shape), len(players)


def _groups(groups, leaf):
    """Groups of columns, the entries of the last axis."""
    columns = leaf.shape[-1]
    named = [column for group in groups for column in (group if isinstance(group, (list, tuple)) else [None])]
    if None in named or sorted(named) != list(range(columns)):
        raise ValueError(
            f"`regions` must cover the input: groups that name every column from 0 to {columns - 1} once. "
            f"Received: {groups}. Give what is left over a group of its own."
        )
    numbers = np.empty(columns, int)
    for number, group in enumerate(groups):
        numbers[list(group)] = number
    return numbers.reshape([1] * (leaf.shape.rank - 1) + [columns]), len(groups)
