"""Every kind of input has a panel that shows it: words, heads, frames, bands."""

import numpy as np
import pytest
from keras import Input, Model, layers
from matplotlib.patches import Rectangle

import tf_xai as xai
from tests import models
from tf_xai.visual.figures import image, plot
from tf_xai.visual.panels import color

VOCABULARY = ["[PAD]", *(f"word{i}" for i in range(8)), "$5"]


def _words(axis):
    return [text.get_text() for text in axis.texts]


def test_words_lie_on_the_colours_of_their_attributions():
    values = np.array([[1.0, -0.5, 0.0, 0.25]])
    (axis,) = plot(values, np.array([[9, 2, 3, 1]]), words=VOCABULARY.__getitem__).axes
    assert _words(axis) == ["$5", "word1", "word2", "word0"]
    boxes = [patch for patch in axis.patches if isinstance(patch, Rectangle)]
    assert [box.get_alpha() for box in boxes] == [0.75, 0.375, 0.0, 0.1875]
    assert [box.get_facecolor()[:3] for box in boxes[:2]] == [color(1), color(-1)]


def test_long_texts_are_wrapped_within_the_panel(rng):
    ids = rng.integers(1, 9, size=(1, 60))
    (axis,) = plot(rng.normal(size=(1, 60)), ids, words=VOCABULARY.__getitem__).axes
    lines = {text.get_position()[1] for text in axis.texts}
    assert len(lines) > 2 and len(axis.texts) == 60
    assert max(box.get_x() + box.get_width() for box in axis.patches) <= axis.get_xlim()[1] + 1
    assert image(axis.figure).shape[2] == 3


def test_words_may_be_those_of_every_row_and_ids_stand_for_themselves():
    values, ids = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5, 6], [7, 8]])
    given = [["a", "b c"], ["\n", "d"]]
    assert [_words(axis) for axis in plot(values, ids, words=given).axes] == [["a", "b c"], ["\N{OPEN BOX}", "d"]]
    assert [_words(axis) for axis in plot(values, ids).axes] == [["5", "6"], ["7", "8"]]


def test_padding_is_left_out():
    values, ids = np.array([[1.0, 0.0, 2.0, 0.0, 0.0, 0.0]]), np.array([[1, 2, 3, 0, 0, 0]])
    assert _words(plot(values, ids).axes[0]) == ["1", "2", "3"]


def test_words_follow_the_rows_that_are_drawn(rng):
    ids = rng.integers(1, 10, size=(3, 5))
    e = xai.explain(models.tokens(), ids, method="gradient_input", verbose=0)
    words = [[f"{row}/{i}" for i in range(5)] for row in range(3)]
    assert [_words(axis)[0] for axis in e.plot(rows=[2, 0], words=words).axes] == ["2/0", "0/0"]
    assert _words(e.plot(rows=1, words=words).axes[0])[0] == "1/0"
    assert [_words(axis) for axis in e.plot(words=words).axes] == words


def test_attention_is_a_grid_of_layers_and_heads(rng):
    ids = rng.integers(1, 10, size=(2, 6))
    e = xai.explain(models.transformer(), ids, method="attention", verbose=0)
    axes = e.plot(words=VOCABULARY.__getitem__).axes
    titles = [axis.get_title().splitlines()[-1] for axis in axes]
    assert titles == [f"attention_{layer}, head {head}" for layer in (0, 1) for head in (0, 1)]
    np.testing.assert_array_equal(axes[3].images[0].get_array(), e.values["attention_1"][0, 1])
    assert [label.get_text() for label in axes[0].get_yticklabels()] == [VOCABULARY[i] for i in ids[0]]
    assert len(e.plot(rows=[0, 1]).axes) == 8


def test_so_is_the_flow_between_all_tokens(rng):
    ids = rng.integers(1, 10, size=(1, 6))
    e = xai.explain(models.transformer(), ids, method="attention_rollout", token="all", verbose=0)
    np.testing.assert_array_equal(e.plot().axes[0].images[0].get_array(), e.values[0])


def test_a_video_is_a_strip_of_frames(rng):
    video = rng.random((1, 10, 6, 8, 3))
    (axis,) = plot(rng.normal(size=video.shape), video).axes
    assert axis.images[0].get_array().shape == (6, 6 * 8, 3)
    assert [tick.get_text() for tick in axis.get_xticklabels()] == [f"frame {i}" for i in (0, 2, 4, 5, 7, 9)]


def test_a_spectrogram_has_time_to_the_right_and_low_frequencies_below():
    values = np.zeros((1, 5, 3, 1))
    values[0, 4, 0] = 1.0
    (axis,) = plot(values, np.zeros((1, 5, 3, 1)), kind="spectrogram").axes
    picture = axis.images[0].get_array()
    assert picture.shape == (3, 5, 3) and axis.images[0].origin == "lower"
    assert np.ptp(picture[0, 4]) > 0 and np.ptp(picture[2, 4]) == 0
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("time", "frequency")
    with pytest.raises(ValueError, match=r"Unknown `kind`. Expected one of \['image'"):
        plot(values, values, kind="sound")


def test_a_long_series_is_one_picture_not_a_patch_per_step(rng):
    sound = rng.normal(size=(1, 5000, 1))
    (axis,) = plot(sound, sound).axes
    assert axis.images[0].get_array().shape == (1, 5000, 4) and not axis.patches


@pytest.mark.parametrize("layer", ["first", "dense"])
def test_activations_of_a_layer(layer, rng):
    model = models.cnn()
    place = model.layers[-1] if layer == "dense" else layer
    x = rng.normal(size=(2, 8, 8, 1)).astype("float32")
    axes = xai.explain(model, x, method="gradient_input", layer=place, verbose=0).plot().axes
    assert len(axes) == 2
    if layer == "first":
        assert axes[0].images[0].get_array().shape == (8, 8, 3)
    else:
        assert len(axes[0].patches) == 3


def test_masks_are_not_drawn_beside_what_is_explained(rng):
    inputs = {"ids": Input((4,), dtype="int32", name="ids"), "mask": Input((4,), dtype="bool", name="mask")}
    seen = layers.Flatten()(layers.Embedding(9, 2)(inputs["ids"]))
    model = Model(inputs, models.dense(2)(seen))
    e = xai.explain(model, {"ids": rng.integers(1, 9, size=(2, 4)), "mask": np.ones((2, 4), bool)}, verbose=0)
    figure = e.plot(words={"ids": VOCABULARY.__getitem__})
    assert [axis.get_title().split(",")[0] for axis in figure.axes] == ["ids", "ids"]
    assert _words(figure.axes[0])[0].startswith("word")


def test_names_of_a_column_and_of_a_table():
    values = {"age": np.array([1.0]), "table": np.array([[2.0, 3.0]])}
    axes = plot(values, values).axes
    labels = [[label.get_text() for label in axis.get_yticklabels()] for axis in axes]
    assert labels == [["age"], ["table0", "table1"]]


@pytest.mark.parametrize("shape", [(4,), (6, 2), (6, 6, 1), (3, 6, 6, 1)])
def test_rows_of_nan_are_drawn_empty(shape):
    nothing = np.full((1, *shape), np.nan)
    assert image(plot(nothing, nothing)).shape[2] == 3
