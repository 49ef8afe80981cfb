"""The tab's routes, on TensorBoard's own application."""

import gzip
import json

import numpy as np
import pytest
import tensorflow as tf

from tests.board import damage, logs
from tests.board.serving import PYTHON, Board, RequestContext, unpacked
from tf_xai.board import assets, records

STEPS = (0, 2, 5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    logs.write(folder, steps=STEPS)
    writer = tf.summary.create_file_writer(str(folder / "other"))
    with writer.as_default():
        records.scalar("loss", 1.0, 0)
        records.image("picture", np.zeros((4, 4, 3), "uint8"), 0)
    writer.close()
    return folder


@pytest.fixture(scope="module")
def board(folder):
    return Board(folder)


@pytest.fixture(scope="module")
def index(board):
    return board.index()


def test_the_tab_is_listed_and_active_where_there_are_records(board, tmp_path):
    entry = board.get("plugins_listing", "/data").json["tf_xai"]
    assert entry["enabled"]
    assert entry["tab_name"] == "XAI"
    assert entry["loading_mechanism"] == {"type": "IFRAME", "module_path": "/data/plugin/tf_xai/static/index.js"}
    assert not Board(tmp_path).get("plugins_listing", "/data").json["tf_xai"]["enabled"]


def test_an_empty_directory_has_an_empty_index(tmp_path):
    board = Board(tmp_path)
    assert board.index() == {"v": 1, "runs": {}, "problems": []}
    assert board.get("scalars").json == {}


def test_index(index):
    assert index["v"] == 1
    assert index["problems"] == []
    assert list(index["runs"]) == ["plain/xai", "shortcut/xai"]
    run = index["runs"]["plain/xai"]
    assert run["title"] == "plain"
    assert list(run["methods"]) == ["gradient", "integrated_gradients", "random"]
    method = run["methods"]["gradient"]
    assert [step for step, _, _ in method["maps"]] == list(STEPS)
    assert method["columns"] == logs.COLUMNS
    assert method["curves"] == ["deletion", "insertion"]
    assert not method["control"]
    control = run["methods"]["random"]
    assert control["control"]
    assert control["maps"] == []
    assert control["columns"] == ["deletion", "insertion"]


def test_the_time_of_a_method_is_of_its_newest_record(board, index):
    listed = board.provider.list_tensors(RequestContext(), experiment_id="", plugin_name="tf_xai")["plain/xai"]
    times = [listed[f"tf_xai/gradient/{kind}"].max_wall_time for kind in ("numbers", "curves")]
    assert times[0] < times[1] == index["runs"]["plain/xai"]["methods"]["gradient"]["time"]


def test_maps(board, index):
    step, time, key = index["runs"]["shortcut/xai"]["methods"]["gradient"]["maps"][1]
    header, arrays = unpacked(board.get("blob", key=key, time=time))
    assert (header["n"], step) == (6, 2)
    assert header["arrays"][0]["scale"] == [logs.size_of(row, 1) for row in range(6)]
    codes = arrays[""]
    for row in range(6):
        assert (codes[row][logs.corner(32)] == 127).all()
        assert (codes[row][logs.square(row, 32)] == -64).all()
        assert np.count_nonzero(codes[row]) == 4 * 4 + 8 * 8


def test_inputs(board, index):
    time, key = index["runs"]["plain/xai"]["inputs"]
    header, arrays = unpacked(board.get("blob", key=key, time=time))
    assert header["classes"] == logs.CLASSES
    assert header["labels"] == [0, 1, 2, 0, 1, 2]
    np.testing.assert_array_equal(tf.io.decode_png(arrays[""][3]), logs._picture(3, 32))


def test_series(board, index):
    time = index["runs"]["shortcut/xai"]["methods"]["gradient"]["time"]
    header, arrays = unpacked(board.get("series", run="shortcut/xai", method="gradient", time=time))
    assert header["steps"] == list(STEPS)
    assert header["columns"] == logs.COLUMNS
    assert header["shares"] == logs.SHARES
    assert header["curves"] == ["deletion", "insertion"]
    for place in range(3):
        scale = np.array([logs.size_of(row, place) for row in range(6)])
        values = logs.numbers("shortcut", place, 6, scale, scale)
        np.testing.assert_allclose(arrays["numbers"][place, :, :-1], values[:, :-1], rtol=1e-6)
        np.testing.assert_allclose(arrays["curves"][place], logs.courses(values), rtol=1e-6)


def test_lines_are_those_of_our_runs(board):
    lines = board.get("scalars").json
    assert set(lines) == {"plain/xai", "shortcut/xai"}
    assert lines["plain/xai"]["loss"] == [[0, 1.0], [2, 0.5], [5, pytest.approx(1 / 3)]]
    assert "xai_deletion_random" in lines["plain/xai"]


def test_lines_need_no_records_of_ours(folder, monkeypatch):
    board = Board(folder)
    for question in ("read_tensors", "read_blob_sequences"):
        monkeypatch.setattr(board.provider, question, pytest.fail)
    assert set(board.get("scalars").json) == {"plain/xai", "shortcut/xai"}


def test_a_line_that_is_none_costs_its_run_the_lines(tmp_path):
    logs.write(tmp_path, steps=[0])
    with damage.more(tmp_path / "shortcut" / "xai"):
        tf.summary.write("odd", [1.0, 2.0], step=1, metadata=records._metadata("scalars", 1))
    assert set(Board(tmp_path).get("scalars").json) == {"plain/xai"}


def test_what_is_no_number_is_null(tmp_path):
    writer = tf.summary.create_file_writer(str(tmp_path / "xai"))
    with writer.as_default():
        records.inputs(logs.inputs("table", 2))
        for step, value in enumerate([np.nan, np.inf, 1.0]):
            records.scalar("loss", value, step)
    writer.close()
    response = Board(tmp_path).get("scalars")
    assert json.loads(response.text, parse_constant=pytest.fail) == {"xai": {"loss": [[0, None], [1, None], [2, 1.0]]}}


def test_what_has_its_time_in_the_address_is_kept(board, index):
    time, key = index["runs"]["plain/xai"]["inputs"]
    numbers = {"run": "plain/xai", "method": "gradient"}
    for path, arguments, at in (
        ("blob", {"key": key}, time),
        ("series", numbers, index["runs"]["plain/xai"]["methods"]["gradient"]["time"]),
    ):
        assert "max-age=31536000" in board.get(path, **arguments, time=at).headers["Cache-Control"]
        # It was written anew, or will be: an old address must not keep the new bytes.
        assert "no-cache" in board.get(path, **arguments, time=at - 1).headers["Cache-Control"]
    for path in ("index", "scalars", "static/index.js"):
        assert "no-cache" in board.get(path).headers["Cache-Control"]


@pytest.mark.parametrize(
    ("path", "arguments", "status", "words"),
    [
        ("blob", {}, 400, "'key' is missing"),
        ("blob", {"key": "x"}, 400, "'time' is missing"),
        ("blob", {"key": "x", "time": "noon"}, 400, "'time' is not a number"),
        ("blob", {"key": "x", "time": 1}, 404, "no record 'x'"),
        ("series", {"method": "gradient", "time": 1}, 400, "'run' is missing"),
        ("series", {"run": "plain/xai", "time": 1}, 400, "'method' is missing"),
        ("series", {"run": "plain/xai", "method": "gradient"}, 400, "'time' is missing"),
        ("series", {"run": "none", "method": "gradient", "time": 1}, 404, "no run 'none', but ['plain/xai',"),
        ("series", {"run": "other", "method": "gradient", "time": 1}, 404, "no run 'other'"),
        ("series", {"run": "plain/xai", "method": "lime", "time": 1}, 404, "no numbers of 'lime'"),
        ("static/nothing.js", {}, 404, "no file 'nothing.js'"),
        ("nothing", {}, 404, "Not found"),
    ],
)
def test_mistakes_are_answered_in_words(board, path, arguments, status, words):
    response = board.get(path, **arguments)
    assert response.status_code == status
    assert words in response.text
    assert response.headers["Content-Type"].startswith("text/plain")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_records_of_other_plugins_are_not_given_away(board):
    (point,) = board.provider.read_blob_sequences(
        RequestContext(), experiment_id="", plugin_name="images", downsample=1
    )["other"]["picture"]
    key = point.values[2].blob_key
    assert board.provider.read_blob(RequestContext(), blob_key=key)
    assert board.get("blob", key=key, time=point.wall_time).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        *("static/../plugin.py", "static/%2e%2e/plugin.py", "static/..%2fplugin.py", "static/views/../../plugin.py"),
        *("static/", "static", "static/views", "static//etc/passwd", "static/../FORMAT.md", "static/..\\plugin.py"),
        *("static/./index.js", "static/views/../index.js", "static/index.js%00", "static/static/index.js"),
    ],
)
def test_only_files_of_the_page_are_served(board, path):
    response = board.get(path)
    assert response.status_code == 404
    assert "import" not in response.text


def test_files_of_the_page(board):
    names = assets.assets()
    assert {"index.js", "style.css", "views/gallery.js"} <= set(names)
    for name, path in names.items():
        response = board.get(f"static/{name}")
        assert response.status_code == 200
        assert response.data == path.read_bytes()
        ending = {"js": "text/javascript", "css": "text/css"}[name.rsplit(".")[-1]]
        assert response.headers["Content-Type"] == f"{ending}; charset=utf-8"


def test_text_is_compressed_where_that_is_understood(board):
    response = board._client.get("/data/plugin/tf_xai/index", headers={"Accept-Encoding": "gzip"})
    assert json.loads(gzip.decompress(response.data)) == board.index()


def test_path_prefix(folder):
    board = Board(folder, *PYTHON, "--path_prefix=/pre/fix")
    assert board.prefix == "/pre/fix"
    index = board.index()
    time, key = index["runs"]["plain/xai"]["inputs"]
    assert unpacked(board.get("blob", key=key, time=time))
    assert board.get("static/views/gallery.js").status_code == 200
    assert board.get("static/../plugin.py").status_code == 404
    assert board._client.get("/data/plugin/tf_xai/index").status_code == 404
