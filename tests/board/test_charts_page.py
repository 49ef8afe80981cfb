"""Charts in the browser: known numbers stand where they should, and do what they should."""

import re

import numpy as np
import pytest
import tensorflow as tf

from tests.board.browser import serve
from tests.board.numbers import RUNS, STEPS, Chart, N, lines, means, near, random, url
from tf_xai.board import packing, records

__all__ = ["url"]


def test_lines_stand_at_the_means_and_have_gaps(url, open_tab):
    chart = Chart(open_tab(url, view="curves"))
    for run in RUNS:
        found = np.array(chart.attributes("mark", "cx", "cy", series=run), "float64")
        near(found[:, 0], chart.place("x", [0, 1, 5]))
        near(found[:, 1], chart.place("y", means(run, "deletion")[[0, 1, 3]]))
        ((drawn,),) = chart.attributes("line", "d", series=run)
        assert re.findall("[ML]", drawn) == ["M", "L", "M"]


def test_colour_and_dash_tell_runs_apart(url, open_tab):
    chart = Chart(open_tab(url, view="curves"))
    looks = [chart.attributes("line", "stroke", "stroke-dasharray", series=run)[0] for run in RUNS]
    assert all(len(set(each)) == 2 for each in zip(*looks, strict=True))


def test_random_band(url, open_tab):
    chart = Chart(open_tab(url, view="curves"))
    for run in RUNS:
        values = random(run)[..., 0]
        half = 1.96 * values.std(axis=1, ddof=1) / np.sqrt(N)
        ((drawn,),) = chart.attributes("band", "d", series=f"{run}: random attributions")
        points = np.array(re.findall(r"[ML]([\d.]+) ([\d.]+)", drawn), "float64")
        edge = np.concatenate([values.mean(axis=1) + half, (values.mean(axis=1) - half)[::-1]])
        near(points[:, 0], chart.place("x", STEPS + STEPS[::-1]))
        near(points[:, 1], chart.place("y", edge))


def test_lines_of_the_log(url, open_tab):
    tab = open_tab(url, view="curves")
    accuracy = Chart(tab, "accuracy, higher is better")
    for name in ["accuracy", "val_accuracy"]:
        found = accuracy.attributes("mark", "cy", series=f"shortcut: {name}")
        near(np.ravel(found).astype("float64"), accuracy.place("y", lines("shortcut")[name]))
    ((dash,),) = Chart(tab, "xai_deletion, lower is better").attributes(
        "line", "stroke-dasharray", series="plain: xai_deletion_random"
    )
    assert dash != "none"
    assert "Faithful is not the same as right" in tab.frame.locator("main").inner_text()


def test_cursor_follows_and_sets_the_step(url, open_tab):
    tab = open_tab(url, view="curves", step=1)
    chart = Chart(tab)
    at = lambda: float(chart.attributes("cursor", "x1")[0][0])
    near(at(), chart.place("x", 1))
    with tab.drawing():
        tab.find("step").press("ArrowRight")
    near(at(), chart.place("x", 2))
    width = chart.root.bounding_box()["width"]
    with tab.drawing():
        x = chart.place("x", 4.2) * width / 340  # nearest to 5, the last one
        chart.root.click(position={"x": x, "y": 60 * width / 340})
    near(at(), chart.place("x", 5))
    tab.page.wait_for_url(lambda url: "step=" not in url)  # it is written a tenth of a second later
    with tab.drawing():
        for key in ["ArrowLeft", "ArrowLeft", "Enter"]:
            chart.root.press(key)
    near(at(), chart.place("x", 1))
    tab.page.wait_for_url(lambda url: "step=1" in url)


def test_readout(url, open_tab):
    tab = open_tab(url, view="curves")
    chart = Chart(tab)
    width = chart.root.bounding_box()["width"]
    chart.root.hover(position={"x": chart.place("x", 1) * width / 340, "y": 60 * width / 340})
    said = chart.root.locator("xpath=..").get_by_test_id("readout").text_content()
    mean = means("plain", "deletion")[1]
    assert said.startswith("epoch 1: ") and f"plain {float(f'{mean:.3f}')}," in said


