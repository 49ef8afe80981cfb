"""`explain`: attributions of a data set, batch by batch."""

import warnings

import keras
import numpy as np
import tensorflow as tf

from tf_xai.attributions.integrated_gradients import allowed
from tf_xai.bound_explainer import held_in_words
from tf_xai.choosing import choose
from tf_xai.core import checks, data, own, trees
from tf_xai.core.score import read_target
from tf_xai.explainer import Explainer
from tf_xai.explanation import Explanation


def explain(model, x, target=None, method="integrated_gradients", *, batch_size=32, verbose="auto", **options):
    """Explains a model's scores of the rows of `x`.

    Args:
        model: Any Keras model.
        x: Array, data frame, nest of arrays, or `tf.data.Dataset` (labels and weights in it are left aside).
        target: `(rows,)` integer classes, one class for all rows, or weights of the outputs `(rows, classes)`; None
            explains the predicted class, or the only output of a regression or of a sigmoid unit.
        method: A name in `tf_xai.attributions.METHODS`, an `Explainer`, or "auto": the most exact method that the model
            allows at a moderate cost; `info["chosen"]` says why.
        batch_size: Rows explained at once.
        verbose: 0 is silent, 1 shows a progress bar; "auto" shows it where there are several batches.
        **options: Options of the method and of the score, as for `Explainer`.

    Returns: An `Explanation`. Rows with NaN or infinite inputs are NaN; a warning names them. After an interrupt
        (Ctrl-C) it holds the rows that were finished.
    Raises: ValueError for unknown methods, targets outside the classes, or no rows; TypeError for unknown options and
        integer inputs.

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones")])
    >>> explain(model, np.array([[1.0, 2.0, 3.0]])).values.round(4).tolist()
    [[1.0, 2.0, 3.0]]
    """
    checks.positive("batch_size", batch_size)
    if x is None:
        raise TypeError("`x` must hold rows: arrays, a data frame or a `tf.data.Dataset`. Received: None.")
    names, index = data.feature_names(x), data.row_labels(x)
    options = {name: data.aligned(option, x) for name, option in options.items()}
    x = x if isinstance(x, tf.data.Dataset) else data.arrays(x)
    explainer, reason = _explainer(method, options, model, x)
    if reason and verbose:
        print(f"{explainer!r}: {reason}.")
    if target is not None and not isinstance(x, tf.data.Dataset):
        target = read_target(target, data.count(x))
    names = names if explainer.layer is None else None  # those of the inputs
    bound = explainer.bind(model)
    parts = _run(bound, x, target, batch_size, verbose)
    joined = {name: _stack([part[name] for part in parts]) for name in parts[0]}
    broken = np.flatnonzero(joined.pop("broken"))
    if bound.score.classes == 1:
        joined["target"] = None  # a regression has no classes
    index = None if index is None else index[: len(joined["score"])]
    held = bound.held(data.to_tensors(bound.score.model, trees.map_leaves(lambda leaf: leaf[:1], joined["inputs"])))
    info = _info(explainer, held) | ({"chosen": reason} if reason else {})
    explanation = Explanation(**joined, feature_names=names, index=index, info=info)
    _warn(explanation, explainer, broken, held_in_words(held))
    return explanation


def _explainer(method, options, model, x):
    """The explainer, and why it was chosen where nobody else did."""
    if isinstance(method, str) and method == "auto":
        whole = next(data.batches(x, None, 1))[0] if isinstance(x, tf.data.Dataset) else x
        return choose(model, trees.map_leaves(np.asarray, whole), options)
    if not isinstance(method, Explainer):
        return Explainer(method, **options), None
    if options:
        raise TypeError(f"Options belong to the `Explainer` that is passed as `method`. Received: {sorted(options)}.")
    return method, None


