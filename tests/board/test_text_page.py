"""Texts in the tab: known attributions give known colors, underlines and sums."""

import re

import numpy as np
import pytest
import tensorflow as tf

from tests.board.kinds import call, url
from tf_xai.board import packing, records

__all__ = ["url"]

ORANGE, BLUE = np.array([230, 97, 1]), np.array([33, 102, 172])
WHITE, DARK = np.array([255, 255, 255]), np.array([27, 29, 33])
TEXT = ["[CLS]", "un", "##believ", "##able", "film", "[SEP]"]
VALUES = [0.0, 1.0, -0.25, -0.25, -1.0, 0.02]
LONG = 300


def words(folder):
    """Three texts in a run: the second has no finite attributions, the third is long."""
    padding = [""] * (LONG - len(TEXT))
    tokens = [TEXT + padding, TEXT + padding, [f"t{i}" for i in range(LONG)]]
    values = [VALUES + [0] * len(padding), [np.nan] * LONG, np.repeat([1, 0, -1], LONG / 3)]
    codes, scale, clip = packing.quantise(np.array(values))
    maps = {"name": "", "kind": "text", "scale": packing.listed(scale), "clip": packing.listed(clip), "data": codes}
    inputs = {"name": "", "kind": "text", "encoding": "json", "data": tokens}
    with tf.summary.create_file_writer(str(folder / "run" / "xai")).as_default():
        records.inputs(packing.pack([inputs], n=3, labels=None, classes=None, digest="1"))
        for step in range(2):
            records.maps("gradient", packing.pack([maps], n=3), step)
    return folder


def shares(folder):
    """Shares near 1 / 4 of four tokens, and a text with a fifth of its attributions on padding."""
    tokens = [["a", "b", "c", "d", ""], ["a", "b", "c", "d", ""]]
    known = {
        "attention_rollout": [[0.24, 0.25, 0.26, 0.25, 0.0], [0.1, 0.2, 0.3, 0.2, 0.2]],
        "gradient": [[1, 1, -1, 1, 0.03], [2, 2, -2, 2, -2]],
    }
    inputs = {"name": "", "kind": "text", "encoding": "json", "data": tokens}
    with tf.summary.create_file_writer(str(folder / "run" / "xai")).as_default():
        records.inputs(packing.pack([inputs], n=2, labels=None, classes=None, digest="1"))
        for method, values in known.items():
            codes, scale, clip = packing.quantise(np.array(values))
            maps = {"name": "", "kind": "text", "scale": packing.listed(scale), "clip": packing.listed(clip)}
            records.maps(method, packing.pack([{**maps, "data": codes}], n=2), 0)
    return folder


def rgb(color):
    return np.array([int(part) for part in re.findall(r"\d+", color)[:3]])


def shown(tab, example=0):
    """`[{text, title, ground, ink, under}]` of the tokens of an example's first line."""
    line = tab.frame.locator(f'[data-example="{example}"] .line').first
    line.wait_for()  # what is out of view is drawn a little later
    return line.locator(".token").evaluate_all(
        """all => all.map((each) => { const style = getComputedStyle(each); return {
          text: each.textContent, title: each.title, ground: style.backgroundColor, ink: style.color,
          under: style.borderBottomWidth === '0px' ? 'none' : style.borderBottomStyle } })"""
    )


def contrast(token):
    """By the Web Content Accessibility Guidelines."""
    low, high = sorted(luminance(token[part]) for part in ("ground", "ink"))
    return (high + 0.05) / (low + 0.05)


def luminance(color):
    share = rgb(color) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize(("dark", "page"), [(False, WHITE), (True, DARK)])
def test_tokens_have_the_colors_of_their_values(url, open_tab, dark, page):
    tab = open_tab(url("words", words), view="text", dark=dark, opacity=1, scale="map")
    tokens = shown(tab)
    assert [token["text"] for token in tokens] == TEXT  # without padding
    expected = [page, ORANGE, 0.75 * page + 0.25 * BLUE, 0.75 * page + 0.25 * BLUE, BLUE]
    for token, color in zip(tokens, expected, strict=False):
        np.testing.assert_allclose(rgb(token["ground"]), color, atol=2)
    assert [token["under"] for token in tokens] == ["none", "solid", "dashed", "dashed", "dashed", "none"]
    assert [token["title"] for token in tokens][1:3] == ["un: +1", "##believ: −0.252"]  # in steps of 1/127


def test_opacity_and_sign_change_the_colors(url, open_tab):
    tab = open_tab(url("words", words), view="text", scale="map", opacity=0.5, sign="positive")
    colors = [rgb(token["ground"]) for token in shown(tab)]
    np.testing.assert_allclose(colors[1], (WHITE + ORANGE) / 2, atol=2)
    np.testing.assert_array_equal(colors[2:5], [WHITE] * 3)


def test_the_scale_is_that_of_the_map_the_example_or_all(url, open_tab):
    tab = open_tab(url("text"), view="text", step=0, opacity=1)
    largest = {"map": 1, "example": 3, "all": 6 * 3}  # six examples and three steps, see `logs.size_of`
    for scale, size in largest.items():
        tab.choose("scale", scale)
        color = rgb(shown(tab)[0]["ground"])
        np.testing.assert_allclose(color, WHITE + (ORANGE - WHITE) / size, atol=3)
        assert tab.frame.locator(".most").first.inner_text() == f"full color ±{size}"


