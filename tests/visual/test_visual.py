"""Pictures: known attributions give known pixels."""

import numpy as np
import pytest

import tf_xai as xai
from tests.models import dict_model, mlp
from tf_xai.visual.figures import image, plot
from tf_xai.visual.overlay import AGAINST, FOR, grid, normalize, overlay


def test_orange_for_blue_against_grey_for_nothing():
    images = np.array([[[0.0, 1.0], [0.5, 0.5]]])[..., None]
    values = np.array([[[1.0, -1.0], [0.0, 0.5]]])[..., None]
    picture = overlay(images, values)[0].astype(int)
    grey = 60 + 180 * images[0]
    np.testing.assert_allclose(picture[0, 0], 0.15 * grey[0, 0] + 0.85 * FOR, atol=1)
    np.testing.assert_allclose(picture[0, 1], 0.15 * grey[0, 1] + 0.85 * AGAINST, atol=1)
    np.testing.assert_allclose(picture[1, 0], [150, 150, 150])


def test_one_outlier_does_not_hide_the_rest():
    maps = np.full((1, 200), 1.0)
    maps[0, 0] = 1000.0
    assert normalize(maps)[0, 1] == 1.0


def test_maps_without_anything_stay_zero():
    assert not normalize(np.zeros((2, 3, 3))).any()


def test_grid():
    red, blue = np.zeros((2, 2, 3), "uint8"), np.full((2, 2, 3), 7, "uint8")
    canvas = grid([[red, blue], [blue]], scale=2, gap=1)
    assert canvas.shape == (9, 9, 3)
    assert (canvas[:4, :4] == 0).all() and (canvas[:4, 5:] == 7).all() and (canvas[5:, 5:] == 255).all()


def test_bars_are_the_largest_attributions_in_order(rng):
    model, x = mlp(), rng.normal(size=(2, 4)).astype("float32")
    e = xai.explain(model, x, verbose=0)
    axis = plot(e.values, e.inputs, feature_names=list("abcd"), top=3).axes[0]
    order = np.argsort(-np.abs(e.values[0]))[:3][::-1]
    np.testing.assert_allclose([bar.get_width() for bar in axis.patches], e.values[0][order])
    assert [label.get_text() for label in axis.get_yticklabels()] == ["abcd"[i] for i in order]


@pytest.mark.parametrize("rows", [1, 6])
def test_one_panel_per_row(rng, rows):
    x = rng.random((rows, 6, 1))
    figure = plot(x, x)
    assert sum(axis.get_visible() for axis in figure.axes) == rows


def test_several_inputs_stand_side_by_side(rng):
    x = {"image": rng.random((2, 6, 6, 1)), "age": rng.random((2, 2))}
    figure = xai.explain(dict_model(), x, verbose=0).plot()
    assert [axis.get_title().split(",")[0] for axis in figure.axes] == ["age", "image"] * 2
    assert image(figure).shape[2] == 3
