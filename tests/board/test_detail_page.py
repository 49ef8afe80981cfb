"""One example in the tab: two maps, their difference, values and curves."""

from tests.board import logs
from tests.board.colours import BLUE, ORANGE, mixed, near, paler


def test_values_under_the_pointer(url, open_tab):
    """Example 1 at epoch 2 has magnitude 6, on the square of the plain run and in the corner of the other."""
    tab = open_tab(url, view="detail", example=1)
    assert tab.maps().count() == 3
    start = logs.square(1, 32)[0].start
    for row, text in [(start, "plain +6, shortcut −3.02, difference −9.02"), (0, "plain −3.02, shortcut +6")]:
        canvas = tab.maps(run="plain/xai").first
        at = (row + 0.5) / 32 * canvas.evaluate("c => c.clientWidth") + canvas.evaluate("c => c.clientLeft")
        canvas.hover(position={"x": at, "y": at})
        assert f"row {row}, column {row}: {text}" in tab.find("value").inner_text()
    assert "score per pixel" in tab.find("value").inner_text()
    canvas.press("ArrowRight")
    assert "row 0, column 1: " in tab.find("value").inner_text()


def test_difference(url, open_tab):
    """Right minus left: -9 of 6 on the square, +9 of 6 in the corner; a code of the difference is worth twice one."""
    tab = open_tab(url, view="detail", example=1, opacity=1, scale="example")
    start = logs.square(1, 32)[0].start
    pixels = tab.frame.locator('canvas[aria-label$="shortcut minus plain"]')
    pixels = pixels.evaluate("c => Array.from(c.getContext('2d').getImageData(0, 0, 32, 32).data)")
    point = lambda row: pixels[4 * 33 * row : 4 * 33 * row + 3]
    near(point(0), ORANGE)
    near(point(start), BLUE)
    near(point(31), [paler(60)] * 3)


def test_detail_compares_steps_and_methods(url, open_tab):
    tab = open_tab(url, view="detail", example=0, opacity=1, scale="example")
    tab.choose("other", "step:0")
    assert [each.get_attribute("data-step") for each in tab.maps().all()][:2] == ["0", "2"]  # the earlier one first
    near(tab.pixels(step=0)[8][8], mixed(ORANGE, 1 / 3, paler(100)))  # on the scale of both
    assert "epoch 2 − epoch 0" in tab.frame.locator("main").inner_text()
    tab.choose("other", "method:integrated_gradients")
    near(tab.pixels(method="integrated_gradients")[8][8], ORANGE)


def test_detail_goes_through_the_examples_in_the_chosen_order(url, open_tab):
    tab = open_tab(url, view="detail", example=5, sort="fidelity")
    title = lambda: tab.frame.locator("h2").inner_text()
    assert title() == "#5, label star" and tab.find("previous").is_disabled()
    with tab.drawing():
        tab.find("next").click()
    assert title() == "#4, label square"
    assert tab.frame.evaluate("document.activeElement.dataset.key") == "next"


def test_detail_has_the_curves_of_both_sides_and_of_the_control(url, open_tab):
    tab = open_tab(url, view="detail", example=0)
    for name, ends in [("deletion", "at share taken away 1"), ("insertion", "at share put back 1")]:
        label = tab.frame.locator(f'svg[data-key="chart-{name}"]').get_attribute("aria-label")
        assert [part in label for part in ("plain: ", "shortcut: ", "random (plain): ", ends)] == [True] * 4


def test_maps_of_other_shapes_have_no_difference(tmp_path, serving, open_tab):
    logs.write(tmp_path, runs=["large"])
    logs.write(tmp_path, runs=["small"], size=16)
    tab = open_tab(serving(tmp_path), view="detail")
    assert tab.maps().count() == 2
    assert "different shapes, 32 × 32 and 16 × 16" in tab.frame.locator("main").inner_text()


def test_full_color_of_the_difference(url, open_tab):
    """Where full color is a value of 6, a difference of 6 has it too."""
    tab = open_tab(url, view="detail", example=1, scale="example")
    captions = lambda: tab.frame.locator("figure .caption.faint").all_inner_texts()
    assert captions() == ["full color at 6"] * 3
    tab.choose("scale", "map")
    assert captions()[2] == "full color at a difference of the whole scale"


def test_other_examples_have_no_difference(tmp_path, serving, open_tab):
    logs.write(tmp_path, runs=["few"], n=3)
    logs.write(tmp_path, runs=["many"], n=4)
    tab = open_tab(serving(tmp_path), view="detail", example=1)
    text = tab.frame.locator("main").inner_text()
    assert tab.maps().count() == 2 and "the runs show other examples" in text and "Input of many" in text
    tab.maps().first.press("ArrowRight")
    assert "few " in tab.find("value").inner_text() and "difference" not in tab.find("value").inner_text()


def test_curves_are_read_in_the_middle(url, open_tab):
    tab = open_tab(url, view="detail", example=0)
    keys = tab.frame.locator("figure.chart").first.locator("li").all_inner_texts()
    assert [" ".join(each.split()) for each in keys[:2]] == ["plain 2", "shortcut 2"]  # half of the score, 4
    line = tab.frame.locator("figure.chart").first.locator('[data-testid="line"]')
    looks = line.evaluate_all("all => all.map((each) => each.getAttribute('stroke-dasharray'))")
    assert len(looks) == len(set(looks)) == 4
