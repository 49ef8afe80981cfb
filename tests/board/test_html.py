"""The page as a file: what the server would answer, in one file that asks for nothing."""

import base64
import json
import re

import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.board import damage, logs
from tests.board.serving import RUST, Board
from tf_xai.board import assets, html, packing, records


def _data(page):
    """What the page has of the logs."""
    (text,) = re.findall(r'<script type="application/json" id="xai-data">(.*?)</script>', page.read_text("utf-8"))
    return json.loads(text)


def _same_but_keys(index):
    """The index without the keys, which are the reader's own."""
    runs = json.loads(json.dumps(index["runs"]))
    for run in runs.values():
        run["inputs"] = run["inputs"] and run["inputs"][:1]
        for method in run["methods"].values():
            method["maps"] = [[step, time] for step, time, _ in method["maps"]]
    return {**index, "runs": runs}


def _served(board, path, **arguments):
    response = board.get(path, **arguments)
    assert response.status_code == 200
    return response.data


def _compare(folder, tmp_path, *flags, ready=bool):
    """Everything in the page is what the server says."""
    board, data = Board(folder, *flags), _data(xai.board.to_html(folder, tmp_path / "board.html"))
    index = board.loaded(ready)
    assert {**_same_but_keys(data["index"]), "problems": 0} == {**_same_but_keys(index), "problems": 0}
    assert sorted(data["index"]["problems"]) == sorted(index["problems"])
    assert data["scalars"] == board.get("scalars").json
    series = 0
    for run, entry in index["runs"].items():
        own = data["index"]["runs"][run]
        pairs = [(entry["inputs"], own["inputs"])] if entry["inputs"] else []
        for name, method in entry["methods"].items():
            pairs += [
                (each[1:], mine[1:]) for each, mine in zip(method["maps"], own["methods"][name]["maps"], strict=True)
            ]
            if method["columns"]:
                packed = data["series"][json.dumps([run, name], separators=(",", ":"))]
                assert base64.b64decode(packed) == _served(board, "series", run=run, method=name, time=method["time"])
                series += 1
        for (time, key), (_, mine) in pairs:
            assert base64.b64decode(data["blobs"][mine]) == _served(board, "blob", key=key, time=time)
    assert len(data["series"]) == series
    assert [list(run["methods"]) for run in data["index"]["runs"].values()] == [
        list(run["methods"]) for run in index["runs"].values()
    ]
    board.close()
    return data


@pytest.mark.parametrize("kind", ["image", "table", "text", "series", "audio", "attention"])
def test_the_page_has_what_the_server_says(tmp_path, kind):
    data = _compare(logs.write(tmp_path / "logs", kind=kind, steps=(0, 3)), tmp_path)
    assert list(data["index"]["runs"]) == ["plain/xai", "shortcut/xai"]
    assert data["index"]["problems"] == []


def test_damage_is_named_and_the_rest_is_shown(tmp_path):
    data = _compare(damage.write(tmp_path / "logs"), tmp_path)
    assert len(data["index"]["problems"]) == 8


@pytest.mark.parametrize("blobs", [[b""], b"scalar", [1.0], np.array([], object), [b"", b"two"]])
def test_odd_records_do_no_harm(tmp_path, blobs):
    logs.write(tmp_path, runs=["plain"], steps=[0])
    content = json.dumps({"v": 1, "kind": "inputs"}).encode()
    with damage.more(tmp_path / "odd" / "xai"):
        tf.summary.write("odd", blobs, step=0, metadata=records._metadata("tf_xai", 3, content))
    index = _data(xai.board.to_html(tmp_path, tmp_path / "board.html"))["index"]
    assert index["runs"]["odd/xai"]["inputs"] is None
    words = "the examples cannot be shown" if np.size(blobs) else None  # of nothing there is nothing to say
    assert len(index["problems"]) == (words is not None)
    assert all(problem.startswith(f"run odd: {words}") for problem in index["problems"])
    assert index["runs"]["plain/xai"]["inputs"]


