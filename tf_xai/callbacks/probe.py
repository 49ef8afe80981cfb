"""Probe: the examples that a callback explains at the end of an epoch."""

import warnings
from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

from tf_xai.callbacks import labels
from tf_xai.core import checks, data, trees
from tf_xai.explainer import Explainer
from tf_xai.metrics.registry import METRICS, options_of


class Probe:
    """Explainers bound to the model in training, and the rows that they explain.

    Args:
        model: The model in training.
        x: Inputs, each `(rows, ...)`.
        y: Labels as in `fit`, or None to explain the predicted class.
        explainers: A dict of name to `Explainer`.
        evidence: Masks like `x`, or None.
    """

    def __init__(self, model, x, y, explainers, evidence=None):
        self.bound = {name: explainer.bind(model) for name, explainer in explainers.items()}
        self.score = next(iter(self.bound.values())).score
        self.inputs, self._loss = data.to_tensors(self.score.model, data.arrays(x)), getattr(model, "loss", None)
        with checks.context("While reading the rows that a callback explains, its `x`."):
            data.check_shapes(self.score.model, self.inputs)
        beside = {"labels": y, "evidence": evidence}
        self._beside = {name: trees.tensors(data.arrays(tree)) for name, tree in beside.items() if tree is not None}

    def batches(self, size):
        """`(inputs, labels, evidence)` of at most `size` rows."""
        for inputs, beside in data.batches(self.inputs, self._beside or None, size):
            beside = beside or {}
            yield inputs, beside.get("labels"), beside.get("evidence")

    def ahead(self, traced, size):
        """Traces a function of `(inputs, labels, evidence)` for a batch of this size, without running it.

        What does not fit shows now, and batches of this size use the same trace later. Returns whether it was traced:
        a model that has no weights yet is left alone.
        """
        if not self.score.model.built:
            return False
        # Labels first: where they do not fit, the trace fails, too, and says nothing of `y`.
        if "labels" in self._beside:
            for bound in self.bound.values():
                labels.check(bound.score, self.inputs, self._beside["labels"], self._loss)
        # In a graph, a traced function is traced, and a call of it noted.
        tf.function(traced, autograph=False).get_concrete_function(*next(self.batches(size)))
        return True


def read(x, y=None, evidence=None):
    """Inputs, labels and evidence; of a data set, those of all its batches.

    Raises where they differ in the number of rows, or masks in their shape: before the training, not after its first
    epoch. One mask for all rows is repeated.
    """
    if x is None:
        raise ValueError("`x` must be rows to explain. Received: None.")
    if isinstance(x, tf.data.Dataset):
        x, y = _of_batches(x, y)
    rows = data.count(data.arrays(x))
    if evidence is not None:
        whole = lambda mask: np.repeat(mask, rows, axis=0) if mask.shape[:1] == (1,) else mask
        evidence = trees.map_leaves(whole, data.arrays(evidence))
    remedies = {"y": "Pass labels as `fit` takes them", "evidence": "Pass a mask for every row, or one for all"}
    for name, tree in {"y": y, "evidence": evidence}.items():
        leaves = [] if tree is None else trees.leaves(data.arrays(tree))
        if wrong := [tuple(leaf.shape) for leaf in leaves if tuple(leaf.shape[:1]) != (rows,)]:
            raise ValueError(
                f"`{name}` must have an entry for every row of `x`. Expected: {rows} rows. Received: "
                f"{'one number' if wrong[0] == () else f'shape {wrong[0]}'}. {remedies[name]}."
            )
    if evidence is not None:
        _check_masks(evidence, data.arrays(x))
    return x, y, evidence


