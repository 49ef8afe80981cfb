"""`explain`: attributions of a data set, batch by batch."""

import warnings

import keras
import numpy as np
import tensorflow as tf

from tf_xai.core import checks, data, trees
from tf_xai.explainer import Explainer
from tf_xai.explanation import Explanation


def explain(model, x, target=None, method="integrated_gradients", *, batch_size=32, verbose="auto", **options):
    """Explains a model's scores of the rows of `x`.

    Args:
        model: Any Keras model.
        x: Array, data frame, nest of arrays, or `tf.data.Dataset` (labels and weights in it are left aside).
        target: `(rows,)` integer classes, one class for all rows, or weights of the outputs `(rows, classes)`; None
            explains the predicted class, or the only output of a regression or of a sigmoid unit.
        method: A name in `tf_xai.attributions.METHODS`, or an `Explainer`.
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
    explainer = _explainer(method, options)
    names = data.feature_names(x)
    x = x if isinstance(x, tf.data.Dataset) else data.arrays(x)
    if np.ndim(target) == 0 and target is not None:
        target = np.full(data.count(x), target)
    parts, inputs, broken = _run(explainer, model, x, target, batch_size, verbose)
    values, score, baseline_score, target = _join(parts)
    explanation = Explanation(
        values=_without(broken, values),
        score=_without(broken, score),
        target=target,
        inputs=_stack(inputs),
        baseline_score=None if baseline_score is None else _without(broken, baseline_score),
        feature_names=names,
        method=explainer.method,
        options=_described(explainer),
    )
    _warn(explanation, explainer, broken)
    return explanation


def _explainer(method, options):
    if not isinstance(method, Explainer):
        return Explainer(method, **options)
    if options:
        raise TypeError(f"Options belong to the `Explainer` that is passed as `method`. Received: {sorted(options)}.")
    return method


def _run(explainer, model, x, target, batch_size, verbose):
    """The reports of all batches, their inputs, and the numbers of the rows that are not finite."""
    bound = explainer.bind(model)
    total = None if isinstance(x, tf.data.Dataset) else -(-data.count(x) // batch_size)
    bar = keras.utils.Progbar(total, unit_name="batch", verbose=verbose if verbose != "auto" else int(total != 1))
    parts, inputs, broken, first = [], [], [], 0
    try:
        for batch, aim in data.batches(x, target, batch_size):
            batch = trees.map_leaves(np.asarray, batch)
            rows = len(trees.leaves(batch)[0])
            bad = _not_finite(batch)
            changes = _rows_of_baseline(explainer, x, first, rows)
            report = bound.report(_without(bad, batch, 0), aim, **changes)
            parts.append(trees.map_leaves(lambda leaf: None if leaf is None else leaf.numpy(), report))
            inputs.append(batch)
            broken.extend(first + np.flatnonzero(bad))
            first += rows
            bar.add(1)
    except KeyboardInterrupt:
        if not parts:
            raise
        warnings.warn(f"Interrupted: the explanation holds the first {first} rows.", stacklevel=3)
    if not parts:
        raise ValueError("There is nothing to explain: the data set has no batches.")
    return parts, inputs, np.array(broken, int)


def _rows_of_baseline(explainer, x, first, rows):
    """Where the baseline has a row for every row of `x`: the rows of this batch."""
    baseline = explainer.option("baseline")
    leaves = [leaf for leaf in keras.tree.flatten(baseline) if hasattr(leaf, "shape")]
    if not leaves or isinstance(x, tf.data.Dataset) or data.count(x) == 1:
        return {}
    ranks = {leaf.ndim for leaf in trees.leaves(x)}
    if any(leaf.ndim in ranks and len(leaf) == data.count(x) for leaf in leaves):
        cut = lambda leaf: tf.convert_to_tensor(np.asarray(leaf[first : first + rows], "float32"))
        return {"baseline": trees.map_leaves(lambda leaf: cut(leaf) if hasattr(leaf, "shape") else leaf, baseline)}
    return {}


def _not_finite(batch):
    """`(rows,)`: whether a row holds NaN or infinity."""
    floats = [leaf.reshape(len(leaf), -1) for leaf in trees.leaves(batch) if leaf.dtype.kind == "f"]
    return np.any([~np.isfinite(leaf).all(axis=1) for leaf in floats], axis=0) if floats else np.zeros(1, bool)


def _without(rows, tree, value=np.nan):
    """A tree in which some rows hold `value` instead."""

    def leaf(x):
        if x.dtype.kind != "f" or not np.any(rows):
            return x
        x = x.copy()
        x[rows] = value
        return x

    return trees.map_leaves(leaf, tree)


def _stack(parts):
    return keras.tree.map_structure(lambda *leaves: np.concatenate(leaves), *parts)


def _join(parts):
    none = parts[0]["baseline_score"] is None
    baseline_score = None if none else np.concatenate([part["baseline_score"] for part in parts])
    joined = [_stack([part[name] for part in parts]) for name in ("values", "score", "target")]
    return joined[0], joined[1], baseline_score, joined[2]


def _described(explainer):
    """The options of an explainer in words that JSON can hold."""
    named = {name: getattr(explainer, name) for name in ("output", "space")}
    options = {**{k: v for k, v in named.items() if v not in (None, "output")}, **explainer.options}
    simple = (str, int, float, bool, type(None))
    return {k: v if isinstance(v, simple) else f"{type(v).__name__} {checks.shapes(v)}" for k, v in options.items()}


def _warn(explanation, explainer, broken):
    """Names the rows whose attributions mean nothing, or less than was asked for."""
    flat = [leaf.reshape(len(leaf), -1) for leaf in trees.leaves(explanation.values)]
    zero = np.flatnonzero(np.all([(leaf == 0).all(axis=1) for leaf in flat], axis=0))
    if broken.size:
        warnings.warn(
            f"NaN or infinite inputs in {checks.rows(broken)}: NaN there. Clean or impute them.", stacklevel=3
        )
    if zero.size:
        which = "all rows" if zero.size == len(explanation) > 1 else checks.rows(zero)
        warnings.warn(
            f"All attributions of {which} are zero: the score does not react to the inputs there. Usual reasons: a "
            "softmax or sigmoid that is saturated (pass `space='logit'`), an input equal to its baseline, units that "
            "are off, or a model that does not use its inputs.",
            stacklevel=3,
        )
    if explainer.option("tolerance"):
        gap = np.abs(explanation.score - explanation.baseline_score)
        over = np.flatnonzero(np.abs(explanation.residual) > explainer.option("tolerance") * gap + 1e-5)
        if over.size:
            warnings.warn(
                f"The residual of {checks.rows(over)} is above the tolerance at 64 times the steps. Pass more `steps`.",
                stacklevel=3,
            )
