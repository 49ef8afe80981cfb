"""The tab in TensorBoard: it draws what is in the logs, and the bar changes it."""

import itertools
import json
import urllib.request

import pytest

from tests.board import logs
from tests.board.colours import BLUE, ORANGE, mixed, near, paler


def test_tab_is_listed_and_active(url, open_tab):
    tab = open_tab(url, within=True)
    with urllib.request.urlopen(f"{url}/data/plugins_listing") as answer:
        listed = json.load(answer)["tf_xai"]
    assert listed["enabled"] and listed["tab_name"] == "XAI"
    assert tab.page.get_by_role("tab", name="XAI").get_attribute("aria-selected") == "true"
    assert tab.frame.evaluate("document.documentElement.lang") == "en"


def test_every_map_is_drawn(url, open_tab):
    tab = open_tab(url, size=(1280, 1000))
    assert tab.maps().count() == 12
    assert tab.maps(run="plain/xai").count() == tab.maps(step=2).count() / 2 == 6
    maps = [(run, example) for run in ["plain/xai", "shortcut/xai"] for example in range(6)]
    drawn = [tab.pixels(run=run, example=example) for run, example in maps]
    tab.slide("opacity", 0)
    for (run, example), pixels in zip(maps, drawn, strict=True):
        assert tab.pixels(run=run, example=example) != pixels


@pytest.mark.parametrize("colors, low, high", [("blue-orange", BLUE, ORANGE), ("PRGn", (118, 42, 131), (27, 120, 55))])
def test_known_maps_have_known_colours(url, open_tab, colors, low, high):
    tab = open_tab(url, opacity=1, colors=colors)
    for run, square, corner in [("plain/xai", (high, 1), (low, 0.5)), ("shortcut/xai", (low, 0.5), (high, 1))]:
        pixels = tab.pixels(run=run, example=0)
        assert len(pixels) == len(pixels[0]) == 32
        near(pixels[31][31], [paler(60)] * 3)  # no attribution: the paler input
        near(pixels[8][8], mixed(*square, paler(100)))
        near(pixels[15][15], pixels[8][8], 0)
        near(pixels[16][16], [paler(60)] * 3)
        near(pixels[0][0], mixed(*corner, paler(255)))


def test_sequential_colours_show_sizes(url, open_tab):
    pixels = open_tab(url, opacity=1, colors="viridis").pixels(run="plain/xai", example=0)
    near(pixels[8][8], (253, 231, 37))
    near(pixels[0][0], (33, 145, 140), 3)


def test_sign(url, open_tab):
    tab = open_tab(url, opacity=1)
    square = lambda: tab.pixels(run="plain/xai", example=0)[8][8]
    corner = lambda: tab.pixels(run="plain/xai", example=0)[0][0]
    tab.choose("sign", "positive")
    near(square(), ORANGE)
    near(corner(), [paler(255)] * 3)
    tab.choose("sign", "negative")
    near(square(), [paler(100)] * 3)
    near(corner(), mixed(BLUE, 0.5, paler(255)))
    tab.choose("sign", "absolute")
    near(corner(), mixed(ORANGE, 0.5, paler(255)))


def test_scale(url, open_tab):
    """Example 1 at epoch 1 has magnitude 4: of 6 at most for itself, and of 18 for all."""
    tab = open_tab(url, opacity=1, step=1)
    for scale, share in [("example", 4 / 6), ("map", 1), ("all", 4 / 18)]:
        tab.choose("scale", scale)
        row = logs.square(1, 32)[0].start
        near(tab.pixels(run="plain/xai", example=1)[row][row], mixed(ORANGE, share, paler(100)))


def test_step_slider(url, open_tab):
    tab = open_tab(url, opacity=1, scale="example")
    assert "epoch 2, 3 of 3" in tab.frame.locator(".slot.step").inner_text()
    for place in [0, 1]:
        tab.slide("step", place)
        assert tab.maps(step=place).count() == 12
        near(tab.pixels(run="plain/xai", example=0)[8][8], mixed(ORANGE, (place + 1) / 3, paler(100)))
    assert "epoch 1, 2 of 3" in tab.frame.locator(".slot.step").inner_text()


def test_opacity(url, open_tab):
    tab = open_tab(url)
    for opacity in [0, 0.5]:
        tab.slide("opacity", opacity)
        near(tab.pixels(run="plain/xai", example=0)[8][8], mixed(ORANGE, opacity, paler(100)))


def test_runs(url, open_tab):
    tab = open_tab(url)
    with tab.drawing():
        tab.find("run-plain").uncheck()
    assert tab.maps(run="shortcut/xai").count() == tab.maps().count() == 6
    with tab.drawing():
        tab.find("run-shortcut").uncheck()
    assert "No run is chosen" in tab.frame.locator("main").inner_text()
    with tab.drawing():
        tab.find("run-plain").check()
    assert tab.maps(run="plain/xai").count() == tab.maps().count() == 6


def test_method(url, open_tab):
    tab = open_tab(url)
    assert tab.maps(method="gradient").count() == 12
    tab.choose("method", "integrated_gradients")
    assert tab.maps(method="integrated_gradients").count() == tab.maps().count() == 12


@pytest.mark.parametrize(
    "sort, expected",
    [
        ("fidelity", [5, 4, 3, 2, 1, 0]),  # the highest deletion is the lowest fidelity
        ("confidence", [0, 1, 2, 3, 4, 5]),
        ("change", [1, 0, 2, 3, 4, 5]),
        ("label", [0, 3, 1, 4, 2, 5]),
    ],
)
def test_sort(url, open_tab, sort, expected):
    tab = open_tab(url, sort="label" if sort != "label" else "order")
    before = tab.examples()
    tab.choose("sort", sort)
    assert tab.examples() == expected != before