def test_a_record_with_a_wrong_byte_ends_its_file(tmp_path):
    (file,) = (logs.write(tmp_path / "logs", runs=["plain"]) / "plain" / "xai").iterdir()
    content = bytearray(file.read_bytes())
    content[-40] ^= 1
    file.write_bytes(content)
    data = _data(xai.board.to_html(tmp_path / "logs", tmp_path / "board.html"))
    assert data["index"]["problems"] == [f"run plain: the event file {file.name} is damaged. What came before is shown"]
    assert len(data["index"]["runs"]["plain/xai"]["methods"]["gradient"]["maps"]) == 3


def test_what_is_logged_again_takes_the_place_of_what_was(tmp_path):
    logs.write(tmp_path, runs=["plain"], steps=[0, 1, 2])
    logs.write(tmp_path, runs=["plain"], steps=[1], kind="table")
    read, scalars, blobs, problems = html.read(tmp_path)
    assert [problem.partition(" in ")[0] for problem in problems] == ["run plain: epoch 1 was logged more than once"]
    points = read["plain/xai"]["tf_xai/gradient/maps"].points
    assert [step for step, _, _ in points] == [0, 1]
    _, arrays = packing.unpack(blobs[points[1][2]])
    assert arrays[""].shape == (6, 5)
    assert [step for step, _ in scalars["plain/xai"]["loss"]] == [0, 1]
    # The blobs that nothing names are not carried along: those of the first training's epoch 1, and its examples.
    assert len(_data(xai.board.to_html(tmp_path, tmp_path / "board.html"))["blobs"]) == 1 + 2 * 2


def test_a_training_that_began_anew_is_shown_as_by_the_faster_loader(tmp_path):
    logs.write(tmp_path / "logs", runs=["plain"], steps=[0, 1, 2])
    logs.write(tmp_path / "logs", runs=["plain"], steps=[0, 1], kind="table", n=4)

    def ready(index):
        run = index["runs"].get("plain/xai", {"kinds": [], "methods": {}})
        steps = [step for step, _, _ in run["methods"].get("integrated_gradients", {"maps": []})["maps"]]
        return run["kinds"] == ["table"] and steps == [0, 1] and "random" in run["methods"] and again(index)

    def again(index):
        time = index["runs"]["plain/xai"]["methods"]["random"]["time"]
        return time > index["runs"]["plain/xai"]["methods"]["integrated_gradients"]["time"]

    data = _compare(tmp_path / "logs", tmp_path, *RUST, ready=ready)
    (problem,) = data["index"]["problems"]
    assert problem.startswith("run plain: epochs 0 to 1 were logged more than once in this directory.")


@pytest.mark.parametrize("there", [True, False])
def test_nothing_to_show_is_an_error(tmp_path, there):
    folder = tmp_path if there else tmp_path / "none"
    with pytest.raises(ValueError, match=re.escape(f"Received: {str(folder)!r}. Train with callbacks=")):
        xai.board.to_html(folder, tmp_path / "board.html")
    assert not (tmp_path / "board.html").exists()


def test_the_directory_of_one_run(tmp_path):
    logs.write(tmp_path, runs=["plain"], steps=[0])
    index = _data(xai.board.to_html(tmp_path / "plain" / "xai", tmp_path / "board.html"))["index"]
    assert {run: each["title"] for run, each in index["runs"].items()} == {".": "(this directory)"}


def test_text_of_the_logs_cannot_end_its_element(tmp_path):
    name = "</script><script>alert(1)</script>"
    logs.write(tmp_path, runs=["plain"], steps=[0], methods=[name])
    page = xai.board.to_html(tmp_path, tmp_path / "board.html")
    assert "alert(1)</script>" not in page.read_text("utf-8")
    assert name in str(_data(page)["index"])


