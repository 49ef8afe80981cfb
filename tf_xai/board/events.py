"""What the page asks for, out of the records of FORMAT.md, whoever has read them.

Logs are `{run: {name of a tag: Tag}}`; `found` is what `tags.known` makes of one of its runs.
"""

import math

import numpy as np

from tf_xai.board.packing import VERSION, FormatError, pack, unpack
from tf_xai.board.tags import known, methods


def title(run):
    """The name that is shown of a run."""
    above, _, last = run.rpartition("/")
    return (above or ".") if last == "xai" else run


def index(logs, examine, limit=0):
    """What there is, as JSON.

    Args:
        logs: With the arrays of numbers; those of curves are not looked at.
        examine: Function of the key and the time of a blob of inputs to their number; raises FormatError.
        limit: How many records of a tag the reader keeps, 0 for all.
    """
    runs, problems = {}, []
    for run in sorted(logs):
        found, wrong = known(logs[run])
        inputs, n, more = _inputs(found, examine)
        runs[run] = {"title": title(run), "inputs": inputs, "methods": {}}
        for method in methods(found) if n != 0 else ():
            runs[run]["methods"][method] = _method(found, method)
            more += _doubts(found, method, limit)
        problems += [f"run {title(run)}: {text}" for text in wrong + more]
    return {"v": VERSION, "runs": runs, "problems": problems}


def _inputs(found, examine):
    """`[wall time, key]` of the examples and their number, None where they are not known; and what is wrong."""
    tag = found.get(("inputs", None))
    if tag is None or not tag.points:
        maps = [method for kind, method in found if kind == "maps"]
        return None, None, ["it has maps, but not the examples that they are of"] if maps else []
    _, time, key = tag.points[-1]
    try:
        n = examine(key, time)
    except FormatError as error:
        return None, None, [f"the examples cannot be shown: {error}"]
    if n == 0:
        return None, 0, ["it has 0 examples: pass AttributionBoard at least one row"]
    return [time, key], n, []


def _method(found, method):
    """The entry of a method in the index."""
    maps, numbers, curves = (found.get((kind, method)) for kind in ("maps", "numbers", "curves"))
    return {
        "maps": [list(point) for point in maps.points] if maps else [],
        "columns": numbers.content["columns"] if numbers else [],
        "curves": curves.content["curves"] if curves else [],
        "control": any(bool(tag.content.get("control")) for tag in (numbers, curves) if tag),
        "time": newest(found, method),
    }


def newest(found, method):
    """The wall time of the newest numbers of a method, or curves; None where there are none."""
    tags = (found.get((kind, method)) for kind in ("numbers", "curves"))
    return max((tag.time for tag in tags if tag and tag.time is not None), default=None)


def _doubts(found, method, limit):
    """What is wrong with the records of a method, in words."""
    kept = max(len(tag.points) for (_, name), tag in found.items() if name == method)
    if 0 < limit <= kept:
        yield (
            f"{method} has {kept} steps, as many as TensorBoard keeps: there may be more in the files. "
            "--samples_per_plugin tf_xai=0 keeps all"
        )
    numbers = found.get(("numbers", method))
    if numbers is None:
        return
    fitting = numbers.fitting()
    if len(fitting) < len(numbers.points):
        yield (
            f"{len(numbers.points) - len(fitting)} of {len(numbers.points)} steps of the numbers of {method} are left "
            "out: they have other columns or examples than the newest"
        )
    yield from _not_finite(method, numbers.content["columns"], fitting)


def _not_finite(method, columns, fitting):
    """Maps have a scale unless nothing in them is finite."""
    scales = [column for column, name in enumerate(columns) if name.split("/")[0] == "scale"]
    if not scales or not fitting:
        return
    lost = np.stack([np.isnan(value[:, scales]).any(axis=1) for _, value in fitting])
    if lost.any():
        step = fitting[int(lost.any(axis=1).argmax())][0]
        rows = np.flatnonzero(lost.any(axis=0))
        yield f"maps of {method} without any finite value: of {len(rows)} of {lost.shape[1]} examples, from step {step}"


def series(found, method):
    """All numbers and curves of a method, packed, as `store.js` reads them.

    Raises: KeyError where there are none.
    """
    numbers, curves = found["numbers", method], found.get(("curves", method))
    values = dict(numbers.fitting())
    if not values:
        raise KeyError(method)
    stacked = np.stack(list(values.values())).astype("float32", copy=False)
    arrays, names, shares = [{"name": "numbers", "data": stacked}], [], []
    if curves:
        names, shares = curves.content["curves"], curves.content["shares"]
        arrays.append({"name": "curves", "data": _beside(curves, list(values), stacked.shape[1])})
    header = {"n": stacked.shape[1], "steps": list(values), "columns": numbers.content["columns"]}
    return pack(arrays, **header, curves=names, shares=shares)


def _beside(curves, steps, n):
    """The curves at these steps, NaN where there are none."""
    values = {step: value for step, value in curves.fitting() if len(value) == n}
    return np.stack([values.get(step, np.full((n, *curves.shape), np.nan)) for step in steps]).astype("float32")


def examine(blob):
    """How many examples a blob has. Raises: FormatError, in words."""
    header, _ = unpack(blob)
    if not isinstance(header.get("n"), int):
        raise FormatError("it does not say how many there are")
    return header["n"]


def lines(scalars):
    """`{run: {tag: [[step, value]]}}` for JSON, of the same with any numbers."""
    return {
        run: {
            tag: [[int(step), float(value) if math.isfinite(value) else None] for step, value in points]
            for tag, points in sorted(tags.items())
        }
        for run, tags in sorted(scalars.items())
    }
