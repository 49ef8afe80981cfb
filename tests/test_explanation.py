"""What `explain` returns: parts of it, tables, files, and the way to shap."""

from pathlib import Path

import numpy as np
import pytest

import tf_xai as xai
from tests import models


def _explanation(**changes):
    """Three rows of two inputs."""
    parts = {
        "values": np.array([[1.0, 2.0], [0.5, -1.0], [0.0, 4.0]], "float32"),
        "score": np.array([3.5, 0.0, 4.0], "float32"),
        "target": np.array([0, 1, 1]),
        "inputs": np.arange(6, dtype="float32").reshape(3, 2),
        "baseline_score": np.array([0.5, 0.25, 0.0], "float32"),
        "info": {"method": "integrated_gradients", "options": {"steps": 4, "baseline": None}, "notes": []},
    }
    return xai.Explanation(**{**parts, **changes})


def _nested():
    values = {"b": np.ones((2, 2, 2, 1), "float32"), "a": [np.full((2, 1), 2.0, "float32"), (np.zeros((2, 3)),)]}
    return _explanation(
        values=values, inputs=values, score=np.zeros(2), target=np.eye(2), baseline_score=None, feature_names=None
    )


def test_the_residual_is_what_is_missing_to_completeness():
    np.testing.assert_allclose(_explanation().residual, [0.0, -0.25, 0.0])
    assert _explanation(baseline_score=None).residual is None
    nested = _nested()
    scores = {"score": np.array([6.0, 7.0]), "baseline_score": np.zeros(2)}
    np.testing.assert_allclose(_explanation(values=nested.values, inputs=nested.inputs, **scores).residual, [0.0, -1.0])


@pytest.mark.parametrize(
    ("rows", "numbers"),
    [(1, [1]), (-1, [2]), (slice(1, None), [1, 2]), ([2, 0], [2, 0]), (np.array([True, False, True]), [0, 2])],
)
def test_rows(rows, numbers):
    e = _explanation()
    some = e[rows]
    assert len(some) == len(numbers)
    for name in ("values", "score", "target", "inputs", "baseline_score", "residual"):
        np.testing.assert_array_equal(getattr(some, name), getattr(e, name)[numbers])
    assert some.info == e.info


def test_rows_of_nested_inputs():
    some = _nested()[1]
    assert some.values["b"].shape == (1, 2, 2, 1)
    assert some.target.shape == (1, 2)
    assert some.baseline_score is None


@pytest.mark.parametrize("build", [_explanation, _nested, lambda: _explanation(feature_names=["age", "Größe"])])
def test_a_file_holds_it_all(build, tmp_path):
    e = build()
    e.save(tmp_path / "e.npz")
    again = xai.Explanation.load(tmp_path / "e.npz")
    for name in ("values", "score", "target", "inputs", "baseline_score"):
        _same(getattr(again, name), getattr(e, name))
    for name in ("feature_names", "info"):
        assert getattr(again, name) == getattr(e, name)


def _same(tree, other):
    """Asserts that two trees are nested alike, hold the same numbers, and those in the same dtypes."""
    assert type(tree) is type(other)
    if isinstance(tree, dict):
        assert set(tree) == set(other)
        for key in tree:
            _same(tree[key], other[key])
    elif isinstance(tree, (list, tuple)):
        for entry, twin in zip(tree, other, strict=True):
            _same(entry, twin)
    elif tree is not None:
        np.testing.assert_array_equal(tree, other)
        assert tree.dtype == other.dtype


def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch):
    """Whatever fails half way: nothing is left of it, and the file from before can be read."""
    path = tmp_path / "e.npz"
    _explanation().save(path)

    def half(file, **arrays):
        Path(file).write_bytes(b"PK half of it")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(np, "savez_compressed", half)
        _nested().save(path)
    assert [each.name for each in tmp_path.iterdir()] == ["e.npz"]
    np.testing.assert_array_equal(xai.Explanation.load(path).values, _explanation().values)
    _nested().save(path)
    assert set(xai.Explanation.load(path).values) == {"a", "b"} and len(list(tmp_path.iterdir())) == 1