def test_modules_name_one_another_through_the_map(tmp_path):
    page = xai.board.to_html(logs.write(tmp_path, steps=[0]), tmp_path / "board.html").read_text("utf-8")
    (text,) = re.findall(r'<script type="importmap">(.*?)</script>', page)
    imports = json.loads(text)["imports"]
    names = [name for name in assets.assets() if name.endswith(".js")]
    assert set(imports) == {f"tf_xai/{name}" for name in names}
    for address in imports.values():
        module = base64.b64decode(address.partition("base64,")[2]).decode()
        assert not re.search(r"""['"`]\.{1,2}/(?!static/style)[\w/]*\.js""", module)
        for name in re.findall(r"""\bfrom '([^']+)'""", module):
            assert name in imports


def test_relative_names():
    pairs = {
        "import { a } from '../dom.js';": "import { a } from 'tf_xai/dom.js';",
        "export * from './x.js';": "export * from 'tf_xai/views/x.js';",
        "import './x.js';": "import 'tf_xai/views/x.js';",
        "const b = () => import(`./${name}.js`);": "const b = () => import(`tf_xai/views/${name}.js`);",
        "const index = './index';": "const index = './index';",
    }
    assert html._bare("views/y.js", "\n".join(pairs)) == "\n".join(pairs.values())


def test_the_page_opens(tmp_path, chromium):
    path = xai.board.to_html(logs.write(tmp_path, steps=[0, 1]), tmp_path / "board.html")
    page = chromium.new_page()
    wrong, asked = [], []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: message.type in ("error", "warning") and wrong.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.get_by_test_id("map").first.wait_for()
    assert page.get_by_test_id("map").count() == 12
    for view in ("detail", "curves", "pareto", "drift", "gallery"):
        drawn = page.evaluate("+document.body.dataset.drawn")
        page.get_by_test_id(f"view-{view}").click()
        page.wait_for_function("before => +document.body.dataset.drawn > before", arg=drawn)
    page.close()
    assert wrong == []
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [path.as_uri()]


def test_links_are_followed_but_not_round_in_circles(tmp_path):
    logs.write(tmp_path / "there", runs=["plain"], steps=[0])
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "linked").symlink_to(tmp_path / "there" / "plain")
    (tmp_path / "there" / "plain" / "xai" / "up").symlink_to(tmp_path / "there")
    index = _data(xai.board.to_html(tmp_path / "logs", tmp_path / "board.html"))["index"]
    assert list(index["runs"]) == ["linked/xai"]


def test_records_that_cannot_be_parsed_cost_little(tmp_path):
    logs.write(tmp_path, runs=["plain", "odd"], steps=[0])
    with tf.io.TFRecordWriter(str(tmp_path / "plain" / "xai" / "z.tfevents.z")) as writer:
        writer.write(b"\xff\xff")
    (event,) = [event for event in _events(tmp_path / "odd" / "xai") if "gradient/numbers" in str(event)][:1]
    event.step, event.summary.value[0].tensor.dtype = 1, 99
    with tf.io.TFRecordWriter(str(tmp_path / "odd" / "xai" / "z.tfevents.z")) as writer:
        writer.write(event.SerializeToString())
    index = _data(xai.board.to_html(tmp_path, tmp_path / "board.html"))["index"]
    odd, plain = index["problems"]
    assert odd.startswith("run odd: the tag 'tf_xai/gradient/numbers' is left out: it is damaged (")
    assert plain == "run plain: the event file z.tfevents.z is damaged. What came before is shown"
    assert [len(run["methods"]["gradient"]["columns"]) for run in index["runs"].values()] == [0, len(logs.COLUMNS)]


def _events(folder):
    (path,) = folder.iterdir()
    for record in tf.data.TFRecordDataset(str(path)):
        yield tf.compat.v1.Event.FromString(record.numpy())


def test_a_line_that_is_no_number_is_null(tmp_path):
    logs.write(tmp_path, runs=["plain"], steps=[0])
    with damage.more(tmp_path / "plain" / "xai"):
        tf.summary.write("word", b"none", step=1, metadata=records._metadata("scalars", 1))
    assert _data(xai.board.to_html(tmp_path, tmp_path / "board.html"))["scalars"]["plain/xai"]["word"] == [[1, None]]
