"""Attributions as objects of the shap and lime packages, and the names of their columns."""

import numpy as np

from tf_xai.core import checks, trees


def to_shap(explanation, data=None, joined=False):
    """A `shap.Explanation`, or a nest of them in the structure of the inputs: every plot of shap draws them.

    Args:
        explanation: A `tf_xai.Explanation`.
        data: What the plots show in place of the inputs, nested like them, such as the words of token ids.
        joined: Whether to lay all inputs side by side as columns of one `shap.Explanation`, `(rows, columns)`, so that
            the values of a row add up to its score where there are several inputs.
    """
    import shap

    _has_features(explanation)
    e, data = explanation, explanation.inputs if data is None else data
    base = np.zeros_like(e.score) if e.baseline_score is None else e.baseline_score
    if joined:
        names = column_names(e.values, e.feature_names)
        columns = side_by_side(trees.map_leaves(_shown, data, e.values))
        return shap.Explanation(side_by_side(e.values), base, data=columns, feature_names=names)
    names = e.feature_names if isinstance(e.values, np.ndarray) else None
    make = lambda values, inputs: shap.Explanation(values, base, data=inputs, feature_names=names)
    return trees.map_leaves(make, e.values, data)


def to_lime(explanation, row=0, features=10):
    """One row as a `lime.explanation.Explanation`: `as_list`, `as_pyplot_figure` and `as_html`.

    It is that of a regression, since an explanation is of one score: no label needs to be named.

    Args:
        explanation: A `tf_xai.Explanation`.
        row: Number of the row.
        features: The most features that it holds, those of the largest magnitude.
    """
    from lime.explanation import Explanation
    from lime.lime_tabular import TableDomainMapper

    _has_features(explanation)
    e = explanation[row]
    values = side_by_side(e.values)[0].astype("float64")
    inputs = side_by_side(trees.map_leaves(_shown, e.inputs, e.values))[0]
    names, shown = column_names(e.values, e.feature_names), [f"{number:.2f}" for number in inputs]
    result = Explanation(TableDomainMapper(names, shown, values, categorical_features=[]), mode="regression")
    largest = np.argsort(-np.abs(values), kind="stable")[:features]
    base = 0.0 if e.baseline_score is None else float(e.baseline_score[0])
    result.predicted_value, result.intercept = float(e.score[0]), {0: base, 1: base}
    # The ends of the bar that shows the score.
    result.min_value, result.max_value = min(base, explanation.score.min()), max(base, explanation.score.max())
    # Label 1 is a high score, label 0 a low one.
    result.local_exp = {1: [(int(i), values[i]) for i in largest], 0: [(int(i), -values[i]) for i in largest]}
    return result


def _has_features(explanation):
    """Raises where values are not those of the inputs."""
    pairs = [checks.outline(explanation.values), checks.outline(explanation.inputs)]
    if pairs[0] != pairs[1]:
        raise ValueError(
            f"The values belong to no features: they have {pairs[0]}, the inputs {pairs[1]}. Maps of attention layers "
            "have a plot of their own, `e.plot()`; 'attention_relevance' gives one value per token."
        )


def side_by_side(tree):
    """The features of all leaves as columns, `(rows, columns)`."""
    return np.concatenate([leaf.reshape(len(leaf), -1) for leaf in trees.leaves(tree)], axis=1)


def column_names(values, feature_names=None):
    """The names of these columns: those given for a table, else `x0` or, of a dict, its keys and the positions."""
    names = []
    for path, leaf in _named_leaves(values):
        if leaf.ndim == 2 and path == "x" and feature_names:
            names += list(feature_names)
        elif leaf.shape[1:] == (1,) and path != "x":
            names.append(path)
        else:
            names += [_position(path, i) for i in np.ndindex(leaf.shape[1:])]
    columns = sum(int(np.prod(leaf.shape[1:])) for leaf in trees.leaves(values))
    if len(names) != columns:
        raise ValueError(f"`feature_names` must name {columns} columns. Received: {len(names)}.")
    return names


def _shown(inputs, values):
    """Inputs in the shape of their values: of a map with one channel, the mean over the channels."""
    return inputs if inputs.shape == values.shape else inputs.mean(axis=-1, keepdims=True)


def _named_leaves(tree, path=""):
    """`(name, leaf)` of every leaf in order; a single array is called 'x'."""
    if isinstance(tree, dict):
        return [pair for k in sorted(tree) for pair in _named_leaves(tree[k], f"{path}.{k}" if path else str(k))]
    if isinstance(tree, (list, tuple)):
        return [pair for i, entry in enumerate(tree) for pair in _named_leaves(entry, f"{path or 'x'}{i}")]
    return [(path or "x", tree)]


def _position(path, index):
    return f"{path}{index[0]}" if len(index) == 1 else f"{path}[{','.join(map(str, index))}]"
