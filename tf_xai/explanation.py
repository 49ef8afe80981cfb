"""Explanation: what a user gets back."""

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tf_xai.core import conversions, files, trees


@dataclass(frozen=True)
class Explanation:
    """Attributions of some rows, and what they explain.

    Attributes:
        values: Attributions, NumPy arrays in the structure and shapes of the inputs (maps: one channel).
        score: `(rows,)`, the explained score.
        target: `(rows,)` classes or `(rows, classes)` weights; None for a regression.
        inputs: The explained inputs; with `layer=`, what the layer puts out.
        baseline_score: `(rows,)`, the score at the baseline or the mean over the background; None without one.
        fidelity: `(rows,)`, R² of the surrogate; None for methods without one.
        feature_names: Names of the columns, or None.
        index: `(rows,)`, the row labels of the data frame, or None.
        info: What was done, in words: `method`, `options` and `notes`.
    """

    values: Any
    score: np.ndarray
    target: np.ndarray | None
    inputs: Any
    baseline_score: np.ndarray | None = None
    fidelity: np.ndarray | None = None
    feature_names: list | None = None
    index: np.ndarray | None = None
    info: dict = field(default_factory=dict)

    @property
    def residual(self):
        """`(rows,)`: `sum(values) - (score - baseline_score)`; None for methods without a baseline."""
        if self.baseline_score is None:
            return None
        total = sum(leaf.reshape(len(leaf), -1).sum(axis=1, dtype="float64") for leaf in trees.leaves(self.values))
        return (total - (self.score.astype("float64") - self.baseline_score)).astype("float32")

    @property
    def _title(self):
        return self.info.get("method", "attributions")

    def __len__(self):
        return len(self.score)

    def __getitem__(self, rows):
        """The explanation of some rows: a slice, a mask or row numbers."""
        rows = [rows] if isinstance(rows, (int, np.integer)) else rows
        some = lambda tree: None if tree is None else trees.map_leaves(lambda leaf: leaf[rows], tree)
        parts = {name: some(getattr(self, name)) for name in _ARRAYS}
        return Explanation(**parts, feature_names=self.feature_names, info=self.info)

    def __repr__(self):
        shapes = trees.map_leaves(lambda leaf: leaf.shape, self.values)
        known = np.abs([] if self.residual is None else self.residual[np.isfinite(self.residual)])
        worst = f", largest residual {known.max():.2g}" if known.size else ""
        return f"Explanation({self._title}, {len(self)} rows, values {shapes}{worst})"

    def to_shap(self, data=None, joined=False):
        """A `shap.Explanation`, or a nest of them like the inputs; `joined` lays all inputs side by side as columns.

        `data` is what the plots show in place of the inputs, such as the words of token ids.
        """
        return conversions.to_shap(self, data, joined)

    def to_lime(self, row=0, features=10):
        """One row, its largest features, as a `lime.explanation.Explanation`."""
        return conversions.to_lime(self, row, features)

    def to_frame(self, feature_names=None):
        """A pandas frame, one row per explained row: an attribution per column, then target, score and residual.

        Where a column of the data has one of these names, they become `xai_target` and so on.
        """
        import pandas as pd

        names = conversions.column_names(self.values, feature_names or self.feature_names)
        columns = dict(zip(names, conversions.side_by_side(self.values).T, strict=True))
        extra = {
            "target": self.target if np.ndim(self.target) == 1 else None,
            "score": self.score,
            "baseline_score": self.baseline_score,
            "residual": self.residual,
        }
        for name, column in extra.items():
            if column is not None:
                columns[f"xai_{name}" if name in columns else name] = column
        return pd.DataFrame(columns, index=self.index)

    def plot(self, rows=None, words=None, **options):
        """A matplotlib figure that fits the inputs: bars, coloured words, overlays for images, bands for series.

        Args:
            rows: Which rows to draw; the first four where None, of attention maps the first.
            words: Of token ids: the words of every explained row, or a function of an id such as
                `vocabulary.__getitem__`; of several inputs a dict by their names.
            **options: See `tf_xai.visual.figures.plot`.
        """
        from tf_xai.visual.figures import plot

        if rows is None:
            rows = slice(1 if self.info.get("method") == "attention" else 4)
        some, numbers = self[rows], np.atleast_1d(np.arange(len(self))[rows])
        chosen = lambda given: given if given is None or callable(given) else [given[number] for number in numbers]
        known = {"score": some.score, "target": some.target, "feature_names": self.feature_names}
        words = {name: chosen(given) for name, given in words.items()} if isinstance(words, dict) else chosen(words)
        return plot(
            some.values, some.inputs, words=words, **{**known, "title": self._title.replace("_", " "), **options}
        )

    def save(self, path):
        """Writes one `.npz` file (the ending is added where it lacks) without pickles; an older one stays till then."""
        trees_, meta = {}, {"feature_names": self.feature_names, "info": self.info}
        for name in _ARRAYS:
            tree = getattr(self, name)
            if tree is not None:
                trees_.update({f"{name}/{i}": leaf for i, leaf in enumerate(trees.leaves(tree))})
                meta[f"structure of {name}"] = _skeleton(tree)
        with files.replacing(_file(path)) as temporary:
            np.savez_compressed(temporary, meta=np.array(json.dumps(meta)), **trees_)

    @classmethod
    def load(cls, path):
        """Reads what `save` wrote."""
        with np.load(_file(path), allow_pickle=False) as file:
            meta = json.loads(str(file["meta"]))
            parts = {}
            for name in _ARRAYS:
                skeleton = meta.pop(f"structure of {name}", None)
                leaves = (file[f"{name}/{i}"] for i in itertools.count())
                parts[name] = None if skeleton is None else _rebuild(skeleton, leaves)
        return cls(**parts, **meta)


_ARRAYS = ("values", "score", "target", "inputs", "baseline_score", "fidelity", "index")


def _file(path):
    """The path with its ending."""
    return Path(path if Path(path).suffix == ".npz" else f"{path}.npz")


def _skeleton(tree):
    """The nesting of a tree as JSON, keys in the order of its leaves."""
    if isinstance(tree, dict):
        return {"dict": {key: _skeleton(tree[key]) for key in sorted(tree)}}
    if isinstance(tree, (list, tuple)):
        return {type(tree).__name__: [_skeleton(entry) for entry in tree]}
    return "array"


def _rebuild(skeleton, leaves):
    if skeleton == "array":
        return next(leaves)
    ((kind, entries),) = skeleton.items()
    if kind == "dict":
        return {key: _rebuild(entry, leaves) for key, entry in entries.items()}
    built = [_rebuild(entry, leaves) for entry in entries]
    return tuple(built) if kind == "tuple" else built
