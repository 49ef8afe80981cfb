"""Logs with something wrong in every run but one."""

import contextlib
import json
from pathlib import Path

import numpy as np
import tensorflow as tf

from tests.board import logs
from tf_xai.board import packing, records


def write(folder):
    """Runs "plain", of which nothing is wrong, and others, named after what is."""
    folder = Path(folder)
    logs.write(folder, runs=["plain", "cut", "alien", "later"])
    logs.write(folder, runs=["nan"], nan=[1, 3])
    cut(folder / "cut" / "xai")
    with more(folder / "alien" / "xai"):
        _tag("hello", b"hello")
        _tag("unnamed", json.dumps({"v": 1, "kind": "maps"}).encode())
        _tag("theirs", b"{}", plugin="theirs")
    with more(folder / "later" / "xai"):
        _tag("tf_xai/gradient/flow", json.dumps({"v": 2, "kind": "flow"}).encode())
    with more(folder / "bare" / "xai"):
        array = {"name": "", "kind": "image", "data": np.ones((2, 8, 8), "int8"), "scale": [1, 1], "clip": [1, 1]}
        records.maps("gradient", packing.pack([array], n=2), 0)
    with more(folder / "empty" / "xai"):
        _write_empty()
    with more(folder / "theirs"):
        _tag("theirs", b"{}", plugin="theirs")
    return folder


def cut(folder, count=20):
    """Takes the last bytes off the event file of a directory."""
    (file,) = folder.iterdir()
    file.write_bytes(file.read_bytes()[:-count])


def _write_empty():
    """What a callback without examples would write."""
    records.inputs(packing.pack([{"name": "", "kind": "image", "encoding": "png", "data": []}], n=0, labels=[]))
    array = {"name": "", "kind": "image", "data": np.zeros((0, 32, 32), "int8"), "scale": [], "clip": []}
    records.maps("gradient", packing.pack([array], n=0), 0)
    records.numbers("gradient", logs.COLUMNS, np.zeros((0, len(logs.COLUMNS))), 0)
    records.scalar("loss", 1.0, 0)


@contextlib.contextmanager
def more(folder):
    """A writer of its own in a directory."""
    writer = records.writer(str(folder))
    with writer.as_default():
        yield
    writer.close()


def _tag(name, content, plugin=packing.PLUGIN):
    """One record whose metadata has any content, after those of `logs.write`."""
    tf.summary.write(name, [b"of no use"], step=3, metadata=records._metadata(plugin, 3, content))