def test_words_are_sums_of_their_tokens(url, open_tab):
    tab = open_tab(url("words", words), view="text", scale="map", opacity=1)
    tab.choose("units", "words")
    tokens = shown(tab)
    assert [token["text"] for token in tokens] == ["[CLS]", "unbelievable", "film", "[SEP]"]
    assert tokens[1]["title"] == "unbelievable: +0.496"  # 1 - 2 * 32 / 127
    np.testing.assert_allclose(rgb(tokens[1]["ground"]), (WHITE + ORANGE) / 2, atol=2)
    tab.page.wait_for_url(lambda url: "units=words" in url)


def test_words_of_tokenizers(url, open_tab):
    tab = open_tab(url("text"), view="text")
    for tokens, expected in (
        (["▁the", "▁un", "known", "</s>", "▁s"], [("the", 1), ("unknown", 5), ("</s>", 4), ("s", 5)]),
        (["The", "Ġfilm", "s", "", "<|end|>"], [("The", 1), ("films", 5), ("<|end|>", 5)]),
        (["[CLS]", "##s", "a", "##b", "##c"], [("[CLS]", 1), ("s", 2), ("abc", 12)]),
    ):
        units = call(tab, "tokens.js", "units", tokens, [1, 2, 3, 4, 5], True)
        assert [(unit["text"], unit["value"]) for unit in units] == expected


@pytest.mark.parametrize("dark", [False, True])
def test_every_token_can_be_read(url, open_tab, dark):
    tab = open_tab(url("text"), view="text", dark=dark)
    for colors in ("PRGn", "RdBu", "viridis", "cividis", "blue-orange"):
        tab.choose("colors", colors)
        tokens = [token for example in range(6) for token in shown(tab, example)]
        assert len({token["ground"] for token in tokens}) > 2
        assert min(map(contrast, tokens)) >= 4.5


def test_texts_without_finite_attributions_say_so(url, open_tab):
    tokens = shown(open_tab(url("words", words), view="text"), example=1)
    assert [token["title"] for token in tokens] == [f"{text}: no number" for text in TEXT]
    assert {token["under"] for token in tokens} == {"double"}


def test_keys_go_from_token_to_token(url, open_tab):
    tab = open_tab(url("words", words), view="text")
    tab.find("token").first.focus()
    tab.page.keyboard.press("ArrowRight")
    assert tab.find("readout").text_content() == "un: +1"
    tab.page.keyboard.press("End")
    assert tab.find("readout").text_content().startswith("[SEP]: +0.02")
    tab.find("token").nth(2).hover()
    assert tab.find("readout").text_content() == "##believ: −0.252"


def test_long_texts_are_folded(url, open_tab):
    tab = open_tab(url("words", words), view="text")
    assert len(shown(tab, 2)) == 80
    button = tab.find("unfold")
    assert button.text_content() == "… show all 300; the rest has 60 % of the size of the attributions"
    button.click()
    assert len(shown(tab, 2)) == LONG
    with tab.drawing():
        tab.find("opacity").fill("0.3")
    assert len(shown(tab, 2)) == LONG
    with tab.drawing():
        tab.find("step").press("Home")
    assert len(shown(tab, 2)) == LONG  # at other steps as well


def test_lines_are_runs_methods_or_epochs_and_errors_are_marked(url, open_tab):
    tab = open_tab(url("text"), view="text")

    def heads():
        found = tab.frame.locator('[data-example="3"] .who')
        found.first.wait_for()
        return [each.split("\n") for each in found.all_inner_texts()]

    assert heads() == [["plain", "✓ disc 0.73"], ["shortcut", "✗ square 0.73"]]
    tab.choose("across", "methods")
    methods = ("gradient", "integrated_gradients")
    assert [head for head, _ in heads()] == [f"{run}, {name}" for run in ("plain", "shortcut") for name in methods]
    tab.choose("across", "steps")
    assert [head for head, _ in heads()][:3] == [f"plain, epoch {step}" for step in range(3)]


def test_the_filter_and_the_order_hold_for_texts(url, open_tab):
    tab = open_tab(url("text"), view="text", runs="shortcut/xai", filter="wrong")
    examples = lambda: [each.get_attribute("data-example") for each in tab.frame.locator(".texts article").all()]
    assert examples() == ["3"]
    tab.choose("filter", "all")
    tab.choose("sort", "fidelity")
    assert examples() == ["5", "4", "3", "2", "1", "0"]


def test_shares_are_spread_and_have_no_sign(url, open_tab):
    tab = open_tab(url("shares", shares), view="text", method="attention_rollout", opacity=1, scale="map")
    tokens = shown(tab)
    colors = np.array([rgb(token["ground"]) for token in tokens])
    np.testing.assert_allclose(colors[[0, 2]], [[68, 1, 84], [253, 231, 37]], atol=1)  # the ends of viridis
    np.testing.assert_array_equal(colors[1], colors[3])
    assert np.abs(colors[1] - colors[[0, 2]]).max(axis=1).min() > 50
    assert tab.frame.locator(".most").first.inner_text().startswith("color from 0.24 to 0.26")
    assert tokens[2]["title"] == "c: 0.26"
    assert "raises" not in tab.frame.locator("main").inner_text()
    tab.choose("across", "methods")
    assert "raises" in tab.frame.locator("main").inner_text()


def test_padding_with_attributions_is_told(url, open_tab):
    tab = open_tab(url("shares", shares), view="text", method="gradient")
    line = lambda row: tab.frame.locator(f'[data-example="{row}"] .line').first
    line(1).wait_for()
    assert "padding has 20 % of the attribution" in line(1).inner_text()
    assert "padding" not in line(0).inner_text()
