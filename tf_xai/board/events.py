"""What the page asks for, out of the records of FORMAT.md, whoever has read them.

Logs are `{run: {name of a tag: Tag}}`; `found` is what `tags.known` makes of one of its runs.
"""

import math

import numpy as np

from tf_xai.board.files import logged_again
from tf_xai.board.packing import VERSION, FormatError, pack, unpack
from tf_xai.board.tags import is_control, known, methods, newest_inputs, words


def title(run):
    """The name that is shown of a run."""
    above, _, last = run.rpartition("/")
    shown = above if last == "xai" else run
    return "(this directory)" if shown in ("", ".") else shown


def index(logs, examine, limit=0):
    """What there is, as JSON.

    Args:
        logs: With the arrays of numbers; those of curves are not looked at.
        examine: Function of the key and the time of a blob of inputs to what `examine` below says of it, or an error.
        limit: How many records of a tag the reader keeps, 0 for all.
    """
    runs, problems = {}, []
    for run in sorted(logs):
        found, wrong = known(logs[run])
        inputs, n, more = _inputs(found, examine)
        entries = {}
        for method in methods(found) if n != 0 else ():
            try:
                entry, doubts = _method(found, method), list(_doubts(found, method, limit))
            except Exception as error:  # whatever is in its records, it costs no more than the method
                more.append(f"{method} is left out: {words(error)}")
            else:
                entries[method] = entry
                more += doubts
        runs[run] = {"title": title(run), **inputs, "methods": entries}
        problems += [f"run {title(run)}: {text}" for text in wrong + more]
    return {"v": VERSION, "runs": runs, "problems": problems}


def _inputs(found, examine):
    """What the index says of the examples, their number, None where it is not known, and what is wrong."""
    unknown = {"inputs": None, "kinds": [], "digest": None}
    newest = newest_inputs(found)
    if newest is None:
        maps = [method for kind, method in found if kind == "maps"]
        return unknown, None, ["it has maps, but not the examples that they are of"] if maps else []
    _, time, key = newest
    try:
        seen = examine(key, time)
    except Exception as error:
        return unknown, None, [f"the examples cannot be shown: {words(error)}"]
    if seen["n"] == 0:
        return unknown, 0, ["it has 0 examples: pass AttributionBoard at least one row"]
    return {"inputs": [time, key], "kinds": seen["kinds"], "digest": seen["digest"]}, seen["n"], []


def _method(found, method):
    """The entry of a method in the index."""
    maps, numbers, curves = (found.get((kind, method)) for kind in ("maps", "numbers", "curves"))
    return {
        "maps": [list(point) for point in maps.points] if maps else [],
        "columns": numbers.content["columns"] if numbers else [],
        "curves": curves.content["curves"] if curves else [],
        "control": is_control(found, method),
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
    """`{"n", "kinds", "digest"}` of a blob of examples. Raises: FormatError, in words."""
    header, _ = unpack(blob)
    n, digest = header.get("n"), header.get("digest")
    if not isinstance(n, int) or n < 0:
        raise FormatError("it does not say how many there are")
    kinds = [entry.get("kind") for entry in header["arrays"]]
    return {
        "n": n,
        "kinds": list(dict.fromkeys(kind for kind in kinds if isinstance(kind, str))),
        "digest": digest if isinstance(digest, str) else None,
    }


def repeated(logs):
    """What the records themselves say of steps that were logged again, in words, where no files can be looked at."""
    for run, tags in sorted(logs.items()):
        again = [step for tag in tags.values() for step in _again(tag.points)]
        yield from (f"run {title(run)}: {text}" for text in logged_again([(step, step) for step in again * 2]))


def _again(points):
    """The steps that came when one as large was there already."""
    last = -1
    for step, _, _ in sorted(points, key=lambda point: point[1]):
        if step <= last:
            yield step
        last = max(step, last)


def lines(scalars):
    """`{run: {tag: [[step, value]]}}` for JSON, of the same with any numbers."""
    return {
        run: {
            # Of a step that was logged twice the first, as of maps: see `tags.known`.
            tag: [[int(step), _finite(value)] for step, value in sorted(dict(reversed(points)).items())]
            for tag, points in sorted(tags.items())
        }
        for run, tags in sorted(scalars.items())
    }


def _finite(value):
    """A number of Python; None where there is none."""
    try:
        return float(value) if math.isfinite(value) else None
    except (TypeError, OverflowError):
        return None