def points(x, y):
    """`{(run, epoch): (x, y)}`; a step without either value has none."""
    both = {}
    for run in RUNS:
        course = lambda name, run=run: (
            dict(enumerate(lines(run)[name])) if name in lines(run) else dict(zip(STEPS, means(run, name), strict=True))
        )
        shared = course(x).keys() & course(y).keys()
        both |= {(run, step): (course(x)[step], course(y)[step]) for step in shared}
    return {key: value for key, value in both.items() if np.isfinite(value).all()}


def front(scores):
    """Which of the rows no other betters."""
    return [i for i, own in enumerate(scores) if not any((each >= own).all() and (each > own).any() for each in scores)]


@pytest.mark.parametrize(
    ("x", "y", "ways"),
    [("val_accuracy", "deletion", (1, -1)), ("insertion", "loss", (1, -1)), ("loss", "xai_deletion", (-1, -1))],
)
def test_scatter_and_its_front(url, open_tab, x, y, ways):
    tab = open_tab(url, view="pareto", x=x, y=y, step=1)
    expected = points(x, y)
    chart = Chart(tab, root=tab.find("chart"))
    found = chart.attributes("point", "data-name", "data-step", "transform", "data-front")
    assert {(name, int(step)) for name, step, *_ in found} == expected.keys()
    for name, step, where, _ in found:
        place = [chart.place(axis, value) for axis, value in zip("xy", expected[name, int(step)], strict=True)]
        near(re.findall(r"[\d.]+", where), place)
    best = [list(expected)[i] for i in front(np.array(list(expected.values())) * ways)]
    assert {(name, int(step)) for name, step, _, marked in found if marked} == set(best)
    joined = re.findall(r"[ML]([\d.]+) ([\d.]+)", chart.attributes("front", "d")[0][0])
    near(joined, [[chart.place("x", a), chart.place("y", b)] for a, b in sorted(expected[key] for key in best)])
    ringed = [[chart.place("x", expected[run, 1][0]), chart.place("y", expected[run, 1][1])] for run in RUNS]
    near(chart.attributes("ring", "cx", "cy"), ringed)


def test_front_of_equal_values(url, open_tab):
    """Of points with ties, and the same ones twice, against comparing all pairs."""
    tab = open_tab(url, view="pareto")
    values = np.random.default_rng(0).integers(0, 6, (60, 2))
    script = """async ([points, ways]) => {
      const { frontOf } = await import('./static/views/pareto.js');
      return frontOf(points.map(([x, y], i) => ({ x, y, i })), ...ways).map(({ i }) => i).sort((a, b) => a - b);
    }"""
    for ways in [(1, 1), (1, -1), (-1, -1)]:
        found = tab.frame.evaluate(script, [values[:20].tolist(), ways])
        assert found == front(values[:20] * ways)
        found = tab.frame.evaluate(script, [values.tolist(), ways])
        assert found == front(values * ways)


def test_no_front_where_the_better_way_is_not_known(url, open_tab):
    tab = open_tab(url, view="pareto", x="oddity")
    assert "of oddity it is not known which way is better" in tab.find("ways").inner_text()
    assert tab.find("front").count() == 0
    tab.choose("x", "insertion")
    assert "higher insertion" in tab.find("ways").inner_text()
    assert tab.find("front").count() == 1
    tab.page.wait_for_url(lambda url: "x=insertion" in url)


