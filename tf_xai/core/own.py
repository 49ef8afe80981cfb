"""Options with something of its own for every explained row: baselines, and labels of regions."""

from functools import partial

import numpy as np
import tensorflow as tf

from tf_xai.core import baselines, checks, data, regions, trees


class Labels(tf.experimental.ExtensionType):
    """Labels of some rows, a region function. When it is traced, only the number of players is known."""

    labels: tf.Tensor
    count: int

    def __call__(self, leaf):
        return self.labels, self.count


def options(explainer, x):
    """Options that have an entry for every row of `x`: functions of row numbers to those of these rows, by name."""
    found, count = {}, data.count(x)
    for name, (choices, pick) in _OPTIONS.items():
        option = explainer.option(name)
        if any(hasattr(leaf, "shape") for leaf in trees.leaves(option)):
            pairs = list(zip(choices(option, x), trees.leaves(x), strict=True))
            if any(_by_row(choice, leaf, count) for choice, leaf in pairs):
                picks = [pick(choice, leaf, _by_row(choice, leaf, count)) for choice, leaf in pairs]
                found[name] = partial(_of_rows, x, picks)
    return found


def _by_row(choice, leaf, count):
    return getattr(choice, "ndim", 0) == leaf.ndim and len(choice) == count


def _of_rows(x, picks, rows):
    return trees.pack(x, [pick(rows) for pick in picks])


def _baselines(option, x):
    checks.same_structure("baseline", option, x, baselines.REMEDY)
    return trees.leaves(option)


def _baseline(choice, leaf, by_row):
    if not by_row:
        return lambda rows: choice
    values = np.asarray(choice)
    return lambda rows: tf.constant(values[rows], None if values.dtype.kind in "iu" else tf.float32)


def _region(choice, leaf, by_row):
    if not hasattr(choice, "shape"):
        return lambda rows: choice
    players = regions.resolve([np.asarray(choice)], [tf.TensorSpec(leaf.shape, tf.float32)])
    (labels,) = players.labels
    return lambda rows: Labels(tf.gather(labels, rows) if by_row else labels, players.count)


_OPTIONS = {"baseline": (_baselines, _baseline), "regions": (regions.choices, _region)}
