"""Trainings at several weights, and the front: the weights that no other one betters in accuracy and explanations."""

import contextlib
import hashlib
import json
import numbers
from pathlib import Path

import keras
import numpy as np

from tf_xai.core import checks, files

# Parts of the names of metrics, as the callbacks of Keras read them.
DIRECTIONS = {"loss": "min", "error": "min", "acc": "max", "auc": "max"}


def pareto_sweep(
    build,
    weights,
    x,
    y=None,
    *,
    validation,
    seeds=(0,),
    metric="loss",
    mode="auto",
    directory=None,
    verbose="auto",
    **fit,
):
    """Trains a model for every weight and seed, and marks the weights that are worth having.

    A weight is on the front if no other is as good in everything and better in something, in the means over the seeds;
    everything is the metric and the penalties. The knee is the weight on it that is farthest from the chord between
    the ends, with every axis from 0 to 1: past it, a little more of the one costs much of the other.

    Args:
        build: Function of a weight that returns a compiled `ExplainableModel`, called after
            `keras.utils.set_random_seed(seed)`.
        weights: Numbers.
        x, y: Training data, as `fit` takes them.
        validation: Other data: `(x, y)`, `(x, y, sample_weight)` or a data set, with evidence if the losses need it.
            They must be free of the shortcut that the explanations are to keep the model from. Where they share it,
            accuracy speaks for too small a weight: every bit of the shortcut that is given up costs some.
        seeds: Integers: every weight is trained with each.
        metric: What of the task counts, by its name in the logs.
        mode: Whether less of it is better, "min", or more, "max". "auto" tells it from a name with "loss", "error",
            "acc" or "auc" in it.
        directory: Where finished trainings are noted, to go on there after an interruption. They count for the same
            weight, seed, data, arguments of `fit` (callbacks by their names), first weights and arguments of `compile`.
            It needs data in arrays.
        verbose: 0 for silence; otherwise a bar counts the trainings.
        **fit: Further arguments of `fit`.

    Returns: A pandas DataFrame with a row for every training: `weight`, `seed`, what `evaluate` says of the validation
        data, and `on_front` and `knee`, which the rows of a weight have in common. See `plot_pareto`.
    """
    import pandas as pd

    direction = _direction(metric, mode)
    notes = None if directory is None else _Notes(directory, (x, y, validation), fit)
    runs = [(float(weight), int(seed)) for weight in weights for seed in seeds]
    bar = keras.utils.Progbar(len(runs), unit_name="training", verbose=1 if verbose == "auto" else verbose)
    rows = []
    for weight, seed in runs:
        keras.utils.set_random_seed(seed)
        model = _built(build, weight)
        train = lambda model=model: _trained(model, x, y, validation, fit)
        result = train() if notes is None else notes.recall(model, weight, seed, train)
        axes = _axes(result, metric)
        rows.append({"weight": weight, "seed": seed, **result})
        bar.add(1)
    return _marked(pd.DataFrame(rows), axes, direction)


def plot_pareto(frame, x, y):
    """The trainings of `pareto_sweep` in the plane of two columns, with the front and its knee.

    Args:
        frame: What `pareto_sweep` returned.
        x, y: Names of columns, such as "xai_right_reasons_loss" and "accuracy".

    Returns: A matplotlib figure.
    """
    from tf_xai.visual.front import plot

    means = frame.groupby("weight")[[x, y, "on_front", "knee"]].mean()
    names = [f"{weight:g}" for weight in means.index]
    best = np.flatnonzero(means["knee"])
    return plot(means[[x, y]].to_numpy(), frame[[x, y]].to_numpy(), names, means["on_front"] == 1, best, (x, y))


def _direction(metric, mode):
    """1 where less is better, -1 where more is."""
    if mode == "auto":
        mode = next((each for part, each in DIRECTIONS.items() if part in metric), None)
    if mode not in ("min", "max"):
        raise ValueError(
            f"`mode` must be 'min' or 'max' for a metric whose name does not tell. Received: metric={metric!r}, "
            f"mode={mode!r}."
        )
    return 1 if mode == "min" else -1


def _built(build, weight):
    """The model of a weight, or an error that says what is wrong with it."""
    model = build(weight)
    if not hasattr(model, "penalize_validation"):
        raise TypeError(f"`build` must return a compiled `ExplainableModel`. Received: {type(model).__name__}.")
    if model.penalize_validation:
        raise ValueError("`build` must not set `penalize_validation`: the task losses of two weights are compared.")
    return model


