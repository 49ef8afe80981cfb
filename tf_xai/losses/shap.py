"""What the losses on Shapley values share: what is explained, and the shares of a batch."""

import numpy as np
import tensorflow as tf

from tf_xai.core import checks, trees
from tf_xai.losses.base import COMMON
from tf_xai.losses.contrast import ContrastLoss


class SHAPLoss(ContrastLoss):
    """A penalty on Shapley values of the score that a `ContrastLoss` explains; of two classes always of the second.

    So the values of all rows have one sense: what is positive speaks for the second class. (A number added to all
    logits would change no prediction, and dilute every share; less their mean it is gone.)

    A subclass defines `own` and `penalty`.
    """

    def target(self, score, labels, outputs):
        target, selected = super().target(score, labels, outputs), score.select(outputs)
        units = selected.shape[-1] if selected.shape.rank > 1 else 1
        kind = score.link.settle(units).kind
        if selected.shape.rank <= 2 and (kind, units) in (("sigmoid", 1), ("softmax", 2)):
            return tf.repeat([[-0.5, 0.5]], tf.shape(selected)[0], axis=0)
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
        return {**self.own(), **super().get_config()}

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
