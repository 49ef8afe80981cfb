"""The command line: `tf-xai evaluate`, its table, its files and its errors."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import tf_xai as xai
from tests.models import mlp
from tf_xai import cli


@pytest.fixture
def files(tmp_path, rng):
    """A model and data of 30 rows."""
    model, data = tmp_path / "model.keras", tmp_path / "data.npz"
    mlp().save(model)
    x = rng.normal(size=(30, 4)).astype("float32")
    np.savez(data, x=x, y=(x[:, 0] > 0).astype("int32"), evidence=np.abs(x) > 1)
    return str(model), str(data)


def failed(capsys, *arguments):
    """What the command says when it gives up."""
    with pytest.raises(SystemExit) as stopped:
        cli.main(["evaluate", *map(str, arguments)])
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_table_file_and_plot(files, tmp_path, capsys):
    table, plot = tmp_path / "table.csv", tmp_path / "plot.png"
    asked = ["--explainers", "gradient_input", "deep_lift", "--metrics", "deletion", "relevance_mass"]
    written = ["--output", str(table), "--plot", str(plot)]
    cli.main(["evaluate", *files, *asked, "--rows", "20", "--controls", "random", "oracle", *written])
    printed, frame = capsys.readouterr().out, pd.read_csv(table, index_col="explainer")
    assert list(frame.index) == ["gradient_input", "deep_lift", "random", "oracle"]
    assert frame["deletion_rows"].tolist() == [20] * 4 and frame.loc["oracle", "deletion_normalised"] == 1
    row = frame.loc["deep_lift"]
    assert (row["passes_per_row_forward"], row["passes_per_row_backward"]) == (2, 1) and row["seconds_all_rows"] > 0
    assert f"{row['deletion_mean']:.3g} [{row['deletion_low']:.3g}, {row['deletion_high']:.3g}]" in printed
    assert "2 + 1 back" in printed and "nan" not in printed.lower()
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_regions_go_to_metrics_that_have_some(tmp_path, capsys, rng):
    from tests.models import cnn

    cnn((16, 16, 1)).save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", x=rng.random((3, 16, 16, 1)).astype("float32"))
    files = [str(tmp_path / "model.keras"), str(tmp_path / "data.npz")]
    asked = ["--explainers", "gradient", "--metrics", "deletion", "sparseness", "--controls", "random", "oracle"]
    assert "Pass `regions=`" in failed(capsys, *files, *asked)
    cli.main(["evaluate", *files, *asked, "--regions", "patches"])
    assert "deletion, normalised" in capsys.readouterr().out


def test_errors_have_no_traceback(files, tmp_path, capsys):
    model, data = files
    assert "There is no model" in failed(capsys, tmp_path / "no.keras", data)
    assert "There is no data" in failed(capsys, model, tmp_path / "no.npz")
    assert "There is no directory" in failed(capsys, model, data, "--output", tmp_path / "no" / "table.csv")
    said = failed(capsys, model, data, "--explainers", "gradeint")
    assert "Unknown `method`" in said and "Did you mean 'gradient'?" in said
    assert "Did you mean 'deletion'?" in failed(capsys, model, data, "--metrics", "deletoin")
    assert "Unknown `controls`" in failed(capsys, model, data, "--controls", "nothing")
    for rows in ("0", "few"):
        assert f"must be an integer of at least 1, not {rows}" in failed(capsys, model, data, "--rows", rows)


def test_pictures_that_can_not_be_drawn_are_refused_before_the_work(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cli, "_table", lambda options: pytest.fail("has begun to work"))
    said = failed(capsys, *files, "--plot", tmp_path / "plot.xlsx")
    assert "can not draw a .xlsx file. Expected one of" in said and "'png'" in said and "plot.xlsx" in said


def test_pictures_of_other_endings(files, tmp_path, capsys):
    asked = ["--explainers", "gradient", "--metrics", "sparseness", "--controls", "--rows", "4"]
    for name in ("plot.SVG", "plot"):  # matplotlib adds .png where there is no ending
        cli.main(["evaluate", *files, *asked, "--plot", str(tmp_path / name)])
    assert b"<svg" in (tmp_path / "plot.SVG").read_bytes()
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_data_of_other_kinds(files, tmp_path, capsys):
    """Say how to write the right one."""
    table, single = tmp_path / "data.csv", tmp_path / "data.npy"
    table.write_text("a,b,label\n1,2,0\n")
    np.save(single, np.zeros((3, 4)))
    for path in (table, single):
        said = failed(capsys, files[0], path)
        assert f"{str(path)!r} is no .npz file" in said and "np.savez('data.npz', x=x, y=y)" in said
        assert "pickle" not in said
    assert "pandas.read_csv" in said


def test_version_comes_without_tensorflow():
    script = (
        "import sys\nfrom tf_xai import cli\ntry:\n    cli.main(['--version'])\nexcept SystemExit:\n"
        "    print('tensorflow' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert said == f"tf-xai {xai.__version__}\nFalse\n"


def test_token_ids(tmp_path, capsys):
    """The metrics by default, with and without regions."""
    from tests.models import transformer

    transformer().save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", x=np.arange(18).reshape(3, 6) % 10, y=np.arange(3))
    files = [str(tmp_path / "model.keras"), str(tmp_path / "data.npz"), "--explainers", "gradient_input"]
    for regions in ([], ["--regions", "tokens", "--controls", "random", "oracle"]):
        cli.main(["evaluate", *files, *regions])
        printed = capsys.readouterr().out
        assert "faithfulness_correlation" in printed and "max_sensitivity" not in printed
        assert ("deletion, normalised" in printed) == bool(regions)
    assert "`max_sensitivity` moves floating inputs" in failed(capsys, *files, "--metrics", "max_sensitivity")


def test_broken_files_are_named(files, tmp_path, capsys):
    model, data = files
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK\x03\x04 no archive")
    assert "broken.npz' can not be read as an npz file" in failed(capsys, model, broken)
    np.savez(broken, z=np.zeros(3))
    assert "must have an array 'x'. Received: ['z']" in failed(capsys, model, broken)
    np.savez(broken, x=np.zeros((3, 4)), labels=np.zeros(3))
    assert "Received also: ['labels']" in failed(capsys, model, broken)
    np.savez(broken, x=np.zeros((3, 4)), y=np.zeros(2))
    assert "an entry for every row of 'x' in ['y']" in failed(capsys, model, broken)
    np.savez(broken, x=np.array([{}, {}]))
    assert "can not be read as an npz file of numbers" in failed(capsys, model, broken)
    np.savez(broken, x=np.zeros((3, 7)))
    assert "7" in failed(capsys, model, broken)
    wrong = tmp_path / "wrong.keras"
    wrong.write_text("no model")
    assert "tf-xai evaluate:" in failed(capsys, wrong, data)


def test_help_comes_without_tensorflow():
    script = (
        "import sys\nfrom tf_xai import cli\ntry:\n    cli.main(['evaluate', '--help'])\nexcept SystemExit:\n"
        "    print('tensorflow' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert "--explainers" in said and said.endswith("False\n")


def test_models_saved_with_their_losses(files, tmp_path):
    """In a process of its own, in which nobody has imported the classes."""
    model = str(tmp_path / "explainable.keras")
    explainable = xai.compile(
        mlp(), "sgd", "sparse_categorical_crossentropy", explanation_loss=xai.losses.RightReasons()
    )
    explainable.save(model)
    asked = ["--explainers", "gradient", "--metrics", "sparseness", "--rows", "4"]
    command = [sys.executable, "-m", "tf_xai.cli", "evaluate", model, files[1], *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "sparseness" in done.stdout
