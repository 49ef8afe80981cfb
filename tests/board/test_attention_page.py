"""Attention in the tab: heads as they are logged, and the rollout as `attention_rollout` has it."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.board import logs
from tests.board.browser import serve
from tf_xai import Score
from tf_xai.attributions import attention, attention_rollout
from tf_xai.board import packing, records

FIRST, LAST = (68, 1, 84, 255), (253, 231, 37, 255)  # of viridis
DARK_BLUE, YELLOW = (0, 34, 78, 255), (254, 232, 56, 255)  # of cividis
TOKENS = ["[CLS]", "not", "bad", "at", "all", "[SEP]", "", ""]
LENGTHS = (8, 6)  # of the two rows, without padding


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with serve(logs.write(tmp_path_factory.mktemp("attention"), kind="attention")) as address:
        yield address


@pytest.fixture(scope="module")
def seen():
    """Weights of two layers whose names are not in the order of their calls, and the rollout."""
    keras.utils.set_random_seed(3)
    layers, spread = keras.layers, keras.initializers.RandomNormal
    ids = keras.Input((8,), dtype="int32")
    x = layers.Embedding(20, 16, mask_zero=True, embeddings_initializer=spread(stddev=0.7))(ids)
    for name in ("second", "first"):
        heads = layers.MultiHeadAttention(3, 8, kernel_initializer=spread(stddev=1.0), name=name)
        x = x + heads(x, x)
    score = Score(keras.Model(ids, layers.Dense(2)(layers.GlobalAveragePooling1D()(x))))
    rows = np.array([np.arange(1, 9), [5, 3, 9, 1, 7, 2, 0, 0]], "int32")
    weights = {name: each.numpy() for name, each in attention(score, rows).items()}
    return weights, attention_rollout(score, rows).numpy()


@pytest.fixture(scope="module")
def own_url(seen, tmp_path_factory):
    folder, (weights, _) = tmp_path_factory.mktemp("own"), seen
    arrays = []
    for name, each in weights.items():
        codes, scale, clip = packing.quantise(each)
        arrays.append({"name": name, "kind": "attention", "of": "", "data": codes})
        arrays[-1].update(scale=packing.listed(scale), clip=packing.listed(clip))
    tokens = [[f"t{i}" for i in range(8)], TOKENS]
    with tf.summary.create_file_writer(str(folder / "run" / "xai")).as_default():
        records.inputs(packing.pack([{"name": "", "kind": "text", "encoding": "json", "data": tokens}], n=2))
        records.maps("attention", packing.pack(arrays, n=2), 0)
    with serve(folder) as address:
        yield address


def cells(pixels, count):
    """One pixel of every cell of a matrix with so many rows."""
    size = len(pixels) // count
    assert len(pixels) == len(pixels[0]) == count * size
    return [[pixels[row * size][column * size] for column in range(count)] for row in range(count)]


def test_heads_have_known_pixels(url, open_tab):
    tab = open_tab(url, view="attention")
    assert tab.find("method").input_value() == "gradient"  # the first method, which has the heads here
    own = cells(tab.pixels(run="plain/xai", layer="layer_0", head=0), 7)
    before = cells(tab.pixels(run="plain/xai", layer="layer_0", head=1), 7)
    for row in range(7):
        assert own[row] == [LAST if column == row else FIRST for column in range(7)]
        assert before[row] == [LAST if column == max(0, row - 1) else FIRST for column in range(7)]
    tab.choose("layer", "layer_1")
    first = cells(tab.pixels(run="shortcut/xai", layer="layer_1", head=0), 7)
    assert first == [[LAST, *[FIRST] * 6]] * 7
    tab.choose("colors", "cividis")
    assert cells(tab.pixels(head=0), 7)[2] == [YELLOW, *[DARK_BLUE] * 6]


def test_padding_is_left_out_and_examples_go_on(url, open_tab):
    tab = open_tab(url, view="attention", example=1)
    with tab.drawing():
        tab.find("next").click()
    assert tab.examples() == [2]
    cells(tab.pixels(head=0), 5)
    with tab.drawing():
        tab.find("previous").click()
    cells(tab.pixels(head=0), 6)


def test_a_head_is_enlarged_and_tells_its_weights(url, open_tab):
    tab = open_tab(url, view="attention", runs="plain/xai", scale="map")
    with tab.drawing():
        tab.maps(head=1).click()
    large = tab.frame.locator("canvas[data-large]")
    assert large.get_attribute("data-head") == "1"
    assert tab.frame.locator('button[aria-pressed="true"]').inner_text() == "head 1"
    labels = tab.frame.locator(".matrix text").all_text_contents()
    assert labels == ["keys →", "queries ↓", *logs.WORDS, *logs.WORDS]
    box = large.bounding_box()
    large.hover(position={"x": box["width"] * 2.5 / 7, "y": box["height"] * 3.5 / 7})
    assert tab.find("readout").text_content() == "query “some” → key “of”: 1"
    tab.page.keyboard.press("Tab")
    large.focus()
    tab.page.keyboard.press("ArrowRight")
    assert tab.find("readout").text_content() == "query “some” → key “some”: 0"
    with tab.drawing():
        tab.maps(head=1).first.click()
    assert large.count() == 0


def test_the_mean_of_the_heads(url, open_tab):
    tab = open_tab(url, view="attention", runs="plain/xai", scale="map")
    with tab.drawing():
        tab.find("heads").check()
    assert [each.get_attribute("data-layer") for each in tab.maps(head="mean").all()] == ["layer_0", "layer_1"]
    mean = cells(tab.pixels(layer="layer_0", head="mean"), 7)
    half = (33, 145, 140)  # the middle of viridis
    np.testing.assert_allclose(mean[2][1][:3], half, atol=3)
    np.testing.assert_allclose(mean[2][2][:3], half, atol=3)
    assert mean[0][0] == LAST
    assert mean[2][3] == FIRST


def test_special_tokens_can_be_hidden(own_url, open_tab):
    tab = open_tab(own_url, view="attention", example=1)
    tokens = tab.find("token")
    assert tokens.all_text_contents() == TOKENS[:-2]
    with tab.drawing():
        tab.find("special").check()
    assert tokens.all_text_contents() == ["not", "bad", "at", "all"]
    cells(tab.pixels(head=2), 4)
    tab.page.wait_for_url(lambda url: "special=hidden" in url)


def test_layers_stand_in_the_order_of_their_calls(own_url, open_tab):
    tab = open_tab(own_url, view="attention")
    assert tab.find("layer").locator("option").all_text_contents() == ["second", "first"]
    assert "Rollout through second → first" in tab.frame.locator("h3").all_text_contents()[-1]


@pytest.mark.parametrize("row", [0, 1])
def test_the_rollout_is_that_of_the_library(own_url, open_tab, seen, row):
    weights, expected = seen
    tab = open_tab(own_url, view="attention", example=row)
    found = tab.frame.evaluate(
        """async ([layers, valid]) => {
          const { rollout } = await import('./static/heads.js');
          const of = ({ all, ...rest }) => ({ ...rest, worth: 1, of: (head) => all[head] });
          return Array.from(rollout(layers.map(of), valid));
        }""",
        [
            [
                {"name": name, "heads": 3, "queries": 8, "keys": 8, "all": each[row].reshape(3, 64).tolist()}
                for name, each in weights.items()
            ],
            [place < LENGTHS[row] for place in range(8)],
        ],
    )
    np.testing.assert_allclose(found, expected[row], atol=1e-6)
    # What is drawn comes from int8 codes.
    titles = tab.find("token").evaluate_all("all => all.map(({ title }) => title)")
    np.testing.assert_allclose(
        [float(title.split(": ")[1]) for title in titles], expected[row][: LENGTHS[row]], atol=0.003
    )
    assert expected[row][: LENGTHS[row]].std() > 0.01  # not the same for all tokens


def flat(folder):
    """Weights near 1 / 7 in a head, and a head with a weight that is no number."""
    near, broken = np.full((2, 7, 7), 1 / 7), np.full((2, 7, 7), 1 / 7)
    near[:, 2, 3], near[:, 4, 5] = 0.13, 0.15
    broken[:, 0, 0] = np.nan
    codes, scale, clip = packing.quantise(np.stack([near, broken], axis=1))
    layer = {"name": "layer", "kind": "attention", "of": "", "data": codes}
    layer.update(scale=packing.listed(scale), clip=packing.listed(clip))
    tokens = {"name": "", "kind": "text", "encoding": "json", "data": [logs.WORDS] * 2}
    with tf.summary.create_file_writer(str(folder / "run" / "xai")).as_default():
        records.inputs(packing.pack([tokens], n=2))
        records.maps("attention", packing.pack([layer], n=2), 0)
    return folder


@pytest.fixture(scope="module")
def flat_url(tmp_path_factory):
    with serve(flat(tmp_path_factory.mktemp("flat"))) as address:
        yield address


def test_weights_near_each_other_are_told_apart(flat_url, open_tab):
    """From the least to the largest weight; in the gallery from the least to the value of full colour."""
    tab = open_tab(flat_url, view="attention", head=0, scale="map")
    drawn = cells(tab.pixels(layer="layer", head=0), 7)
    assert (drawn[2][3], drawn[4][5]) == (FIRST, LAST)
    assert drawn[0][0] not in (FIRST, LAST)
    low, high = re.findall(r"[\d.]+", tab.frame.locator("figure .legend").inner_text())
    np.testing.assert_allclose([float(low), float(high)], [0.13, 0.15], atol=0.002)
    tab.choose("scale", "all")
    assert cells(tab.pixels(layer="layer", head=0), 7)[2][3] != FIRST


def test_what_is_no_number_has_no_mean(flat_url, open_tab):
    tab = open_tab(flat_url, view="gallery", example=0)
    assert tab.frame.evaluate(
        "async () => Array.from((await import('./static/heads.js')).meanOf(Int8Array.of(127, 9, -128, 12), 2))"
    ) == [-128, 11]
    hatched, *others = tab.pixels(example=0)[0]
    assert hatched[0] == hatched[1] == hatched[2]
    assert others[0][0] != others[0][1]


def test_attention_has_one_coloring(url, open_tab):
    """In the gallery as in its own view, with diverging colors as well: the mean of an own and a previous head."""
    tab = open_tab(url, view="gallery", method="gradient", scale="map")
    drawn = tab.pixels(run="plain/xai", example=0)
    assert drawn[0][0] == LAST
    assert drawn[2][3] == FIRST
    np.testing.assert_allclose(drawn[2][2][:3], (33, 145, 140), atol=3)


def test_only_the_chosen_head_is_enlarged(url, open_tab):
    tab = open_tab(url, view="attention", head="mean")
    assert tab.frame.locator("canvas[data-large]").count() == 0
    with tab.drawing():
        tab.find("heads").check()
    assert tab.frame.locator("canvas[data-large]").count() == 2
