"""Several trainings in one directory."""

import pytest

from tests.board import logs
from tests.board.serving import PYTHON, RUST, Board, RequestContext, TBContext
from tf_xai.board import events, files, tags
from tf_xai.board.plugin import Plugin

AGAIN = (
    "were logged more than once in this directory. What was logged last is shown, but what was logged first where "
    "TensorBoard runs with --load_fast=false. Give each training its own log_dir"
)


def _steps(index, method="gradient"):
    run = index["runs"].get("plain/xai", {"methods": {}})
    return [step for step, _, _ in run["methods"].get(method, {"maps": []})["maps"]]


@pytest.mark.parametrize(("flags", "kept"), [(PYTHON, [0, 1, 2]), (RUST, [0, 1])], ids=["python", "rust"])
def test_epochs_that_were_logged_twice_are_named(tmp_path, flags, kept):
    logs.write(tmp_path, runs=["other"])
    for steps in ([0, 1, 2], [0, 1]):
        logs.write(tmp_path, runs=["plain"], steps=steps)
    board = Board(tmp_path, *flags)
    index = board.loaded(lambda index: _steps(index) == kept)
    assert index["problems"] == [f"run plain: epochs 0 to 1 {AGAIN}"]
    board.close()


@pytest.mark.parametrize("flags", [PYTHON, RUST], ids=["python", "rust"])
def test_a_training_that_goes_on_is_none_of_these_and_brings_its_examples(tmp_path, flags):
    logs.write(tmp_path, runs=["plain"], steps=[0, 1])
    logs.write(tmp_path, runs=["plain"], steps=[2, 3], kind="table")
    board = Board(tmp_path, *flags)
    index = board.loaded(lambda index: _steps(index, "integrated_gradients") == [0, 1, 2, 3])
    assert index["problems"] == []
    run = index["runs"]["plain/xai"]
    assert (run["kinds"], run["digest"]) == (["table"], "table-6-32")
    board.close()


def test_the_newest_examples_count_whatever_their_epoch(tmp_path):
    logs.write(tmp_path, runs=["plain"], steps=[5, 6])
    logs.write(tmp_path, runs=["plain"], steps=[0, 1], kind="table")
    index = Board(tmp_path).index()
    assert index["runs"]["plain/xai"]["kinds"] == ["table"]
    assert index["problems"] == []


def test_lines_have_each_epoch_once(tmp_path):
    for steps in ([0, 3, 6], [0, 6, 9]):
        logs.write(tmp_path, runs=["plain"], steps=steps)
    lines = Board(tmp_path).get("scalars").json["plain/xai"]
    # As the maps, so the lines: of epoch 6 what was logged first.
    assert lines["loss"] == [[0, 1.0], [3, 0.5], [6, pytest.approx(1 / 3)], [9, pytest.approx(1 / 3)]]


@pytest.mark.parametrize(
    ("spans", "which"),
    [
        ([], None),
        ([(0, 0)], None),
        ([(3, 9), (0, 2)], None),
        ([(0, 2), (0, 1)], "epochs 0 to 1 were"),
        ([(0, 5), (3, 9)], "epochs 3 to 5 were"),
        ([(0, 3), (3, 9)], "epoch 3 was"),
        ([(0, 9), (2, 3), (5, 6)], "epochs 2 to 6 were"),
        ([(0, 9), (12, 20), (5, 6), (13, 13)], "epochs 5 to 13 were"),
    ],
)
def test_which_epochs_are_named(spans, which):
    problems = list(files.logged_again(spans))
    assert [problem.partition(" logged")[0] for problem in problems] == ([which] if which else [])


def test_without_files_the_records_tell(tmp_path):
    for steps in ([0, 2, 4], [0, 3, 6]):
        logs.write(tmp_path, runs=["plain"], steps=steps)
    logs.write(tmp_path, runs=["other"])
    board = Board(tmp_path)
    plugin = Plugin(TBContext(data_provider=board.provider, logdir="gs://bucket/logs"))
    found = list(plugin._damage(plugin._source.logs(RequestContext(), "")))
    assert found == [f"run plain: epochs 0 to 3 {AGAIN}"]
    tag = tags.Tag(b"", False, [(0, 1.0, None), (1, 2.0, None), (0, 3.0, None)])
    assert list(events.repeated({"plain/xai": {"a": tag}})) == [f"run plain: epoch 0 was {AGAIN.removeprefix('were ')}"]
