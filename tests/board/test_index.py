"""What the index says of runs, their examples and methods."""

from tests.board import damage, logs
from tests.board.serving import Board
from tf_xai.board import events, packing, records


def test_titles(tmp_path):
    logs.write(tmp_path / "deep", runs=["er"], steps=[0])
    titles = {run: each["title"] for run, each in Board(tmp_path).index()["runs"].items()}
    assert titles == {"deep/er/xai": "deep/er"}
    assert Board(tmp_path / "deep" / "er").index()["runs"]["xai"]["title"] == "(this directory)"
    assert Board(tmp_path / "deep" / "er" / "xai").index()["runs"]["."]["title"] == "(this directory)"


def test_the_index_says_what_the_examples_are(tmp_path):
    logs.write(tmp_path, steps=[0])
    for run in Board(tmp_path).index()["runs"].values():
        assert run["kinds"] == ["image"]
        assert run["digest"] == "image-6-32"


def test_kinds_of_nested_inputs(tmp_path):
    leaves = [
        {"name": str(place), **logs._examples(kind, 2, 8)} for place, kind in enumerate(["table", "text", "table"])
    ]
    for leaf, kind in zip(leaves, ["table", "text", "table"], strict=True):
        leaf["kind"] = kind
    with damage.more(tmp_path / "plain" / "xai"):
        records.inputs(packing.pack(leaves, n=2))
    run = Board(tmp_path).index()["runs"]["plain/xai"]
    assert run["kinds"] == ["table", "text"]
    assert run["digest"] is None


def test_methods_come_in_the_order_in_which_they_were_written_and_controls_last(tmp_path):
    with damage.more(tmp_path / "plain" / "xai"):
        logs._write_control(6, 0)
    logs.write(tmp_path, runs=["plain"], steps=[1, 2], methods=["smooth", "lime", "gradient"])
    index = Board(tmp_path).index()
    assert list(index["runs"]["plain/xai"]["methods"]) == ["smooth", "lime", "gradient", "random"]
    assert index["problems"] == []


def test_an_error_in_a_method_costs_that_method(tmp_path, monkeypatch):
    logs.write(tmp_path, steps=[0])
    doubts = events._doubts

    def fail(found, method, limit):
        return doubts(found, method, limit) if method != "gradient" else 1 / 0

    monkeypatch.setattr(events, "_doubts", fail)
    index = Board(tmp_path).index()
    assert [problem.partition(": ")[2] for problem in index["problems"]] == 2 * [
        "gradient is left out: it is damaged (ZeroDivisionError: division by zero)"
    ]
    assert [list(run["methods"]) for run in index["runs"].values()] == 2 * [["integrated_gradients", "random"]]