@pytest.mark.parametrize("name, expected", [("wrong", [3]), ("right", [0, 1, 2, 4, 5]), ("flipped", [1])])
def test_filter(url, open_tab, name, expected):
    tab = open_tab(url, runs="shortcut/xai")
    tab.choose("filter", name)
    assert tab.examples() == expected


def test_filter_that_nothing_passes(url, open_tab):
    tab = open_tab(url, runs="plain/xai", filter="wrong")
    assert "No example passes the filter" in tab.frame.locator("main").inner_text()
    tab.slide("step", 0)  # there row 0 is wrong
    assert tab.examples() == [0]


def test_errors_are_marked_by_shape(url, open_tab):
    tab = open_tab(url)
    wrong, right = (tab.maps(run=run, example=3) for run in ["shortcut/xai", "plain/xai"])
    style = "canvas => getComputedStyle(canvas).borderTopStyle"
    assert (wrong.evaluate(style), right.evaluate(style)) == ("dashed", "solid")
    assert ["✗ square 0.73" in each.locator("..").inner_text() for each in (wrong, right)] == [True, False]
    assert "✓ disc 0.73\ndel 0.25 · ins 0.75" in right.locator("..").inner_text()


def test_across_steps_and_methods(url, open_tab):
    tab = open_tab(url)
    tab.choose("across", "steps")
    assert [tab.maps(run="plain/xai", step=step).count() for step in range(3)] == [6, 6, 6]
    assert tab.maps().count() == 18
    tab.choose("across", "methods")
    assert [tab.maps(method=method).count() for method in ["gradient", "integrated_gradients"]] == [6, 6]


def test_film_has_eight_epochs_at_most(tmp_path, serving, open_tab):
    logs.write(tmp_path, runs=["plain"], steps=range(20), n=1, methods=["gradient"])
    tab = open_tab(serving(tmp_path), across="steps")
    steps = [int(each.get_attribute("data-step")) for each in tab.maps().all()]
    assert len(steps) <= 8 and steps[0] == 0 and steps[-1] == 19
    gaps = [after - before for before, after in itertools.pairwise(steps)]
    assert gaps == sorted(gaps)  # close together at first


def test_only_maps_near_the_view_are_painted(tmp_path, serving, open_tab):
    logs.write(tmp_path, runs=["plain"], steps=[0], n=40, methods=["gradient"])
    tab = open_tab(serving(tmp_path))
    blank = "c => c.width === 300"  # as canvases are made
    assert not tab.maps(example=0).evaluate(blank) and tab.maps(example=39).evaluate(blank)
    tab.maps(example=39).scroll_into_view_if_needed()
    tab.frame.wait_for_function(
        "() => document.querySelector('canvas[data-testid=map][data-example=\"39\"]').width === 32"
    )


def test_film_has_the_chosen_epoch(tmp_path, serving, open_tab):
    logs.write(tmp_path, runs=["plain"], steps=range(20), n=1, methods=["gradient"])
    tab = open_tab(serving(tmp_path), across="steps", step=12)
    assert tab.frame.locator("th[aria-current]").inner_text() == "epoch 12"
    assert tab.maps(step=12).count() == 1
    with tab.drawing():
        tab.maps(step=19).click()
    tab.frame.wait_for_function("location.hash.includes('view=detail')")
    assert "step=" not in tab.frame.evaluate("location.hash")  # the last, whatever is to come


def test_runs_with_other_methods(tmp_path, serving, open_tab):
    """The first run lacks the chosen method: the second one decides on the order."""
    logs.write(tmp_path, runs=["a"], methods=["gradient"])
    logs.write(tmp_path, runs=["b"], methods=["saliency"])
    tab = open_tab(serving(tmp_path), method="saliency", sort="fidelity")
    assert tab.examples() == [5, 4, 3, 2, 1, 0]
    assert tab.frame.locator("main").inner_text().count("not logged by this method") == 6
    assert "lowest fidelity (deletion)" in tab.find("sort").inner_text()
    with tab.drawing():
        tab.find("run-b").uncheck()
    assert tab.find("method").locator("option").all_inner_texts() == ["gradient"]


def test_runs_with_other_examples(tmp_path, serving, open_tab):
    logs.write(tmp_path, runs=["few"], n=3)
    logs.write(tmp_path, runs=["many"], n=4)
    tab = open_tab(serving(tmp_path))
    told = "run many shows other examples than run few: rows are not the same ones"
    assert told in tab.frame.locator("[role=status]").inner_text()
    assert tab.frame.locator("thead .foreign").count() == tab.frame.locator("thead th.first").count()
    assert "label disc" in tab.maps(run="many/xai", example=0).locator("..").inner_text()
    assert "label" not in tab.maps(run="few/xai", example=0).locator("..").inner_text()


def test_maps_without_finite_values(tmp_path, serving, open_tab):
    logs.write(tmp_path, runs=["plain"], kind="table", nan=[1])
    tab = open_tab(serving(tmp_path))
    assert "no finite values" in tab.maps(example=1).get_attribute("aria-label")
    assert {point[3] for line in tab.pixels(example=1) for point in line} == {255}  # hatched all over
    assert 0 in {point[3] for line in tab.pixels(example=0) for point in line}
