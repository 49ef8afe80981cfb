"""Snapshots: what the explanations of a probe were at some time, and their way to a file and back."""

import json
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tf_xai.core import checks, data, files, trees
from tf_xai.explanation import Explanation

# What a model is compared with in the course of its own training.
OWN = ("previous", "first")


class Snapshot(NamedTuple):
    """Explanations of the rows of a probe.

    Attributes:
        values: The leaves of the attributions, each `(rows, ...)`.
        score: `(rows,)`, what is explained.
        classes: `(rows, ...)`, the predicted classes; None of a regression.
    """

    values: list
    score: np.ndarray
    classes: np.ndarray | None = None

    def same_prediction(self, other, tolerance):
        """Which rows `(rows,)` have the prediction that they have in another snapshot, see `ExplanationDrift`."""
        if self.classes is None or other.classes is None:
            known = other.score[np.isfinite(other.score)]
            return np.abs(self.score - other.score) <= tolerance * (known.std() if known.size else 0.0)
        return (self.classes != other.classes).reshape(len(self.score), -1).mean(axis=1) <= tolerance


def join(parts):
    """The snapshot of all batches: of dicts with the entries of a snapshot, those known."""
    return Snapshot(**trees.map_leaves(lambda *leaves: np.concatenate(leaves), *parts))


def references(reference, x):
    """`{name: "previous", "first" or a Snapshot}` of what a user passes as `reference`."""
    if not isinstance(reference, dict):
        each = reference if isinstance(reference, (list, tuple)) else [reference]
        names = [_name(one) for one in each]
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"References need different names, and there must be one. Received: {names}. Pass a dict of name to "
                "reference."
            )
        reference = dict(zip(names, each, strict=True))
    return {name: each if each in OWN else _read(each, data.arrays(x)) for name, each in reference.items()}


def _name(reference):
    """Of a file its name without the ending."""
    return "explanation" if isinstance(reference, Explanation) else Path(reference).stem


def _read(reference, x):
    """The snapshot of an `Explanation`, or of a file with one, that is of these rows."""
    if not isinstance(reference, Explanation):
        path = Path(reference)
        if not (path.exists() or Path(f"{path}.npz").exists()):
            raise ValueError(
                f"Unknown `reference`. Expected 'previous', 'first', an `Explanation` or the path of a saved one. "
                f"Received: {str(reference)!r}, and there is no such file.{checks.nearest(reference, OWN)}"
            )
        reference = Explanation.load(path)
    if len(reference) != data.count(x):
        raise ValueError(
            f"`reference` must explain the rows of `x`. Expected: {data.count(x)} rows. Received: {len(reference)}. "
            "Explain the same rows in the same order."
        )
    if "layer" not in reference.info.get("options", {}) and not _alike(reference.inputs, x):
        raise ValueError(
            "`reference` must explain the rows of `x`. Received: an explanation of other inputs, or in another order. "
            "Explain the same rows in the same order."
        )
    target = reference.target
    classes = target if target is not None and target.ndim == 1 and target.dtype.kind in "iu" else None
    return Snapshot(trees.leaves(reference.values), reference.score, classes)


def _alike(inputs, x):
    """Whether numbers of the same shapes are the same but for rounding, as of half precision."""
    pairs = zip(map(np.asarray, trees.leaves(inputs)), map(np.asarray, trees.leaves(x)), strict=False)
    numbers = [(a, b) for a, b in pairs if a.shape == b.shape and {a.dtype.kind, b.dtype.kind} <= set("iufb")]
    return all(np.allclose(a, b, rtol=1e-2, atol=1e-2 * np.nanstd(b), equal_nan=True) for a, b in numbers)


def mark(tree):
    """A number that tells arrays from others."""
    number = 0
    for leaf in map(np.asarray, trees.leaves(data.arrays(tree))):
        leaf = leaf.astype(str) if leaf.dtype.kind == "O" else leaf
        number = zlib.crc32(np.ascontiguousarray(leaf).tobytes(), number)
    return number


def contents(options):
    """The arrays in options, which `repr` names by their shapes only, also those that an object of these holds."""
    for leaf in trees.leaves(options):
        if hasattr(leaf, "__array__"):
            yield np.asarray(leaf)
        elif hasattr(leaf, "get_config"):
            config = leaf.get_config()
            yield np.asarray(repr(checks.in_words(config)))
            yield from contents(config)


def write(path, what, history, snapshots):
    """One `.npz` file of a history and snapshots by epoch, and of what they are of; at once, without pickles."""
    arrays = {}
    for epoch, snapshot in snapshots.items():
        arrays |= {f"{epoch}/values/{i}": leaf for i, leaf in enumerate(snapshot.values)}
        arrays |= {f"{epoch}/{name}": getattr(snapshot, name) for name in ("score", "classes")}
    known = {name: array for name, array in arrays.items() if array is not None}
    meta = {"what": what, "history": history, "snapshots": {e: len(each.values) for e, each in snapshots.items()}}
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(path) as temporary:
        np.savez(temporary, meta=np.array(json.dumps(meta)), **known)


def read(path):
    """What `write` wrote: `what, history, snapshots`."""
    with np.load(path, allow_pickle=False) as file:
        meta = json.loads(str(file["meta"]))
        snapshots = {
            int(e): Snapshot([file[f"{e}/values/{i}"] for i in range(n)], file[f"{e}/score"], file.get(f"{e}/classes"))
            for e, n in meta["snapshots"].items()
        }
    return meta["what"], {int(epoch): entry for epoch, entry in meta["history"].items()}, snapshots
