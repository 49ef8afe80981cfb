"""How TensorBoard comes to the tab: its start, which no error of ours may end, and its two readers of logs."""

import logging
import subprocess
import sys
from argparse import Namespace

import pytest

from tests.board import logs
from tests.board.serving import PYTHON, RUST, Board, TBContext, default
from tf_xai.board import packing
from tf_xai_tensorboard import Loader

STEPS = range(0, 60, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return logs.write(tmp_path_factory.mktemp("logs"), steps=STEPS, size=8, n=2)


def _steps(method):
    return [step for step, _, _ in method["maps"]]


@pytest.mark.parametrize("flags", [PYTHON, RUST], ids=["python", "rust"])
def test_all_steps_are_kept(folder, flags):
    board = Board(folder, *flags)

    def done(index):
        methods = [each for run in index["runs"].values() for each in run["methods"].values() if not each["control"]]
        return len(methods) == 4 and all(STEPS[-1] in _steps(method) for method in methods)

    index = board.loaded(done)
    assert index["problems"] == []
    for run, entry in index["runs"].items():
        for name, method in entry["methods"].items():
            assert _steps(method) == ([] if method["control"] else list(STEPS))
            header, _ = packing.unpack(board.get("series", run=run, method=name, time=method["time"]).data)
            assert header["steps"] == list(STEPS)
    board.close()


@pytest.mark.parametrize("flags", [PYTHON, RUST], ids=["python", "rust"])
def test_how_many_steps_are_kept_is_for_the_user_to_say(folder, flags):
    board = Board(folder, *flags, "--samples_per_plugin=tf_xai=7,images=3")
    assert board.tensorboard.flags.samples_per_plugin == {"tf_xai": 7, "images": 3}

    def done(index):
        steps = [
            _steps(index["runs"].get(f"{run}/xai", {}).get("methods", {}).get("gradient", {"maps": []}))
            for run in ("plain", "shortcut")
        ]
        return all(STEPS[-1] in each for each in steps) and len(index["problems"]) == 6

    index = board.loaded(done)
    assert len(_steps(index["runs"]["plain/xai"]["methods"]["gradient"])) == 7
    assert "run plain: gradient has 7 steps, as many as TensorBoard keeps" in index["problems"][0]
    board.close()


def test_without_a_limit_nothing_is_dropped_and_nothing_is_said(folder):
    index = Board(folder, *PYTHON, "--samples_per_plugin=tf_xai=0").index()
    assert index["problems"] == []
    assert _steps(index["runs"]["plain/xai"]["methods"]["gradient"]) == list(STEPS)


@pytest.mark.parametrize("given", [{}, None, {"images": 5}])
def test_the_limit_of_the_loader(given):
    flags = Namespace(samples_per_plugin=given)
    Loader().fix_flags(flags)
    assert flags.samples_per_plugin == {"tf_xai": 200, **(given or {})}


def test_a_plugin_that_cannot_be_imported_is_left_out(folder, monkeypatch, caplog):
    for module in [name for name in sys.modules if name.startswith("tf_xai.board.plugin")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "tf_xai.board.provided", None)
    with caplog.at_level(logging.WARNING, "tensorboard"):
        board = Board(folder)
    assert "The tab XAI is left out: ModuleNotFoundError" in caplog.text
    listing = board.get("plugins_listing", "/data").json
    assert "tf_xai" not in listing
    assert listing["scalars"]["enabled"]


def test_a_plugin_that_cannot_be_made_is_left_out(monkeypatch, caplog):
    monkeypatch.setattr("tf_xai.board.plugin.assets", lambda: 1 / 0)
    with caplog.at_level(logging.WARNING, "tensorboard"):
        assert Loader().load(TBContext(logdir="logs")) is None
    assert "The tab XAI is left out: ZeroDivisionError" in caplog.text


def test_a_second_plugin_of_the_name_is_left_out(folder, caplog):
    with caplog.at_level(logging.WARNING, "tensorboard"):
        board = Board(folder, plugins=[*default.get_static_plugins(), Loader, Loader])
    assert "there is a plugin of the name tf_xai already" in caplog.text
    assert len(board.index()["runs"]) == 2


# TensorBoard as it starts with what is installed here, but for TensorFlow, whose import takes long.
START = """
import sys
sys.modules["tensorflow"] = None
{damage}
from tensorboard import default, program
from tensorboard.backend import application
from werkzeug.test import Client
board = program.TensorBoard(default.get_plugins())
board.configure(["", "--logdir", {logdir!r}, "--load_fast=false", "--reload_interval=0", "--reload_task=blocking"])
provider, multiplexer = board._make_data_provider()
app = application.TensorBoardWSGIApp(board.flags, board.plugin_loaders, provider, None, multiplexer)
listing = Client(app).get("/data/plugins_listing").json
print(*(name for name in listing if listing[name]["enabled"]))
"""


@pytest.mark.parametrize(
    ("damage", "there"),
    [
        ("", True),
        ("sys.modules['lazy_loader'] = None", False),
        ("sys.modules['tf_xai'] = None", False),
        ("sys.modules['tf_xai.board'] = None", False),
        ("import types; sys.modules['tf_xai.board.packing'] = types.ModuleType('packing')", False),
        # Keras without TensorFlow: then `import tf_xai` fails, as it must where models are to be loaded.
        ("import types; sys.modules['keras'] = types.ModuleType('keras')", False),
    ],
    ids=["whole", "lazy_loader", "package", "folder", "module", "keras"],
)
def test_no_error_of_the_package_ends_tensorboard(folder, damage, there):
    script = START.format(damage=damage, logdir=str(folder))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    active = done.stdout.split()
    assert "scalars" in active
    assert ("tf_xai" in active) is there
    assert ("The tab XAI is left out" in done.stderr) is not there
