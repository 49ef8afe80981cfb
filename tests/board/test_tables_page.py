"""Tables and drift in the browser: bars, dots and flipped explanations are those of known numbers."""

import re
from importlib import resources

import numpy as np
import pytest
import tensorflow as tf

from tests.board.browser import serve
from tests.board.numbers import FEATURES, FLIPPED, RUNS, STEPS, Chart, N, attributions, known, near, table, url
from tf_xai.board import packing, records

__all__ = ["url"]

TOP, ORANGE = 15, [230, 97, 1]


def panel(tab, run, kind):
    """The bars or the swarm of a run."""
    return Chart(tab, root=tab.frame.locator(f'section[aria-label="{run}"] svg[data-testid="{kind}"]'))


def ranked(place=-1):
    """The features, the largest mean magnitude of both runs first."""
    sizes = sum(np.abs(attributions(run, place % len(STEPS))).mean(axis=0) for run in RUNS)
    return np.argsort(-sizes)


def test_bars_and_signed_means(url, open_tab):
    tab = open_tab(url, view="tables")
    for run in RUNS:
        check_bars(panel(tab, run, "bars"), run)


def check_bars(chart, run):
    order, values = ranked(), attributions(run, len(STEPS) - 1)
    sizes, means = np.abs(values).mean(axis=0)[order], values.mean(axis=0)[order]
    found = chart.attributes("bar", "data-feature", "x", "width")
    assert [name for name, *_ in found] == [f"f{i}" for i in order[:TOP]]
    near([float(x) for _, x, _ in found], [chart.place("x", 0)] * TOP)
    near([float(x) + float(width) for _, x, width in found], chart.place("x", sizes[:TOP]))
    marks = [re.match(r"M([\d.]+)", drawn)[1] for (drawn,) in chart.attributes("mean", "d")]
    near(marks, chart.place("x", means[:TOP]))
    others = chart.root.locator("xpath=ancestor::section").get_by_test_id("others").inner_text()
    words, rest = others.split(": ")
    assert words == f"The other {FEATURES - TOP} features together"
    assert float(rest) == pytest.approx(sizes[TOP:].sum(), abs=0.001)


def test_dots_of_the_swarm(url, open_tab):
    """Across by attribution, coloured by the value, none upon another."""
    tab = open_tab(url, view="tables", step=1)
    for run in RUNS:
        check_dots(panel(tab, run, "swarm"), run)


def check_dots(chart, run):
    order, values = ranked(place=1), attributions(run, 1)
    assert len(chart.attributes("dot", "cx")) == N * TOP
    for feature in order[:TOP]:
        dots = chart.attributes("dot", "data-example", "cx", "cy", "fill", feature=f"f{feature}")
        rows = [int(row) for row, *_ in dots]
        assert sorted(rows) == list(range(N))
        near([x for _, x, *_ in dots], chart.place("x", values[rows, feature]))
        assert len({(x, y) for _, x, y, _ in dots}) == N
        greens = [int(re.findall(r"\d+", fill)[1]) for *_, fill in dots]  # viridis has the more of it the higher
        assert (np.diff(np.array(greens)[np.argsort(table()[rows, feature])]) >= 0).all()


def test_jitter_is_by_density(url, open_tab):
    tab = open_tab(url, view="tables")
    script = "async (places) => (await import('./static/views/tables.js')).jitter(places)"
    lifts = tab.frame.evaluate(script, [10, 10, 10, 50])
    assert lifts[3] == lifts[0] == 0
    assert lifts[1] == -lifts[2] != 0
    many = tab.frame.evaluate(script, [10] * 200)
    assert len(set(many)) == 200
    assert max(map(abs, many)) <= 7.01


def test_table_of_features(url, open_tab):
    tab = open_tab(url, view="tables")
    rows = [row.split("\t") for row in tab.find("features").locator("tbody tr").all_inner_texts()]
    order = ranked()
    assert [row[0] for row in rows] == [f"f{i}" for i in order]
    values = attributions("shortcut", len(STEPS) - 1)[:, order]
    np.testing.assert_allclose([float(row[3]) for row in rows], np.abs(values).mean(axis=0), atol=0.01)
    np.testing.assert_allclose([float(row[4]) for row in rows], values.mean(axis=0), atol=0.01)