def _check_masks(masks, inputs):
    """Raises unless masks, one for every row, broadcast to the inputs; the axis of channels may be missing."""
    if len(trees.leaves(masks)) != len(trees.leaves(inputs)):
        checks.same_structure("evidence", masks, inputs, "Pass a mask for every input.")
    for mask, leaf in zip(trees.leaves(masks), trees.leaves(inputs), strict=True):
        whole = (*mask.shape, 1) if len(mask.shape) == len(leaf.shape) - 1 else tuple(mask.shape)
        if len(whole) != len(leaf.shape) or not checks.broadcasts(whole, leaf.shape):
            raise ValueError(
                f"`evidence` must be masks that broadcast to the inputs. Expected: {tuple(leaf.shape)}. Received: "
                f"{tuple(mask.shape)}. Pass masks in the shape of `x`; the axis of channels may be 1."
            )


def check_evidence(metrics, evidence):
    """Raises where one of these metrics compares with evidence, and there is none."""
    needing = [name for name in metrics if "evidence" in options_of(METRICS[name])]
    if evidence is None and needing:
        raise ValueError(
            f"{needing} need evidence: masks like `x` of where the reason is. Received: none. Pass `evidence=masks`."
        )


def _of_batches(dataset, y):
    """The rows and labels of all batches of a data set, which must end."""
    if y is not None:
        raise ValueError("`y` can not be given with a data set, whose batches `(x, y)` have their labels.")
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "A data set of rows to explain must end. Received: one that repeats for ever. Pass `.take(n)` of it, or "
            "leave out its `.repeat()`."
        )
    x, y, _ = _together([keras.utils.unpack_x_y_sample_weight(batch) for batch in dataset.as_numpy_iterator()])
    return x, y


def _together(batches):
    """The rows of all batches; None where a part is None."""
    if not all(np.ndim(leaf) for leaf in trees.leaves(batches) if leaf is not None):
        raise ValueError("A data set must have batches `(x, y)`. Received: one of single rows. Pass `data.batch(32)`.")
    join = lambda *leaves: np.concatenate(leaves)
    return [None if parts[0] is None else trees.map_leaves(join, *parts) for parts in zip(*batches, strict=True)]


def by_name(explainers):
    """Explainers under the names that the logs use: that of the method, or the one given in a dict."""
    explainers = [explainers] if isinstance(explainers, (str, Explainer)) else explainers
    if not isinstance(explainers, Iterable):
        raise TypeError(
            "`explainers` must be a name, an `Explainer`, a list of them, or a dict of name to explainer. Received: "
            f"{explainers!r}."
        )
    explainers = explainers if isinstance(explainers, dict) else list(explainers)
    if not explainers:
        raise ValueError("`explainers` must name at least one. Received none.")
    if isinstance(explainers, dict):
        return {name: _explainer(each) for name, each in explainers.items()}
    made = [_explainer(each) for each in explainers]
    named = {each.method: each for each in made}
    if len(named) < len(made):
        methods = [each.method for each in made]
        raise ValueError(f"Explainers need different names. Received: {methods}. Pass a dict of name to explainer.")
    return named


def _explainer(explainer):
    return explainer if isinstance(explainer, Explainer) else Explainer(explainer)


def warn_of_others(lines, logs, model):
    """Warns of lines that another callback has written, before ours take their place: those of the model may go."""
    own = {metric.name for metric in model.metrics}
    taken = [line for line in lines if line in logs and line not in own]
    if taken:
        warnings.warn(
            f"Another callback of this training writes the lines {taken} too, and the later callback's stand. Pass "
            "`name=` to one of them.",
            stacklevel=4,
        )


def mean(name, values, rows):
    """The mean over the rows where the metric is defined, with a warning that counts the others, by their numbers."""
    undefined = np.flatnonzero(~np.isfinite(values))
    if not undefined.size:
        return float(values.mean())
    warnings.warn(
        f"`{name}` is undefined for {undefined.size} of {values.size} probe rows ({checks.rows(rows[undefined])}), and "
        "left out there: the score does not change or is not finite, attributions are constant, or there is no "
        "evidence.",
        stacklevel=4,
    )
    return float(values[np.isfinite(values)].mean()) if undefined.size < values.size else float("nan")
