"""What is wrong with logs is said in words, and the rest is shown."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests.board import damage, logs
from tests.board.serving import PYTHON, RUST, Board, errors, unpacked
from tf_xai.board import packing, records


def test_numbers_of_another_shape_are_left_out(tmp_path):
    logs.write(tmp_path, runs=["plain"], steps=[0], n=4)
    logs.write(tmp_path, runs=["plain"], steps=[1, 2], n=6)
    board = Board(tmp_path)
    index = board.index()
    assert any("1 of 3 steps of the numbers of gradient are left out" in each for each in index["problems"])
    time = index["runs"]["plain/xai"]["methods"]["gradient"]["time"]
    header, arrays = unpacked(board.get("series", run="plain/xai", method="gradient", time=time))
    assert header["steps"] == [1, 2]
    assert arrays["numbers"].shape == (2, 6, len(logs.COLUMNS))
    assert arrays["curves"].shape == (2, 6, 2, len(logs.SHARES))


PROBLEMS = [
    ("alien", "the tag 'hello' is left out: what it says of itself is not in the format of tf_xai"),
    ("alien", "the tag 'unnamed' is left out: what it says of itself is not in format 1"),
    ("bare", "it has maps, but not the examples that they are of"),
    ("cut", "ends within a record"),
    ("empty", "it has 0 examples"),
    ("later", "it is in format 2, and this version reads format 1: update tf_xai"),
    ("nan", "maps of gradient without any finite value: of 2 of 6 examples, from step 0"),
    ("nan", "maps of integrated_gradients without any finite value"),
]


@pytest.mark.parametrize("flags", [PYTHON, RUST], ids=["python", "rust"])
def test_damage_is_named_and_the_rest_is_shown(tmp_path, flags):
    board = Board(damage.write(tmp_path), *flags)
    index = board.loaded(lambda index: len(index["runs"]) == 7 and "random" in str(index["runs"]["nan/xai"]))
    problems = sorted(index["problems"])
    assert len(problems) == len(PROBLEMS), problems
    for (run, words), problem in zip(PROBLEMS, problems, strict=True):
        assert problem.startswith(f"run {run}: ")
        assert words in problem
    steps = {
        run: {method: len(each["maps"]) for method, each in entry["methods"].items()}
        for run, entry in index["runs"].items()
    }
    whole = {"gradient": 3, "integrated_gradients": 3, "random": 0}
    assert steps == {
        **{f"{run}/xai": whole for run in ("alien", "cut", "later", "nan", "plain")},
        "bare/xai": {"gradient": 1},
        "empty/xai": {},
    }
    for run in ("alien", "cut", "later", "nan", "plain"):
        entry = index["runs"][f"{run}/xai"]["methods"]["gradient"]
        _, time, key = entry["maps"][-1]
        assert unpacked(board.get("blob", key=key, time=time))[0]["n"] == 6
        assert unpacked(board.get("series", run=f"{run}/xai", method="gradient", time=entry["time"]))[0]["n"] == 6
    assert board.get("scalars").json["empty/xai"] == {"loss": [[0, 1.0]]}
    board.close()


def _number_tag(data, data_class=2):
    content = json.dumps({"v": 1, "kind": "numbers", "method": "gradient", "columns": ["a", "b"]}).encode()
    return lambda: tf.summary.write("odd", data, step=0, metadata=records._metadata("tf_xai", data_class, content))


def _curves_tag(content):
    return lambda: tf.summary.write("odd", [[[1.0]]], step=0, metadata=records._metadata("tf_xai", 2, content))


CURVES = b'{"v": 1, "kind": "curves", "method": "gradient", "curves": ["deletion"], "shares": [%s]}'


def _inputs_tag(data):
    content = json.dumps({"v": 1, "kind": "inputs"}).encode()
    return lambda: tf.summary.write("odd", data, step=0, metadata=records._metadata("tf_xai", 3, content))


OTHER = "1 of 1 steps of the numbers of gradient are left out"


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (_inputs_tag([b""]), "the examples cannot be shown: it is damaged"),
        (_inputs_tag([b"\xff\xff\xff\xff{}"]), "the examples cannot be shown: it is damaged"),
        (_inputs_tag([packing.pack([], n=1).replace(b'"v": 1', b'"v": 2')]), "cannot be shown: it is in format 2"),
        (_inputs_tag([packing.pack([])]), "the examples cannot be shown: it does not say how many there are"),
        (_number_tag([[b"x", b"y"]]), OTHER),
        (_number_tag([[1, 2]]), OTHER),
        (_number_tag([[1.0, 2.0, 3.0]]), OTHER),
        (_number_tag(1.0), OTHER),
        (_number_tag(1.0, data_class=1), "the tag 'odd' is left out"),
        (_curves_tag(CURVES % (b"1" + b"0" * 400)), "'odd' is left out: what it says of itself is not in format 1"),
        (_curves_tag(CURVES % b"NaN"), "'odd' is left out: what it says of itself is not in format 1"),
        (_curves_tag(b"[" * 100_000), "the tag 'odd' is left out: it is damaged (RecursionError"),
    ],
)
@pytest.mark.parametrize("flags", [PYTHON, RUST], ids=["python", "rust"])
def test_odd_records_are_named_and_do_no_harm(tmp_path, write, words, flags):
    _is_named(tmp_path, write, words, flags)


# The faster loader does not list them.
@pytest.mark.parametrize("data", [b"scalar", [1.0]])
def test_blobs_that_are_none_are_named(tmp_path, data):
    _is_named(tmp_path, _inputs_tag(data), "the examples cannot be shown", PYTHON)


def _is_named(folder, write, words, flags):
    logs.write(folder, runs=["plain"], steps=[0])
    with damage.more(folder / "odd" / "xai"):
        write()
    board = Board(folder, *flags)
    index = board.loaded(lambda index: len(index["runs"]) == 2 and "random" in str(index["runs"]["plain/xai"]))
    (problem,) = index["problems"]
    assert problem.startswith("run odd: ")
    assert words in problem
    assert board.get("series", run="odd/xai", method="gradient", time=1).status_code == 404
    time = index["runs"]["plain/xai"]["methods"]["gradient"]["time"]
    assert unpacked(board.get("series", run="plain/xai", method="gradient", time=time))
    board.close()


def test_runs_without_finite_numbers_have_series_with_nan(tmp_path):
    logs.write(tmp_path, runs=["plain"], steps=[0, 1], nan=[2])
    board = Board(tmp_path)
    time = board.index()["runs"]["plain/xai"]["methods"]["gradient"]["time"]
    _, arrays = unpacked(board.get("series", run="plain/xai", method="gradient", time=time))
    scale = arrays["numbers"][:, :, logs.COLUMNS.index("scale")]
    assert (np.isnan(scale) == (np.arange(6) == 2)).all()


def test_numbers_that_cannot_be_read_cost_their_tag(tmp_path, monkeypatch):
    logs.write(tmp_path, steps=[0])
    board = Board(tmp_path)
    ask = board.provider.read_tensors

    def read(*args, run_tag_filter, **options):
        if "shortcut/xai" in run_tag_filter.runs and "tf_xai/gradient/numbers" in run_tag_filter.tags:
            raise TypeError("no such type")
        return ask(*args, run_tag_filter=run_tag_filter, **options)

    monkeypatch.setattr(board.provider, "read_tensors", read)
    index = board.index()
    left_out = "the tag 'tf_xai/gradient/numbers' is left out: it is damaged (TypeError: no such type)"
    assert index["problems"] == [f"run shortcut: {left_out}"]
    assert {run: each["methods"]["gradient"]["columns"] for run, each in index["runs"].items()} == {
        "plain/xai": logs.COLUMNS,
        "shortcut/xai": [],
    }
    time = index["runs"]["plain/xai"]["methods"]["gradient"]["time"]
    assert unpacked(board.get("series", run="plain/xai", method="gradient", time=time))[0]["steps"] == [0]
    # What fails once is asked for again.
    monkeypatch.setattr(board.provider, "read_tensors", ask)
    assert board.index()["problems"] == []


def test_examples_that_are_not_there_yet_are_asked_for_again(tmp_path, monkeypatch):
    logs.write(tmp_path, runs=["plain"], steps=[0])
    board, asked = Board(tmp_path), []
    ask = board.provider.read_blob

    def read(*args, **options):
        asked.append(options)
        if len(asked) == 1:
            raise errors.NotFoundError("not yet")
        return ask(*args, **options)

    monkeypatch.setattr(board.provider, "read_blob", read)
    (problem,) = board.index()["problems"]
    assert problem.startswith("run plain: the examples cannot be shown: ")
    for _ in range(2):
        assert board.index()["problems"] == []
    assert len(asked) == 2  # and what is known is not


def test_examples_that_are_damaged_are_read_once(tmp_path, monkeypatch):
    with damage.more(tmp_path / "odd" / "xai"):
        records.inputs(b"")
    board, asked = Board(tmp_path), []
    ask = board.provider.read_blob
    monkeypatch.setattr(board.provider, "read_blob", lambda *args, **options: asked.append(0) or ask(*args, **options))
    for _ in range(2):
        (problem,) = board.index()["problems"]
        assert problem.startswith("run odd: the examples cannot be shown: it is damaged")
    assert len(asked) == 1