def flips(tab):
    """`[(run, example)]` as they are shown."""
    read = "all => all.map((each) => [each.dataset.run, +each.dataset.example])"
    return [(run.removesuffix("/xai"), row) for run, row in tab.find("flip").evaluate_all(read)]


def expected(step, threshold=0.5):
    """Lowest agreement first."""
    found = []
    for run in RUNS:
        place, values = STEPS.index(step), known(run)
        stays = values["prediction"][place] == values["prediction"][place - 1]
        rows = np.flatnonzero((values["agreement"][place] < threshold) & stays)
        found += [(values["agreement"][place, row], run, row) for row in rows]
    return [(run, row) for _, run, row in sorted(found)]


def test_flipped_rows_with_their_maps(url, open_tab):
    tab = open_tab(url, view="drift", step=1)
    assert flips(tab) == expected(1)
    assert set(flips(tab)) == {(run, row) for (step, run), rows in FLIPPED.items() if step == 1 for row in rows}
    assert "3 explanations have flipped" in tab.find("flipped").inner_text()
    maps = tab.maps().evaluate_all("all => all.map((each) => [+each.dataset.step, +each.dataset.example])")
    assert maps == [[step, row] for _, row in expected(1) for step in (0, 1)]
    colors = {pixel[:3] for row in tab.pixels(step=1, example=8) for pixel in row if pixel[3] > 100}
    assert np.abs(np.array(list(colors), "int64") - ORANGE).max(axis=1).min() <= 3  # not the line in the middle alone


def test_another_step_and_none(url, open_tab):
    tab = open_tab(url, view="drift")
    assert flips(tab) == [("plain", 2)]
    with tab.drawing():
        tab.find("step").press("ArrowLeft")
    assert flips(tab) == expected(2) == []
    assert "Nothing has flipped" in tab.find("flipped").inner_text()
    with tab.drawing():
        tab.find("step").press("Home")
    assert "first logged epoch" in tab.find("flipped").inner_text()


def test_threshold(url, open_tab):
    """Moves the rows and the shares, and stands in the address."""
    tab = open_tab(url, view="drift", step=1)
    tab.slide("threshold", 0.4)
    assert flips(tab) == expected(1, 0.4) == [("plain", 8)]
    tab.page.wait_for_url(lambda url: "threshold=0.4" in url)
    near(shares(tab), places(tab, [1 / N, 0, 0]))
    check_ends(Chart(tab, SHARES), 0, 1)
    tab.slide("threshold", 0.95)
    assert sorted(flips(tab)) == sorted(expected(1, 0.95))
    assert len(flips(tab)) == 2 * N - 2
    near(shares(tab), places(tab, [(N - 1) / N, (N - 1) / N + 1 / N, 1]))


def check_ends(chart, low, high):
    """The upright axis goes so far, and no farther."""
    near(chart.place("y", [low, high]), [200 - 34, 8])


SHARES = "share of flipped explanations"


def shares(tab):
    return np.ravel(Chart(tab, SHARES).attributes("mark", "cy", series="plain"))


def places(tab, values):
    return Chart(tab, SHARES).place("y", values)


def test_mean_agreement(url, open_tab):
    chart = Chart(open_tab(url, view="drift"), "agreement with the epoch before, mean")
    for run in RUNS:
        found = np.ravel(chart.attributes("mark", "cy", series=run)).astype("float64")
        near(found, chart.place("y", known(run)["agreement"][1:].mean(axis=1)))
    check_ends(chart, 0, 1)


