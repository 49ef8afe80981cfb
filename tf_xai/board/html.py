"""The page of the tab as one file, from the same modules and with the same data."""

import base64
import html
import json
import posixpath
import re
from pathlib import Path

import tensorflow as tf

from tf_xai.board import events, files
from tf_xai.board.assets import assets
from tf_xai.board.packing import PLUGIN
from tf_xai.board.tags import Tag, known, words

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' data:; \
style-src 'unsafe-inline'; img-src data: blob:">
<title>{title}</title>
<style id="xai-style">
{style}
</style>
<script type="importmap">{imports}</script>
</head>
<body>
<script type="application/json" id="xai-data">{data}</script>
<script type="module">
import {{ render }} from 'tf_xai/index.js';
import {{ embedded }} from 'tf_xai/source.js';
render(embedded(JSON.parse(document.getElementById('xai-data').textContent)));
</script>
</body>
</html>
"""

# What a module names as `from './x.js'`, `import './x.js'` or `import(...)`.
_RELATIVE = re.compile(r"""(\bfrom\s*|\bimport\s*\(?\s*)(['"`])(\.{1,2}/[^'"`]+)\2""")

_TENSOR, _BLOBS = 2, 3  # of TensorBoard's `DataClass`


def to_html(logdir, path):
    """Writes what `AttributionBoard` has logged as a page that needs no server, no network and no tensorboard.

    Args:
        logdir: Directory with runs, as for TensorBoard: all directories named xai in it are read.
        path: Where the page goes, in a directory that is there. It is as large as the logs and a third more.

    Returns:
        The path.

    Raises:
        ValueError: Where there is nothing to show, or the page cannot be written.
    """
    path = Path(path).expanduser()
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(
            f"`path` must be a file in a directory that is there. Received: {str(path)!r}, "
            f"{'a directory' if path.is_dir() else f'but there is no directory {str(path.parent)!r}'}. Pass a name "
            "such as 'board.html', or make the directory first."
        )
    logs, scalars, blobs, problems = read(logdir)
    if not logs:
        raise ValueError(
            "`logdir` must have attributions in it. Expected event files of AttributionBoard in directories named "
            f"'xai'. Received: {str(logdir)!r}. Train with callbacks=[xai.callbacks.AttributionBoard(...)], or pass "
            "the directory that its `log_dir` is in."
        )
    data = {**_answers(logs, blobs, problems), "scalars": events.lines(scalars)}
    _replace(path, _page(f"XAI: {Path(logdir).expanduser().resolve().name}", data))
    return path


def _replace(path, text):
    """Writes a file so that what was there stays until all of it is written."""
    path = path.resolve()  # a link stays one
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _answers(logs, blobs, problems):
    """What the server answers to index, blob and series."""
    index = events.index(logs, lambda key, time: events.examine(blobs[key]))
    index["problems"] += problems
    series = {}
    for run, entry in index["runs"].items():
        found, _ = known(logs[run])
        for method, each in entry["methods"].items():
            if each["columns"] and found["numbers", method].fitting():
                # As JSON.stringify writes it.
                key = json.dumps([run, method], ensure_ascii=False, separators=(",", ":"))
                series[key] = _text(events.series(found, method))
    keys = [run["inputs"][1] for run in index["runs"].values() if run["inputs"]]
    keys += [key for run in index["runs"].values() for each in run["methods"].values() for _, _, key in each["maps"]]
    return {"index": index, "series": series, "blobs": {key: _text(blobs[key]) for key in keys}}


def _text(blob):
    return base64.b64encode(blob).decode()


def _page(title, data):
    modules = {name: path.read_text(encoding="utf-8") for name, path in assets().items()}
    imports = {
        f"{PLUGIN}/{name}": f"data:text/javascript;base64,{_text(_bare(name, text).encode())}"
        for name, text in modules.items()
        if name.endswith(".js")
    }
    return _PAGE.format(
        title=html.escape(title),
        style="\n".join(text for name, text in modules.items() if name.endswith(".css")),
        imports=json.dumps({"imports": imports}),
        # Nothing in a text of the logs may end the element.
        data=json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
    )


def _bare(name, text):
    """The text of a module with names of the import map in place of relative ones, which `data:` addresses lack."""

    def absolute(match):
        head, quote, relative = match.groups()
        return f"{head}{quote}{posixpath.normpath(posixpath.join(PLUGIN, posixpath.dirname(name), relative))}{quote}"

    return _RELATIVE.sub(absolute, text)


def read(logdir):
    """`(logs, scalars, blobs, problems)` of all directories named xai.

    Logs are as in `events`, scalars `{run: {tag: [(step, value)]}}`, blobs `{key: bytes}`; problems are in words.
    """
    logs, scalars, blobs, problems = {}, {}, {}, []
    checked = files.Checked()
    for run, folder in files.folders(Path(logdir).expanduser()).items():
        wrong = list(checked.problems(folder))
        run_of = _Run(blobs)
        for path in files.events(folder):
            try:
                for record in tf.data.TFRecordDataset(str(path)):
                    run_of.take(tf.compat.v1.Event.FromString(record.numpy()))
            except Exception:  # of TensorFlow, or of protocol buffers
                if not any(path.name in text for text in wrong):
                    wrong.append(f"the event file {path.name} is damaged. What came before is shown")
        tags, lines = run_of.done()
        if tags:
            logs[run] = tags
            scalars |= {run: lines} if lines else {}
        problems += [f"run {events.title(run)}: {text}" for text in wrong]
    return logs, scalars, blobs, problems


class _Run:
    """Takes the events of a run in their order."""

    def __init__(self, blobs):
        self._blobs, self._metadata, self._points, self._errors = blobs, {}, {}, {}

    def take(self, event):
        for value in event.summary.value:
            metadata = self._metadata.setdefault(value.tag, value.metadata)
            if metadata.plugin_data.plugin_name in (PLUGIN, "scalars") and value.HasField("tensor"):
                points = self._points.setdefault(value.tag, [])
                while points and points[-1][0] >= event.step:
                    points.pop()  # training went on from there
                try:
                    points.append((event.step, event.wall_time, tf.make_ndarray(value.tensor)))
                except Exception as error:
                    self._errors[value.tag] = words(error)

    def done(self):
        """`(tags, scalars)`."""
        tags, lines = {}, {}
        for name, points in self._points.items():
            metadata = self._metadata[name]
            if metadata.plugin_data.plugin_name == "scalars":
                lines[name] = [(step, array.item()) for step, _, array in points if array.size == 1]
            else:
                of_blobs = metadata.data_class == _BLOBS
                points = self._keyed(points) if of_blobs else points
                content = metadata.plugin_data.content if metadata.data_class in (_TENSOR, _BLOBS) else b""
                newest = max((time for _, time, _ in points), default=None)
                tags[name] = Tag(content, of_blobs, points, newest, self._errors.get(name))
        return tags, lines

    def _keyed(self, points):
        """The same with keys in place of the arrays."""
        keyed = []
        for step, time, array in points:
            if array.size:
                key = str(len(self._blobs))
                self._blobs[key] = array.flat[0] if array.dtype == object else b""
                keyed.append((step, time, key))
        return keyed