def test_table_of_the_points(url, open_tab):
    """Sorted by a press on a head; a press on an epoch chooses it."""
    tab = open_tab(url, view="pareto", x="val_accuracy", y="deletion")
    read = lambda: [row.split("\t") for row in tab.find("points").locator("tbody tr").all_inner_texts()]
    expected = points("val_accuracy", "deletion")
    assert [(name, int(step)) for name, step, *_ in read()] == list(expected)
    tab.find("points").get_by_role("button", name="deletion").press("Enter")
    assert [float(row[3]) for row in read()] == [float(f"{y:.3f}") for y in sorted(y for _, y in expected.values())]
    with tab.drawing():
        tab.find("points").get_by_role("button", name="Choose epoch 0").first.press("Enter")
    tab.page.wait_for_url(lambda url: "step=0" in url)
    assert [row[1] for row in read() if row[1] == "0"] == ["0"] * 2
    assert tab.frame.locator('[aria-current="true"]').count() == 2
    assert [float(row[3]) for row in read()] == sorted(float(row[3]) for row in read())


def test_a_line_with_the_name_of_a_column_stays(open_tab, tmp_path):
    """Both can be chosen, each with its own values; the front is that of a metric of which the better way is known."""
    folder = tmp_path / "run" / "xai"
    leaf = {"name": "", "kind": "table", "data": np.ones((2, 3), "float32")}
    maps = {"name": "", "kind": "table", "scale": [1, 1], "clip": [1, 1], "data": np.full((2, 3), 127, "int8")}
    with tf.summary.create_file_writer(str(folder)).as_default():
        records.inputs(packing.pack([leaf], n=2))
        for epoch in range(3):
            records.maps("gradient", packing.pack([maps], n=2), epoch)
            records.numbers("gradient", ["deletion"], np.full((2, 1), 0.1 * (epoch + 1)), epoch)
            records.scalar("deletion", 5.0 + epoch, epoch)
            records.scalar("accuracy", 0.5 + 0.1 * epoch, epoch)
    with serve(tmp_path) as address:
        tab = open_tab(address, view="pareto", x="accuracy", y="deletion", method="gradient")
        heights = lambda: [float(y) for (y,) in Chart(tab, root=tab.find("chart")).attributes("point", "data-y")]
        np.testing.assert_allclose(heights(), [0.1, 0.2, 0.3], rtol=1e-6)
        tab.choose("y", "log: deletion")
        assert heights() == [5, 6, 7]
        assert "deletion, a line of the log" in tab.find("y").locator("option:checked").inner_text()
        assert tab.find("front").count() == 1
        assert "An unsure model has little to lose" in tab.find("hint").inner_text()
        tab.choose("y", "accuracy")
        assert tab.find("hint").count() == 0


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("val_loss", -1),
        ("xai_right_reasons_loss", -1),
        ("val_accuracy", 1),
        ("deletion", -1),
        ("xai_gradient_insertion", 1),
        ("lime_fidelity", 1),
        ("infidelity", -1),
        ("faithfulness_correlation", 1),
        ("relevance_mass", 1),
        ("sufficiency", -1),
        ("comprehensiveness", 1),
        ("completeness", -1),
        ("max_sensitivity", -1),
        ("sensitivity_n", 1),
        ("efficient_mprt", 1),
        ("random_logit", -1),
        ("xai_deletion_random", 0),
        ("learning_rate", 0),
    ],
)
def test_better_way_of_metrics(blank, name, way):
    assert blank.evaluate("async (name) => (await import('./static/metrics.js')).better(name)", name) == way


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-3, 4, [-2, 0, 2, 4]),
        (0.00011, 0.00013, [0.00011, 0.000115, 0.00012, 0.000125, 0.00013]),
    ],
)
def test_ticks_are_round(blank, low, high, expected):
    found = blank.evaluate("async (ends) => (await import('./static/axes.js')).ticks(...ends)", [low, high])
    assert found == expected


@pytest.fixture(scope="module")
def blank(chromium, url):
    """The frame of the tab, for what needs no drawing."""
    from tests.board.browser import Tab

    with Tab(chromium, url, view="pareto") as tab:
        yield tab.frame
