"""What newcomers run: the README's code, the demo, the notebooks, the saved models."""

import json
import os
import re
import shlex
from pathlib import Path

import keras
import numpy as np
import pytest

from tf_xai import Explainer, callbacks, cli, losses, metrics, tradeoff
from tf_xai.attributions import METHODS
from tf_xai.core.baselines import Samples
from tf_xai.datasets import decoy, digits
from tf_xai.evaluating import evaluate

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


def test_the_code_of_the_guide_to_metrics_runs(tmp_path, monkeypatch, capsys):
    """One block after the other, the command line among them."""
    guide = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(python|sh)\n(.*?)```", guide, flags=re.DOTALL)
    assert [kind for kind, _ in blocks].count("python") == 7 and [kind for kind, _ in blocks].count("sh") == 1
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    names = {}
    for kind, block in blocks:
        if kind == "python":
            exec(block, names)
        else:
            command, *arguments = shlex.split(block)
            assert command == "tf-xai"
            cli.main(arguments)
    assert "relevance_mass" in capsys.readouterr().out and (tmp_path / "plot.png").exists()
    assert list(names["table"]["deletion"]) == ["mean", "low", "high", "rows", "normalised"]
    lines = names["history"].history
    assert lines["xai_deletion"][-1] < lines["xai_deletion_random"][-1] and "xai_drift_first_flipped" in lines
    assert list((tmp_path / "front").glob("*.keras")) and np.shape(names["values"]) == (8,)
    counted = names["rows"].loc["gradient_input"]
    assert (counted["deletion", "rows"], counted["faithfulness_correlation", "rows"]) == (8, 0)


def test_the_guide_names_every_metric():
    guide = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    table = guide[guide.index("## Choose") : guide.index("## What a number")]
    for name in set(metrics.__all__) - {"METRICS", "ExplanationMetric"}:
        assert f"`{name}`" in table, name
    for name in set(callbacks.__all__) - {"AttributionBoard"}:
        assert name in guide, name


def cells(guide, row):
    """The numbers of a row of a table."""
    (line,) = [line for line in guide.splitlines() if line.startswith(f"| {row} |")]
    return [float(cell) for cell in line.split("|")[2:-1]]


@pytest.mark.slow
def test_the_numbers_of_the_guide_to_metrics():
    """Those of the saved models, to the last digit that the page has."""
    guide = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    _, (x, y) = digits()
    shown, masks = (part[:200] for part in decoy(x, y, informative=False, seed=1))
    patches, explainers = {"regions": "patches"}, ["gradient", "gradient_input", "integrated_gradients"]
    plain, right = (
        keras.saving.load_model(ROOT / "saved_models" / f"digits_{name}.keras") for name in ("plain", "right_reasons")
    )
    asked = {"deletion": patches, "insertion": patches, "relevance_mass": {}}
    for column, model in enumerate((plain, right)):
        options = {"evidence": masks, "controls": ("random", "oracle")}
        row = evaluate(model, shown, None, "integrated_gradients", asked, **options).loc["integrated_gradients"]
        for name in ("deletion", "insertion"):
            said = cells(guide, f"`{name}`, normalised")[column]
            assert row[name, "normalised"] == pytest.approx(said, abs=0.006), name
        said = cells(guide, "`relevance_mass` on the square")[column]
        assert row["relevance_mass", "mean"] == pytest.approx(said, abs=0.006)
    baselines = {'`"zeros"`': "zeros", '`"mean"`': "mean", '`"blur"`': "blur"}
    baselines["`xai.baselines.Samples(...)`, other digits"] = Samples(x[500:])
    for name, baseline in baselines.items():
        metric = {"deletion": {**patches, "baseline": baseline}}
        means = evaluate(plain, shown, None, explainers, metric, controls="random")["deletion", "mean"]
        np.testing.assert_allclose(means, cells(guide, name), atol=0.006, err_msg=name)
    moved = evaluate(plain, shown, None, "gradient", "max_sensitivity", controls="weights")["max_sensitivity", "mean"]
    said = re.search(r"a\s+gradient has ([\d.]+),.*? random\s+weights ([\d.]+\d)", guide, re.DOTALL).groups()
    np.testing.assert_allclose(moved, [float(number) for number in said], atol=0.006)


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


def test_links_of_the_guides_lead_somewhere():
    for page in (ROOT / "docs").glob("*.md"):
        links = re.findall(r"\]\((?!http)([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        assert all((page.parent / link).exists() for link in links), page.name


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