def _run(bound, x, target, batch_size, verbose):
    """The reports of all batches, as dicts of NumPy arrays."""
    total = None if isinstance(x, tf.data.Dataset) else -(-data.count(x) // batch_size)
    bar = keras.utils.Progbar(total, unit_name="batch", verbose=verbose if verbose != "auto" else int(total != 1))
    options = {} if isinstance(x, tf.data.Dataset) else own.options(bound.explainer, x)
    parts, first = [], 0
    try:
        for batch, aim in data.batches(x, target, batch_size):
            batch = trees.map_leaves(np.asarray, batch)
            rows = np.arange(first, first + data.count(batch))
            parts.append(_report(bound, batch, aim, rows, options))
            first += len(rows)
            bar.add(1)
    except KeyboardInterrupt:
        if not parts:
            raise
        done = sum(len(part["score"]) for part in parts)
        warnings.warn(f"Interrupted: the explanation holds the first {done} rows.", stacklevel=3)
    if not parts:
        raise ValueError("There is nothing to explain: the data set has no batches.")
    return parts


def _report(bound, batch, target, rows, options):
    """The report of one batch. Rows that are not finite are left out of it, and NaN in what comes back."""
    broken = _not_finite(batch)
    kept = np.flatnonzero(~broken)
    changes = lambda rows: {name: choose(rows) for name, choose in options.items()}
    if kept.size:
        some = lambda tree: None if tree is None else trees.map_leaves(lambda leaf: np.asarray(leaf)[kept], tree)
        report = bound.report(some(batch), some(target), **changes(rows[kept]))
    else:  # run all the same, on zeros, for the shapes
        report = bound.report(trees.map_leaves(np.zeros_like, batch), target, **changes(rows))
    report = {name: tree for name, tree in report.items() if tree is not None}
    report = trees.map_leaves(lambda leaf: _spread(leaf.numpy(), kept, broken), report)
    return {"baseline_score": None, "fidelity": None, "inputs": batch, **report, "broken": broken}


def _spread(values, kept, broken):
    """Results of the kept rows at their places; NaN, or class 0, in the others."""
    if not broken.any():
        return values
    spread = np.full((len(broken), *values.shape[1:]), np.nan if values.dtype.kind == "f" else 0, values.dtype)
    spread[kept] = values[: len(kept)]
    return spread


def _not_finite(batch):
    """`(rows,)`: whether a row holds NaN or infinity."""
    floats = [leaf.reshape(len(leaf), -1) for leaf in trees.leaves(batch) if leaf.dtype.kind == "f"]
    return np.any([~np.isfinite(leaf).all(axis=1) for leaf in floats] or [np.zeros(data.count(batch), bool)], axis=0)


def _stack(parts):
    return None if parts[0] is None else keras.tree.map_structure(lambda *leaves: np.concatenate(leaves), *parts)


def _info(explainer, held):
    """What was done, in words that JSON can hold."""
    named = {name: getattr(explainer, name) for name in ("output", "space", "layer")}
    options = {**{k: v for k, v in named.items() if v not in (None, "output")}, **explainer.options}
    info = {"method": explainer.method, "options": {name: checks.in_words(value) for name, value in options.items()}}
    return {**info, "notes": [_HELD] if held else []}


_HELD = "Integer, boolean and string inputs that no `Embedding` looks up were held fixed."

_NO_REACTION = (
    "the score does not react to the inputs there. Usual reasons: a softmax or sigmoid that is saturated (pass "
    "`space='logit'`), an input equal to its baseline, units that are off, or a model that does not use its inputs."
)
_NOTHING_FOR = "nothing in the layer speaks for the score there. Pass `relu=False` to see what speaks against it."


def _warn(explanation, explainer, broken, held):
    """Names the rows whose attributions mean nothing, or less than was asked for."""
    flat = [leaf.reshape(len(leaf), -1) for leaf in trees.leaves(explanation.values)]
    zero = np.flatnonzero(np.all([(leaf == 0).all(axis=1) for leaf in flat], axis=0))
    if held:
        warnings.warn(held, stacklevel=3)
    if broken.size:
        warnings.warn(
            f"NaN or infinite inputs in {checks.rows(broken)}: NaN there. Clean or impute them.", stacklevel=3
        )
    odd = np.flatnonzero(np.any([~np.isfinite(leaf).all(axis=1) for leaf in flat], axis=0))
    odd = np.setdiff1d(odd, broken)
    if odd.size:
        warnings.warn(
            f"Attributions of {checks.rows(odd)} are not finite: the model, or the method in it, divides by zero "
            "there, or overflows. Pass another `baseline=`, or use 'integrated_gradients'.",
            stacklevel=3,
        )
    if zero.size:
        which = "all rows" if zero.size == len(explanation) > 1 else checks.rows(zero)
        why = _NOTHING_FOR if explainer.option("relu") else _NO_REACTION
        warnings.warn(f"All attributions of {which} are zero: {why}", stacklevel=3)
    if explainer.option("tolerance"):
        largest = allowed(explainer.option("tolerance"), explanation.score, explanation.baseline_score)
        over = np.flatnonzero(np.abs(explanation.residual) > largest)
        if over.size:
            warnings.warn(
                f"The residual of {checks.rows(over)} is above the tolerance at 64 times the steps. Pass more `steps`.",
                stacklevel=3,
            )