@pytest.mark.parametrize("dark", [False, True])
def test_no_serious_violation(url, open_tab, dark):
    pytest.importorskip("axe_playwright_python", reason="axe is not installed")
    tab = open_tab(url, step=1, dark=dark)
    tab.frame.evaluate(resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    for view in ["curves", "pareto", "tables", "drift"]:
        with tab.drawing():
            tab.find(f"view-{view}").click()
        found = tab.frame.evaluate("axe.run().then(({ violations }) => violations)")
        serious = [each for each in found if each["impact"] in ("serious", "critical")]
        assert not serious, (view, [(each["id"], [node["html"] for node in each["nodes"]]) for each in serious])


def test_prediction_of_a_regression_stays_within_a_tolerance(url, open_tab):
    """A tenth of the standard deviation, 0.11 here, as in `ExplanationDrift`; a class is the same or another."""
    tab = open_tab(url, view="drift")
    script = """async (columns) => {
      const predictions = [[0, 1, 2, 3], [0.1, 1.2, 2, 3.11]];
      const series = { columns, steps: [4, 7], n: 4, column: (_, step) => predictions[step === 4 ? 0 : 1] };
      const { stays } = await import('./static/metrics.js');
      return [stays(series, 1), stays(series, 0)];
    }"""
    none = [False] * 4
    assert tab.frame.evaluate(script, ["prediction"]) == [[True, False, True, True], none]
    assert tab.frame.evaluate(script, ["prediction", "probability"]) == [[False, False, True, False], none]


def test_flipped_is_one_rule_in_all_views(url, open_tab):
    """With the threshold of the drift, and where a regression stays within its tolerance."""
    tab = open_tab(url, view="drift")
    script = """async ([columns, threshold]) => {
      const [predictions, agreement] = [[[0, 1, 2, 3], [0.1, 1.2, 2, 3.11]], [0.3, 0.3, 0.6, NaN]];
      const column = (name, step) => (name === 'agreement' ? agreement : predictions[step === 4 ? 0 : 1]);
      const series = { columns, steps: [4, 7], n: 4, column, place: (step) => (step < 7 ? 0 : 1) };
      const { facts, flips } = await import('./static/rows.js');
      const said = facts({ n: 4 }, series, 7, threshold).map(({ flipped }) => flipped);
      return [flips(series, 1, threshold), said, flips(series, 0, threshold)];
    }"""
    numbers, classes = ["prediction", "agreement"], ["prediction", "probability", "agreement"]
    for columns, threshold, expected in (
        (numbers, 0.5, [True, False, False, False]),
        (numbers, 0.7, [True, False, True, False]),
        (classes, 0.7, [False, False, True, False]),
    ):
        assert tab.frame.evaluate(script, [columns, threshold]) == [expected, expected, [False] * 4]


def test_the_gallery_filters_by_the_threshold(url, open_tab):
    tab = open_tab(url, view="gallery", step=1, filter="flipped", runs="plain/xai")
    assert tab.examples() == [3, 8]
    tab = open_tab(url, view="gallery", step=1, filter="flipped", runs="plain/xai", threshold=0.4)
    assert tab.examples() == [8]


def odd(folder):
    """Five features, of which two have one name, and the last ones none."""
    data = np.arange(20, dtype="float32").reshape(4, 5)
    codes, scale, clip = packing.quantise(data * [1, -2, 3, 4, 5])
    inputs = {"name": "", "kind": "table", "names": ["age", "age", "rooms"], "data": data}
    maps = {"name": "", "kind": "table", "scale": packing.listed(scale), "clip": packing.listed(clip), "data": codes}
    with tf.summary.create_file_writer(str(folder / "run" / "xai")).as_default():
        records.inputs(packing.pack([inputs], n=4))
        records.maps("gradient", packing.pack([maps], n=4), 0)
    return folder


def test_every_feature_has_a_row_of_its_own(open_tab, tmp_path):
    with serve(odd(tmp_path)) as address:
        tab = open_tab(address, view="tables")
        names = [name for (name,) in panel(tab, "run", "bars").attributes("bar", "data-feature")]
        assert names == ["4", "3", "rooms", "age (1)", "age (0)"]
        assert tab.find("others").count() == 0
