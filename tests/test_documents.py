"""What newcomers run: the README's code, the demo, the notebooks, the saved models."""

import json
import os
import re
from pathlib import Path

import keras
import pytest

from tf_xai import Explainer, callbacks, cli, losses, metrics, tradeoff
from tf_xai.attributions import METHODS
from tf_xai.datasets import decoy, digits

ROOT = Path(__file__).parent.parent


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) == 4
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks:
        exec(block, names)
    assert abs(names["e"].residual).max() < 0.02
    assert names["maps"].shape == (4, 28, 28, 1)


def test_the_guide_names_every_method():
    guide = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    table = guide[guide.index("## Methods") : guide.index("## Where the model")]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in METHODS:
        assert f"`{name}`" in table and f"`{name}`" in readme
    assert f"any of {len(METHODS)} methods" in readme


def test_the_guide_names_every_loss_and_trade_off():
    guide = (ROOT / "docs" / "losses.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in set(losses.__all__) - {"ExplanationLoss"}:
        assert f"`{name}`" in guide and f"`{name}`" in readme
    for name in tradeoff.__all__:
        assert re.search(rf"`{name}\b", guide), name


def test_the_readme_names_every_metric_and_callback():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in {*metrics.__all__, *callbacks.__all__} - {"METRICS"}:
        assert re.search(rf"\b{name}\b", readme), name


def test_the_guide_names_every_option():
    guide = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    section = guide[guide.index("## Options") : guide.index("## Where the model")]
    rows = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("| `")]
    described = {name: text for names, text in rows for name in re.findall(r"`(\w+)`", names)}
    described["kernel_shap"] = described["permutation_shap"] = described["exact_shap"] + described["kernel_shap"]
    for name in METHODS:
        options = set(Explainer(name).valid)
        assert options <= set(re.findall(r"\w+", described.get(name, ""))), name


def test_links_of_the_readme_lead_somewhere():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert links and all((ROOT / link).exists() for link in links)


@pytest.mark.slow
def test_the_demo_shows_what_it_promises(tmp_path, capsys):
    cli.main(["demo", "--quick", "--output", str(tmp_path)])
    printed = capsys.readouterr().out
    plain, ours = map(float, re.search(r"test, squares lie +([\d.]+) +([\d.]+)", printed).groups())
    assert ours > plain + 0.05
    plain, ours = map(float, re.search(r"attribution on square +([\d.]+) +([\d.]+)", printed).groups())
    assert ours < plain / 10
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 2 and "http" not in page and "np." not in page
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {"plain", "right_reasons"}


def test_unknown_commands_are_explained(capsys):
    with pytest.raises(SystemExit):
        cli.main(["dmeo"])
    assert "invalid choice: 'dmeo'" in capsys.readouterr().err


def test_digits_and_decoys():
    (x, y), (x_test, _) = digits()
    assert x.shape == (4000, 28, 28, 1) and x_test.shape == (1000, 28, 28, 1) and 0 <= x.min() < x.max() <= 1
    shown, masks = decoy(x[:50], y[:50])
    assert (masks.reshape(50, -1).sum(axis=1) == 16).all()
    assert (shown[~masks] == x[:50][~masks]).all()
    levels = [image[mask] for image, mask in zip(shown, masks, strict=True)]
    assert all(
        (abs(level - (255 - 25 * label) / 255) < 1e-6).all() for level, label in zip(levels, y[:50], strict=True)
    )
    lies, _ = decoy(x[:50], y[:50], informative=False)
    assert (lies != shown).any()


@pytest.mark.parametrize("name", sorted(json.loads((ROOT / "saved_models" / "manifest.json").read_text())))
def test_saved_models_are_as_good_as_their_manifest_says(name):
    manifest = json.loads((ROOT / "saved_models" / "manifest.json").read_text())
    _, (x, y) = digits()
    shown, _ = decoy(x, y, informative=False, seed=1)
    predicted = keras.saving.load_model(ROOT / "saved_models" / name).predict(shown, verbose=0).argmax(axis=1)
    assert (predicted == y).mean() == pytest.approx(manifest[name]["test accuracy, random squares"], abs=0.003)


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_run(path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    notebook = nbformat.read(path, as_version=4)
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.outputs = []  # those that are stored are no proof
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output["output_type"] == "error" for output in outputs)