def test_endings_links_and_missing_folders(tmp_path):
    for name, file in {"plain": "plain.npz", "e.v2": "e.v2.npz", "e.npz": "e.npz"}.items():
        _explanation().save(str(tmp_path / name))
        assert (tmp_path / file).exists() and len(xai.Explanation.load(tmp_path / name)) == 3
    link = tmp_path / "link.npz"
    link.symlink_to(tmp_path / "e.npz")
    _nested().save(link)
    assert link.is_symlink() and len(xai.Explanation.load(tmp_path / "e.npz")) == 2
    with pytest.raises(FileNotFoundError):
        _explanation().save(tmp_path / "nowhere" / "e.npz")


def test_what_explain_returns_can_be_saved(tmp_path, rng):
    x, background = rng.normal(size=(2, 4)).astype("float32"), rng.normal(size=(3, 4)).astype("float32")
    e = xai.explain(models.mlp(), x, method="expected_gradients", background=background, samples=3, space="logit")
    e.save(tmp_path / "e.npz")
    again = xai.Explanation.load(tmp_path / "e.npz")
    assert again.info == e.info
    assert again.info["options"]["space"] == "logit"
    np.testing.assert_array_equal(again.values, e.values)


def test_frames():
    pytest.importorskip("pandas")
    frame = _explanation().to_frame(["age", "height"])
    assert list(frame.columns) == ["age", "height", "target", "score", "baseline_score", "residual"]
    np.testing.assert_array_equal(frame[["age", "height"]], _explanation().values)
    assert list(_explanation(feature_names=["p", "q"]).to_frame().columns[:2]) == ["p", "q"]
    assert list(_explanation().to_frame().columns[:2]) == ["x0", "x1"]
    with pytest.raises(ValueError, match=r"`feature_names` must name 2 columns. Received: 3"):
        _explanation().to_frame(["a", "b", "c"])


def test_frames_of_nested_inputs():
    pytest.importorskip("pandas")
    frame = _nested().to_frame()
    columns = ["b[0,0,0]", "b[0,1,0]", "b[1,0,0]", "b[1,1,0]", "a0", "a100", "a101", "a102", "score"]
    assert sorted(frame.columns) == sorted(columns)
    np.testing.assert_array_equal(frame["a0"], [2.0, 2.0])


def test_to_shap():
    shap = pytest.importorskip("shap")
    e = _explanation(feature_names=["age", "height"])
    converted = e.to_shap()
    assert isinstance(converted, shap.Explanation)
    np.testing.assert_array_equal(converted.values, e.values)
    np.testing.assert_array_equal(converted.data, e.inputs)
    np.testing.assert_array_equal(converted.base_values, e.baseline_score)
    assert converted.feature_names == ["age", "height"]
    assert converted[1].values.tolist() == e.values[1].tolist()


def test_to_shap_of_nested_inputs():
    shap = pytest.importorskip("shap")
    e = _nested()
    parts = e.to_shap()
    assert isinstance(parts["b"], shap.Explanation) and isinstance(parts["a"][1][0], shap.Explanation)
    np.testing.assert_array_equal(parts["b"].values, e.values["b"])
    joined = e.to_shap(joined=True)
    assert joined.feature_names == ["a0", "a100", "a101", "a102", "b[0,0,0]", "b[0,1,0]", "b[1,0,0]", "b[1,1,0]"]
    np.testing.assert_array_equal(joined.values, [[2, 0, 0, 0, 1, 1, 1, 1]] * 2)
    np.testing.assert_array_equal(joined.data, joined.values)


def test_attention_maps_are_no_features(rng):
    e = xai.explain(models.vit(), rng.normal(size=(2, 8, 8, 1)), method="attention", verbose=0)
    for convert in (e.to_shap, e.to_lime):
        with pytest.raises(ValueError, match=r"belong to no features.*attention_relevance"):
            convert()


def test_a_plot_takes_names_and_a_title_of_its_own():
    figure = _explanation(feature_names=["age", "height"]).plot(0, feature_names=["p", "q"], title="mine")
    assert {label.get_text() for label in figure.axes[0].get_yticklabels()} == {"p", "q"}
    assert figure.get_suptitle() == "mine"


def test_repr_names_method_size_and_residual():
    assert repr(_explanation()) == ("Explanation(integrated_gradients, 3 rows, values (3, 2), largest residual 0.25)")
