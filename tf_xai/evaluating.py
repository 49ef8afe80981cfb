"""`evaluate`: which explainer to trust, on a model and its data."""

import time

import numpy as np

from tf_xai.callbacks import probe
from tf_xai.core import checks, trees
from tf_xai.core.tracing import trace
from tf_xai.metrics.controls import CONTROLS
from tf_xai.metrics.panel import Panel, read

# Means of resampled rows, for the bounds of a mean.
RESAMPLED = 2000


def evaluate(
    model,
    x,
    y=None,
    explainers=("gradient_input", "integrated_gradients", "deep_lift", "lime"),
    metrics=("deletion", "insertion", "faithfulness_correlation", "max_sensitivity", "sparseness"),
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
        metrics: Names in `tf_xai.metrics.METRICS`, or a dict of these to their options.
        evidence: Masks like `x` of where the reason is, for metrics that compare with them.
        controls: What explanations are compared with: "random", normal noise of the size of the first explainer's, and
            "weights", what it says of the model with random weights. An explainer that is no better tells nothing.
        confidence: Of the bounds of every mean, by bootstrap over the rows.
        batch_size: Rows explained at once.

    Returns: A `pandas.DataFrame`: a row for every explainer and control; columns `(metric, "mean")`, `(metric, "low")`,
        `(metric, "high")`, over the rows where the metric is defined, `(metric, "rows")`, how many these are, and
        `("seconds", "all rows")`, what explaining takes once it is compiled.
    """
    import pandas as pd

    checks.positive("batch_size", batch_size)
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` must lie between 0 and 1. Received: confidence={confidence!r}.")
    for name in controls:
        checks.choose("controls", name, CONTROLS)
    x, y, evidence = probe.read(x, y, evidence)
    metrics, table, beside = read(metrics), {}, {}
    for number, (name, explainer) in enumerate(probe.by_name(explainers).items()):
        rows = probe.Probe(model, x, y, {name: explainer}, evidence)
        lines = _values(rows, metrics, () if number else controls, batch_size)
        for control in () if number else controls:
            beside[control] = {m: lines[f"xai_{m}_{control}"] for m in metrics if f"xai_{m}_{control}" in lines}
        table[name] = {m: lines[f"xai_{m}"] for m in metrics}, _seconds(rows, batch_size)
    table |= {name: (values, np.nan) for name, values in beside.items()}
    rows = {name: _row(*entry, confidence) for name, entry in table.items()}
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return frame.set_axis(pd.MultiIndex.from_tuples(frame.columns), axis=1)


def _values(rows, metrics, controls, batch_size):
    """The values of all rows: `{line: (rows,)}`."""
    panel = trace(Panel(rows.bound, metrics, controls))
    parts = [panel(*batch) for batch in rows.batches(batch_size)]
    return {line: np.concatenate([part[line] for part in parts]) for line in parts[0]}


def _seconds(rows, batch_size):
    """What explaining all rows takes, the second time."""
    (bound,) = rows.bound.values()
    batches = [(inputs, bound.score.target_from(inputs, labels)) for inputs, labels, _ in rows.batches(batch_size)]
    for _ in range(2):
        start = time.perf_counter()
        for inputs, target in batches:
            trees.map_leaves(np.asarray, bound(inputs, target))  # waits for them
        seconds = time.perf_counter() - start
    return seconds


def _row(values, seconds, confidence):
    """One row of the table."""
    row = {}
    for metric, each in values.items():
        each = each[np.isfinite(each)].astype("float64")
        drawn = np.random.default_rng(0).integers(0, max(len(each), 1), (RESAMPLED, len(each)))
        means = each[drawn].mean(axis=1) if len(each) else np.array([np.nan])
        low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
        mean = each.mean() if len(each) else np.nan
        row |= {(metric, "mean"): mean, (metric, "low"): low, (metric, "high"): high, (metric, "rows"): len(each)}
    return {**row, ("seconds", "all rows"): seconds}
