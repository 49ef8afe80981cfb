"""Fairness of explanations: little attribution on protected features, and the same attribution for all groups."""

import keras
import numpy as np
import tensorflow as tf

from tf_xai.core import checks, trees
from tf_xai.losses.shap import SHAPLoss, arrays, importance, numbers, of_row


@keras.saving.register_keras_serializable("tf_xai")
class SHAPFairness(SHAPLoss):
    """Penalises what protected features contribute to the logit, beyond a budget.

        share = sum_n sum_{i protected} |a_ni| / sum_n sum_i |a_ni|
        penalty = max(share - budget, 0) + |p_0 - p_1|^2,    p_gi = sum_{n in g} |a_ni| / sum_{n in g} sum_j |a_nj|

    `a` are Shapley values of the log-odds of two classes, of the true class's logit less the mean of all among several
    (a number added to all of them would dilute every share), of the logits of a row's labels, or of a regression's
    output.

    `protected` asks for the first part; `groups` for the second, how far the explanations of two groups of rows rest on
    different features: 0 in a batch without one of them. Neither changes with the scale of the model, so that
    flattening it earns nothing; a model without any attribution has penalty 0.

    Shares are those of the batch, and the penalty is the same for all its rows: the less there is to explain in a row,
    the larger is the gradient of a share of its own. Replicas of a `tf.distribute` strategy take their own rows. The
    penalty is linear, since a squared one would let go of what little is left.

    A model that ignores a feature may still read it off others: measure what it predicts, too.

    Args:
        protected: Columns, the entries of the last axis: an integer, a list of them, or a slice; names of inputs, where
            these are a dict; or a mask like one row of the inputs, an array with 1 where protected.
        budget: The share that protected features may have, in [0, 1).
        groups: What tells the groups apart: a column, or the name of an input, with one number per row, above 0 in the
            one group; or a function of the inputs to 0 or 1 per row, registered with Keras for models that are saved.
        explainer: Name of a method, or an `Explainer`: "expected_gradients", "deep_lift", or "kernel_shap" with few
            samples.
        **common: See `ExplanationLoss`.

    Reference: Hickey et al., 2020, https://arxiv.org/abs/2003.05330; expected gradients in training: Erion et al.,
    2021, https://arxiv.org/abs/1906.10670
    """

    def __init__(self, protected=None, budget=0.0, groups=None, explainer="expected_gradients", **common):
        super().__init__(explainer, **common)
        if protected is None and groups is None:
            raise ValueError(
                "`SHAPFairness` needs `protected` features, `groups` to compare, or both. Received neither."
            )
        if not 0 <= budget < 1:
            raise ValueError(f"`budget` must be at least 0 and less than 1. Received: budget={budget!r}.")
        if not (groups is None or callable(groups) or isinstance(groups, str) or _is_column(groups)):
            raise TypeError(f"`groups` must be a column, the name of an input or a function. Received: {groups!r}.")
        self.protected, self.budget, self.groups = _read(protected), budget, groups

    def penalty(self, values, batch):
        each, penalty = batch.weighted(trees.columns(values)), 0.0
        if self.protected is not None:
            share = tf.reduce_sum(self._vector(values) * importance(each))
            penalty += tf.nn.relu(share - self.budget)
        if self.groups is not None:
            penalty += _distance(each, self._members(batch.inputs))
        return tf.fill(tf.shape(each)[:1], penalty)

    def tells(self, batch):
        """With groups alone, where both are in the batch."""
        if self.groups is None or self.protected is not None:
            return super().tells(batch)
        members = self._members(batch.inputs)
        return super().tells(batch) & (tf.reduce_min(members) < tf.reduce_max(members))

    def _vector(self, values):
        """1 for every feature that is protected: `(features,)`."""
        mask = self._mask(values)
        vector = of_row("protected", mask, values)
        if all(np.all(np.asarray(entry) == 1) for entry in trees.leaves(mask)):
            raise ValueError(
                "`protected` must leave something that may be used instead. Received: "
                f"{checks.in_words(self.protected)}, which is everything. A list of integers names columns; an array "
                "is a mask."
            )
        return vector

    def _mask(self, values):
        """A tree like one row, 1 where protected."""
        if isinstance(self.protected, slice) or (isinstance(self.protected, list) and _is_column(self.protected[0])):
            return trees.pack(values, [_columns("protected", self.protected, values)])
        if isinstance(self.protected, list):
            _check_names("protected", self.protected, values)
            of = lambda name: trees.map_leaves(lambda _: np.float32(name in self.protected), values[name])
            return {name: of(name) for name in values}
        return self.protected

    def _members(self, inputs):
        """1 for every row in the one group, 0 in the other: `(batch,)`."""
        if callable(self.groups):
            return tf.reshape(tf.cast(self.groups(inputs), tf.float32), [-1])
        if isinstance(self.groups, str):
            _check_names("groups", [self.groups], inputs)
            column = inputs[self.groups]
        else:
            _columns("groups", [self.groups], inputs)
            column = trees.leaves(inputs)[0][..., self.groups]
        if trees.row_size([column]) != 1:
            raise ValueError(
                f"`groups` must have one number per row. Received: {self.groups!r}, of shape {tuple(column.shape)}. "
                "Pass a function of the inputs to 0 or 1 per row."
            )
        return tf.cast(tf.reshape(column, [-1]) > 0, tf.float32)

    def own(self):
        return {"protected": self.protected, "budget": self.budget, "groups": self.groups}


def _distance(values, members):
    """The squared distance between the shares of two groups of rows; 0 unless both have any attribution."""
    one, other = (importance(side[:, None] * values) for side in (members, 1 - members))
    both = tf.reduce_sum(one) * tf.reduce_sum(other) > 0
    return tf.where(both, tf.reduce_sum(tf.square(one - other)), 0.0)


def _is_column(entry):
    return isinstance(entry, (int, np.integer)) and not isinstance(entry, bool)


def _read(protected):
    """Columns and names as a list, a slice as it is, masks as arrays."""
    if protected is None or isinstance(protected, slice):
        return protected
    named = list(protected) if isinstance(protected, (list, tuple, range)) else [protected]
    if named and (all(map(_is_column, named)) or all(isinstance(entry, str) for entry in named)):
        return [entry if isinstance(entry, str) else int(entry) for entry in named]
    masks = arrays(protected)
    each = numbers(masks)
    if not (each.any() and each.min() >= 0 and each.max() <= 1):
        raise ValueError(
            "`protected` must be columns, names of inputs, or masks from 0 to 1 that are not all 0. Received: "
            f"{checks.in_words(protected)}. A list of integers names columns; an array is a mask."
        )
    return masks


def _columns(argument, columns, tree):
    """1 for these entries of the last axis of the only input, 0 for the others."""
    leaves = trees.leaves(tree)
    if len(leaves) > 1:
        raise ValueError(
            f"`{argument}` may be columns where there is one input. Received: {columns}, for {checks.outline(tree)}. "
            "Pass names of inputs, a function or a mask per input."
        )
    mask = np.zeros(leaves[0].shape[-1], "float32")
    try:
        mask[columns] = 1
    except IndexError:
        mask[:] = 0
    if not mask.any():
        raise ValueError(f"`{argument}` must name some of the {len(mask)} columns. Received: {columns}.")
    return mask


def _check_names(argument, names, tree):
    """Raises for names that no input has."""
    known = list(tree) if isinstance(tree, dict) else []
    unknown = [name for name in names if name not in known]
    if unknown:
        hint = checks.nearest(unknown[0], known)
        raise ValueError(f"`{argument}` must name inputs, some of {known}. Received: {unknown[0]!r}.{hint}")
