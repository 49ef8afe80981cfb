"""Who may import whom, and what a bare import costs."""

import ast
import configparser
import subprocess
import sys
from pathlib import Path

import pytest

import tf_xai

ROOT = Path(tf_xai.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# What every part of the package may import of the others. New folders are added here.
BELOW = {
    "core": set(),
    "visual": set(),
    "datasets": set(),
    "data": set(),
    "board": set(),
    "layers": {"core"},
    "attributions": {"core"},
    "bound_explainer": {"core", "attributions"},
    "explainer": {"core", "attributions", "bound_explainer"},
    "explanation": {"core", "visual"},
}
BELOW["choosing"] = BELOW["explainer"] | {"explainer"}
BELOW["explaining"] = BELOW["choosing"] | BELOW["explanation"] | {"choosing", "explanation"}
BELOW["metrics"] = BELOW["choosing"] | {"choosing"}
BELOW["losses"] = BELOW["metrics"] | {"metrics"}
BELOW["tradeoff"] = BELOW["losses"] | {"losses", "visual"}
for _part in ("training", "callbacks", "inspection", "report"):
    BELOW[_part] = BELOW["tradeoff"] | BELOW["explaining"] | {"tradeoff", "explaining"}
BELOW["callbacks"] |= {"board"}
BELOW["evaluating"] = BELOW["callbacks"] | {"callbacks"}

# They sit on top and import what they like.
TOP = {"__init__", "cli", "demo", "interop", "serving", "scale"}


def _tree(file):
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def _part(file):
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def _imports(file):
    """The modules that a file names in imports, at its head or inside functions."""
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            # `from tf_xai import x` and `from tf_xai.core import x` alike name the module x, or something in it.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_go_downwards(file):
    part = _part(file)
    own = {name.split(".")[1] for name in _imports(file) if name.startswith("tf_xai.")}
    if part not in TOP:
        assert part in BELOW, f"say in BELOW what {part} may import"
        assert own <= BELOW[part] | {part}


def _served():
    """The files that TensorBoard's server needs: the plugin, and what it imports of the package."""
    waiting, found = ["plugin"], {}
    while waiting:
        name = waiting.pop()
        found[name] = list(_imports(ROOT / "board" / f"{name}.py"))
        own = {each.split(".")[2] for each in found[name] if each.startswith("tf_xai.board.")}
        waiting += own - set(found)
    return found


def test_the_server_of_the_tab_needs_numpy_and_tensorboard_only():
    served = _served()
    assert {"plugin", "events", "packing"} <= set(served)
    for imports in served.values():
        assert all(name.startswith("tf_xai.board.") for name in imports if name.startswith("tf_xai"))
        assert {name.split(".")[0] for name in imports} - sys.stdlib_module_names <= {
            *("numpy", "tensorboard", "tf_xai"),
            "werkzeug",  # comes with tensorboard, and is what routes are written in
        }


def test_the_server_of_the_tab_brings_no_framework():
    brought = _brought_by("import tf_xai_tensorboard, tf_xai.board.plugin")
    assert "tensorboard" in brought
    assert not brought & {"tensorflow", "keras"}


def test_what_tensorboard_loads_at_its_start_has_nothing_above_it():
    assert "tf_xai" not in _brought_by("import tf_xai_tensorboard")


def test_one_file_opens_a_tape():
    naming = [str(file.relative_to(ROOT)) for file in FILES if "GradientTape(" in file.read_text(encoding="utf-8")]
    assert naming == ["core/gradients.py"]


def test_the_library_asserts_nothing():
    for file in FILES:
        assert not [node for node in ast.walk(_tree(file)) if isinstance(node, ast.Assert)], file


def _brought_by(statement, after="pass"):
    """The top-level modules that a statement adds to those of a fresh interpreter."""
    script = f"import sys; {after}; old = set(sys.modules); {statement}; print(*(set(sys.modules) - old))"
    names = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    return {name.split(".")[0] for name in names.split()}


def test_a_bare_import_brings_no_framework():
    assert not _brought_by("import tf_xai") & {"tensorflow", "keras"}


def test_heavy_packages_are_imported_where_they_are_used():
    brought = _brought_by("import tf_xai; tf_xai.explain", after="import tensorflow, keras")
    assert not brought & {"lime", "shap", "sklearn", "pandas", "matplotlib", "tensorboard", "scipy"}


def test_every_public_name_resolves():
    assert {
        *("explain", "Explainer", "Explanation", "Score", "ExplainableModel", "compile", "with_evidence"),
        *("attributions", "callbacks", "losses", "metrics", "__version__"),
    } <= set(tf_xai.__all__)
    for name in tf_xai.__all__:
        assert getattr(tf_xai, name) is not None
    for name in ("attributions", "callbacks", "losses", "metrics"):
        namespace = getattr(tf_xai, name)
        assert namespace.__all__
        assert all(hasattr(namespace, entry) for entry in namespace.__all__)


def test_the_files_of_the_tab_are_packaged():
    setup = ROOT.parent / "setup.cfg"
    if not setup.exists():
        pytest.skip("the package is not in its repository")
    settings = configparser.ConfigParser()
    settings.read(setup, encoding="utf-8")
    patterns = settings["options.package_data"]["tf_xai.board"].split(", ")
    packaged = {path for pattern in patterns for path in (ROOT / "board").glob(pattern)}
    assert packaged >= {path for path in (ROOT / "board" / "static").rglob("*") if path.is_file()}
    assert ROOT / "board" / "FORMAT.md" in packaged
    assert settings["options"]["py_modules"] == "tf_xai_tensorboard"