def _trained(model, x, y, validation, fit):
    """What `evaluate` gives after a training, as plain numbers."""
    model.fit(x, y, verbose=0, **fit)
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(validation)
    options = {"batch_size": fit.get("batch_size"), "verbose": 0, "return_dict": True}
    result = model.evaluate(x, y, sample_weight=sample_weight, **options)
    return {name: float(value) for name, value in result.items()}


def _axes(result, metric):
    """What the front is made of: the metric and all penalties."""
    penalties = [name for name in result if name.startswith("xai_")]
    if metric not in result or not penalties:
        raise ValueError(
            f"No front without {metric!r} and penalties in the validation. Received: {list(result)}. Compile with that "
            "metric, and pass `validation=(tf_xai.with_evidence(x, ...), y)` where a loss needs evidence."
        )
    return [metric, *penalties]


def _marked(frame, axes, direction):
    """The frame with the columns `on_front` and `knee`, both about the means over the seeds."""
    means = frame.groupby("weight")[axes].mean()
    costs = means.to_numpy() * np.array([direction] + [1] * (len(axes) - 1))
    on_front = front(costs)
    best = means.index[on_front][knee(costs[on_front])] if on_front.any() else None
    return frame.assign(on_front=frame["weight"].isin(means.index[on_front]), knee=frame["weight"] == best)


def front(costs):
    """Which points `(n, axes)` no other one betters: boolean `(n,)`. Less is better; a point with a NaN is none."""
    no_worse = (costs[:, None] <= costs).all(axis=-1)
    better = (costs[:, None] < costs).any(axis=-1)
    return ~(no_worse & better).any(axis=0) & ~np.isnan(costs).any(axis=1)


def knee(costs):
    """The point of a front that is farthest below the plane through its ends, with all axes from 0 to 1."""
    low, high = costs.min(axis=0), costs.max(axis=0)
    # That plane is where these numbers have the sum 1.
    return np.argmin(((costs - low) / np.where(high > low, high - low, 1)).sum(axis=1))


class _Notes:
    """Finished trainings in a file, one JSON object per line."""

    def __init__(self, directory, data, fit):
        for leaf in keras.tree.flatten(data):
            if not (leaf is None or hasattr(leaf, "__array__") or isinstance(leaf, numbers.Number)):
                raise ValueError(
                    "`directory` tells trainings by their arrays, which other sources of data do not show. Received: "
                    f"{type(leaf).__name__}. Pass arrays as `x`, `y` and `validation`, or leave `directory` out."
                )
        self._common = {"data": _digest(data), "fit": {name: _digest(value) for name, value in fit.items()}}
        self._file = Path(directory) / "sweep.jsonl"
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._known = self._read()

    def _read(self):
        """The results by their keys, as the file has them now."""
        known = {}
        for line in self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else []:
            with contextlib.suppress(json.JSONDecodeError):  # files of old may have half a line
                entry = json.loads(line)
                known[_json(entry["key"])] = entry
        return known

    def recall(self, model, weight, seed, train):
        """The result of a training, from the file if it is there."""
        first = _digest([model.get_weights(), _json(_without_names(model.get_compile_config()))])
        key = {"weight": weight, "seed": seed, "model": first, **self._common}
        if _json(key) not in self._known:
            result = train()
            # Read again: another process may have noted trainings of its own meanwhile. There is no lock: of two that
            # write in the same moment the later one stays, and a note that is lost so is trained again another time.
            self._known = self._known | self._read() | {_json(key): {"key": key, "result": result}}
            with files.replacing(self._file) as temporary:
                temporary.write_text("".join(f"{_json(each)}\n" for each in self._known.values()), encoding="utf-8")
        return self._known[_json(key)]["result"]


def _digest(tree):
    """What tells arrays, wherever they are nested, from others; other objects only by their names."""
    digest = hashlib.sha256()
    for leaf in keras.tree.flatten(tree):
        if hasattr(leaf, "__array__"):
            leaf = np.ascontiguousarray(leaf)
            digest.update(f"{leaf.dtype}{leaf.shape}".encode() + leaf.tobytes())
        else:
            digest.update(_json(checks.in_words(leaf)).encode())
    return digest.hexdigest()[:16]


def _without_names(config):
    """Keras numbers the optimizers of a process by their names."""
    if isinstance(config, dict):
        return {key: _without_names(value) for key, value in config.items() if key != "name"}
    return [_without_names(value) for value in config] if isinstance(config, (list, tuple)) else config


def _json(value):
    return json.dumps(value, sort_keys=True, default=str)
