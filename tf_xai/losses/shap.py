"""What the losses on Shapley values share: what is explained, and the shares of a batch."""

import keras
import numpy as np
import tensorflow as tf

from tf_xai.core import checks, trees
from tf_xai.losses.base import COMMON
from tf_xai.losses.contrast import ContrastLoss


class SHAPLoss(ContrastLoss):
    """A penalty on Shapley values of the score that a `ContrastLoss` explains; of two classes always of the log-odds.

    So the values of all rows have one sense: what is positive speaks for the second class.

    A subclass defines `own` and `penalty`.
    """

    def target(self, score, labels, outputs):
        target, selected = super().target(score, labels, outputs), score.select(outputs)
        units = selected.shape[-1] if selected.shape.rank > 1 else 1
        kind = score.link.settle(units).kind
        if selected.shape.rank <= 2 and (kind, units) in (("sigmoid", 1), ("softmax", 2)):
            # Of a unit its logit, of two the difference.
            return tf.repeat([[1.0 - units, 1.0]], tf.shape(selected)[0], axis=0)
        return target

    def call(self, explain, batch):
        return self.penalty(self.attributions(explain, batch), batch)

    def penalty(self, values, batch):
        """The penalty of every row, `(batch,)`, of a tree of Shapley values."""
        raise NotImplementedError(f"{type(self).__name__} must define `penalty`.")

    def own(self):
        """The arguments of its own, by name."""
        raise NotImplementedError(f"{type(self).__name__} must define `own`.")

    def get_config(self):
        return {**keras.saving.serialize_keras_object(self.own()), **super().get_config()}

    def __repr__(self):
        short = lambda leaf: checks.in_words(leaf) if hasattr(leaf, "shape") else leaf
        values = {
            **trees.map_leaves(short, self.own()),
            **{name: getattr(self, name) for name in ("explainer", *COMMON)},
        }
        words = [f"{name}={value!r}" for name, value in values.items() if value is not None]
        return f"{type(self).__name__}({', '.join(words)})"


def importance(values):
    """The share of every feature in all attribution of the batch, `(features,)`: zeros where there is none at all.

    Of sums over the batch: a row without attribution has no shares of its own, and one with next to none has arbitrary
    ones, whose gradients are as large as the row is unimportant.
    """
    total = tf.reduce_sum(tf.abs(values), axis=0)
    return tf.math.divide_no_nan(total, tf.reduce_sum(total))


def arrays(tree):
    """Numbers as arrays. A list of numbers is one array, inside a dict too; a list of arrays is a list of inputs."""
    if isinstance(tree, dict):
        return {name: arrays(entry) for name, entry in tree.items()}
    if isinstance(tree, (list, tuple)) and any(hasattr(entry, "shape") or isinstance(entry, dict) for entry in tree):
        return [arrays(entry) for entry in tree]
    return np.asarray(tree)


def numbers(tree):
    """All numbers of a tree of arrays, `(count,)`; none where some are no numbers, or not finite."""
    each = np.concatenate([np.ravel(leaf) for leaf in trees.leaves(tree)] or [[]])
    return each if each.dtype.kind in "biuf" and np.isfinite(each).all() else each[:0]


def of_row(argument, row, values):
    """A tree like one row, as a vector that says the same of every row: `(features,)`, float32."""
    checks.same_structure(argument, row, values, "Pass one entry per input: zeros where there is nothing to say.")
    for entry, leaf in zip(trees.leaves(row), trees.leaves(values), strict=True):
        if not checks.broadcasts(np.shape(entry), leaf.shape[1:]):
            raise ValueError(
                f"`{argument}` must broadcast to one row of the inputs. Expected: {tuple(leaf.shape[1:])}. "
                f"Received: {np.shape(entry)}. Pass one number per feature, without the axis of rows."
            )
    spread = lambda entry, leaf: tf.broadcast_to(tf.cast(entry, tf.float32), tf.shape(leaf)[1:])[None]
    return trees.columns(trees.map_leaves(spread, row, values))[0]
