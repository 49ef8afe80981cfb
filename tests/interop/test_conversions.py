"""Our explanations in the plots of the shap and lime packages."""

import matplotlib
import numpy as np
import pytest

import tf_xai as xai
from tests import models

matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")
shap = pytest.importorskip("shap")

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

ALL = slice(None)
NAMES = ["age", "height", "weight", "pulse"]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def table(rng):
    """An explanation of eight rows of a table."""
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(rng.normal(size=(8, 4)).astype("float32"), columns=NAMES)
    return xai.explain(models.mlp(), frame, target=1)


def _labels(figure):
    """All text in a figure."""
    figure.canvas.draw()
    return " ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        *(("bar", ALL), ("beeswarm", ALL), ("violin", ALL), ("heatmap", ALL), ("decision", ALL)),
        *(("bar", 0), ("waterfall", 0), ("force", 0)),
    ],
)
def test_plots_of_tables(kind, rows, table):
    converted = table.to_shap()[rows]
    options = {"force": {"matplotlib": True}}.get(kind, {})
    if kind == "decision":
        base = float(converted.base_values[0])
        shap.plots.decision(base, converted.values, converted.data, NAMES, show=False)
    else:
        getattr(shap.plots, kind)(converted, show=False, **options)
    assert any(name in _labels(plt.gcf()) for name in NAMES)


def test_scatter(table):
    shap.plots.scatter(table.to_shap()[:, "height"], show=False)
    assert "height" in _labels(plt.gcf())


def test_image_plot(rng):
    e = xai.explain(models.cnn(), rng.random((2, 8, 8, 1)).astype("float32"), target=0)
    shap.image_plot(e.to_shap(), show=False)
    assert len(plt.gcf().axes) >= 4
    e = xai.explain(models.cnn((8, 8, 3)), rng.random((2, 8, 8, 3)).astype("float32"), target=0, method="grad_cam")
    assert e.to_shap(joined=True).data.shape == (2, 64)
    shap.image_plot(e.to_shap(), show=False)


def test_text_plot():
    parts = {"score": np.array([0.7], "float32"), "target": np.array([1]), "inputs": np.array([[3, 7, 2]])}
    e = xai.Explanation(np.array([[0.5, -0.2, 0.1]], "float32"), baseline_score=np.array([0.3]), **parts)
    html = shap.plots.text(e.to_shap(data=np.array([["good ", "old ", "film"]]))[0], display=False)
    assert "good" in html and "film" in html


def test_several_inputs(rng):
    x = {"image": rng.random((3, 6, 6, 1)).astype("float32"), "age": rng.random((3, 2)).astype("float32")}
    e = xai.explain(models.dict_model(), x, target=0)
    shap.plots.beeswarm(e.to_shap()["age"], show=False)
    joined = e.to_shap(joined=True)
    np.testing.assert_allclose(joined.values.sum(axis=1) + joined.base_values, e.score, atol=1e-3)
    shap.plots.waterfall(joined[0], show=False)
    assert "age0" in _labels(plt.gcf())


def test_to_lime(table):
    lime = pytest.importorskip("lime.explanation")
    e = table.to_lime(row=2, features=3)
    assert isinstance(e, lime.Explanation)
    order = np.argsort(-np.abs(table.values[2]))[:3]
    assert e.as_list() == [(NAMES[i], pytest.approx(float(table.values[2, i]))) for i in order]
    figure = e.as_pyplot_figure()
    assert NAMES[order[0]] in _labels(figure)
    html = e.as_html()
    assert all(NAMES[i] in html for i in order) and f"{table.inputs[2, order[0]]:.2f}" in html
    assert e.predicted_value == pytest.approx(float(table.score[2]))


def test_to_lime_of_several_inputs(rng):
    x = {"image": rng.random((3, 6, 6, 1)).astype("float32"), "age": rng.random((3, 2)).astype("float32")}
    e = xai.explain(models.dict_model(), x, target=0, method="gradient").to_lime(features=38)
    assert {"age0", "age1", "image[5,5,0]"} <= set(dict(e.as_list()))
