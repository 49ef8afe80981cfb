"""`evaluate`: which explainer to trust, on a model and its data."""

import time

import numpy as np

from tf_xai.callbacks import labels, probe
from tf_xai.core import checks, data, passes, trees
from tf_xai.core.score import Score
from tf_xai.core.tracing import trace
from tf_xai.metrics.controls import CONTROLS
from tf_xai.metrics.judge import check_explainer, with_whole_ids
from tf_xai.metrics.oracle import ORACLES
from tf_xai.metrics.panel import Panel, read
from tf_xai.metrics.registry import LOWER_IS_BETTER, METRICS, MOVING

# Means of resampled rows, for the bounds of a mean.
RESAMPLED = 2000

METRICS_BY_DEFAULT = ("deletion", "insertion", "faithfulness_correlation", "max_sensitivity", "sparseness")

# Columns of what an explainer costs.
FORWARD, BACKWARD, SECONDS = ("passes per row", "forward"), ("passes per row", "backward"), ("seconds", "all rows")


def evaluate(
    model,
    x,
    y=None,
    explainers=("gradient_input", "integrated_gradients", "deep_lift", "lime"),
    metrics=None,
    *,
    evidence=None,
    controls=("random", "weights"),
    confidence=0.95,
    batch_size=64,
):
    """A table of explainers and metrics: which explainer should be trusted here.

    Args:
        model: Any Keras model.
        x: Rows to explain, each `(rows, ...)`, or a data set of batches; some hundreds are enough.
        y: Labels as in `fit`; None explains the predicted class.
        explainers: A name, an `Explainer`, a list of them, or a dict of name to explainer.
        metrics: Names in `tf_xai.metrics.METRICS`, or a dict of these to their options. None takes "deletion",
            "insertion", "faithfulness_correlation", "max_sensitivity" and "sparseness"; of token ids alone, which can
            not move, the others.
        evidence: Masks like `x` of where the reason is, for metrics that compare with them.
        controls: What explanations are compared with: "random", normal noise of the size of the first explainer's;
            "weights", what it says of the model with random weights: an explainer that is no better tells nothing (not
            for `efficient_mprt` and `parameter_randomisation`, which draw such weights themselves); and "oracle", for
            the metrics of removal, the order of features that was found best step by step. It tries them one by one, so
            images need regions, `{"deletion": {"regions": "patches"}}`, and text "tokens".
        confidence: Of the bounds of every mean, by bootstrap over the rows.
        batch_size: Rows explained at once.

    Returns: A `pandas.DataFrame`: a row for every explainer and control; columns `(metric, "mean")`, `(metric, "low")`,
        `(metric, "high")`, over the rows where the metric is defined, `(metric, "rows")`, how many these are;
        with random control and oracle `(metric, "normalised")`, the mean on a scale on which the random control has 0
        and the oracle 1, NaN where the oracle is not the better one: trying step by step fails on features of which any
        one suffices; `("passes per row", "forward")` and `("passes per row", "backward")` through the model, and
        `("seconds", "all rows")`, what explaining takes once it is compiled. `plot_evaluation` draws it.
    """
    checks.positive("batch_size", batch_size)
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` must lie between 0 and 1. Received: confidence={confidence!r}.")
    explainers, metrics, controls = _asked(explainers, metrics, controls)
    x, y, evidence = probe.read(x, y, evidence)
    rows = probe.Probe(model, x, y, explainers, evidence)
    metrics = metrics or read(by_default(model, x))
    for bound in rows.bound.values() if y is not None else ():
        labels.check(bound.score, rows.inputs, y, getattr(model, "loss", None))
    table, beside = {}, {}
    for number, (name, bound) in enumerate(rows.bound.items()):
        lines = _values(rows, {name: bound}, metrics, () if number else controls, batch_size)
        for control in () if number else controls:
            beside[control] = {m: lines[f"xai_{m}_{control}"] for m in metrics if f"xai_{m}_{control}" in lines}
        table[name] = {m: lines[f"xai_{m}"] for m in metrics}, _cost(rows, bound, batch_size)
    table |= {name: (values, {}) for name, values in beside.items()}
    return _frame({name: _row(*entry, confidence) for name, entry in table.items()}, metrics)


def _asked(explainers, metrics, controls):
    """Explainers and metrics in dicts, None where nobody names any, and the controls; or an error."""
    explainers, metrics = probe.by_name(explainers), None if metrics is None else read(metrics)
    controls = (controls,) if isinstance(controls, str) else tuple(controls)
    for name in controls:
        checks.choose("controls", name, CONTROLS)
    for explainer in explainers.values():
        check_explainer(explainer)
    if metrics is not None and not metrics:
        raise ValueError("`metrics` must name at least one. Received none.")
    if taken := set(explainers) & set(controls):
        raise ValueError(f"Explainers and controls need different names. Received {sorted(taken)} as both.")
    return explainers, metrics, controls


def by_default(model, x):
    """The metrics that `evaluate` takes where nobody names any: of token ids alone those that move nothing."""
    model = Score(model).model
    leaves = trees.leaves(with_whole_ids(model, data.to_tensors(model, data.arrays(x))))
    movable = any(trees.is_float(leaf) for leaf in leaves)
    return [name for name in METRICS_BY_DEFAULT if movable or name not in MOVING]


def _values(rows, bound, metrics, controls, batch_size):
    """The values of all rows: `{line: (rows,)}`."""
    panel = trace(Panel(bound, metrics, controls))
    parts = [panel(*batch) for batch in rows.batches(batch_size)]
    return {line: np.concatenate([part[line] for part in parts]) for line in parts[0]}


def _cost(rows, bound, batch_size):
    """Passes of an explanation, counted in the first batch, and what explaining all rows takes the second time."""
    batches = [(inputs, bound.score.target_from(inputs, labels)) for inputs, labels, _ in rows.batches(batch_size)]
    forward, backward = passes.count(bound, *batches[0])
    for _ in range(2):
        start = time.perf_counter()
        for inputs, target in batches:
            trees.map_leaves(np.asarray, bound(inputs, target))  # waits for them
        seconds = time.perf_counter() - start
    return {FORWARD: forward, BACKWARD: backward, SECONDS: seconds}


def _row(values, cost, confidence):
    """One row of the table."""
    row = {}
    for metric, each in values.items():
        each = each[np.isfinite(each)].astype("float64")
        mean, low, high = _bounded(each, confidence) if each.size else (np.nan, np.nan, np.nan)
        row |= {(metric, "mean"): mean, (metric, "low"): low, (metric, "high"): high, (metric, "rows"): each.size}
    return row | cost


def _bounded(values, confidence):
    """The mean, and quantiles of the means of rows drawn with replacement: one draw after the other, for its memory."""
    generator, count = np.random.default_rng(0), len(values)
    means = [values[generator.integers(0, count, count)].mean() for _ in range(RESAMPLED)]
    return values.mean(), *np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])


def _frame(rows, metrics):
    """The table of all rows."""
    import pandas as pd

    parts = ["mean", "low", "high", "rows"]
    if {"random", "oracle"} <= set(rows):
        parts.append("normalised")
        for row in rows.values():
            row.update({(metric, "normalised"): _normalised(row, rows, metric) for metric in metrics})
    columns = [(metric, part) for metric in metrics for part in parts] + [FORWARD, BACKWARD, SECONDS]
    values = [[row.get(column, np.nan) for column in columns] for row in rows.values()]
    return pd.DataFrame(values, list(rows), pd.MultiIndex.from_tuples(columns))


def _normalised(row, rows, metric):
    """0 is as good as the random control, 1 as the oracle; NaN for metrics without an oracle that is the better one."""
    if metric not in ORACLES:
        return np.nan
    mean, none, best = (each[metric, "mean"] for each in (row, rows["random"], rows["oracle"]))
    better = best < none if METRICS[metric] in LOWER_IS_BETTER else best > none
    return (mean - none) / (best - none) + 0.0 if better else np.nan  # no -0.0


def plot_evaluation(table):
    """A panel for every metric of a table of `evaluate`: means of the explainers with their bounds.

    Controls are grey; the bounds of the random control are a band that an explainer should be well away from.

    Args:
        table: What `evaluate` returned, or some of its rows or columns.

    Returns: A matplotlib figure.
    """
    from tf_xai.visual.comparison import plot

    metrics = [metric for metric in dict.fromkeys(table.columns.get_level_values(0)) if metric in METRICS]
    if not metrics:
        raise ValueError(
            f"`table` must have metrics, as `evaluate` returns them. Received columns: {list(table.columns)}."
        )
    names = list(table.index)
    numbers = [table[[(metric, part) for metric in metrics]].to_numpy() for part in ("mean", "low", "high")]
    higher = [METRICS[metric] not in LOWER_IS_BETTER for metric in metrics]
    reference = names.index("random") if "random" in names else None
    return plot(names, metrics, *numbers, higher, [name in CONTROLS for name in names], reference)
