"""Logs of random numbers, known to the tests, and charts of them in the browser."""

import numpy as np
import pytest

from tests.board.browser import serve
from tf_xai.board import packing

RUNS, STEPS, N, FEATURES = ["plain", "shortcut"], [0, 1, 2, 5], 12, 18
COLUMNS = ["score", "prediction", "probability", "deletion", "insertion", "oddity", "agreement", "scale", "clip"]
TITLE = "deletion, gradient, lower is better"
FLIPPED = {(1, "plain"): [3, 8], (1, "shortcut"): [5], (5, "plain"): [2]}


def known(run):
    """`{column: (steps, n)}` of the numbers of a run: a step without deletion, and one example without it."""
    rng = np.random.default_rng(RUNS.index(run))
    values = {name: rng.normal(size=(len(STEPS), N)) for name in COLUMNS}
    values["deletion"][2], values["deletion"][1, 4] = np.nan, np.nan
    values["probability"] = rng.random((len(STEPS), N))
    values["prediction"] = np.broadcast_to(np.arange(N) % 3, (len(STEPS), N)).copy()
    values["agreement"] = np.full((len(STEPS), N), 0.9)
    values["agreement"][0] = np.nan
    for (step, name), rows in FLIPPED.items():
        if name == run:
            values["agreement"][STEPS.index(step), rows] = 0.45 - 0.1 * np.arange(len(rows))
    values["agreement"][1, 7], values["prediction"][1:, 7] = 0.1, 2  # another prediction: not flipped
    return values


def means(run, name):
    """Over the examples that have a value, at every step; NaN where none has."""
    finite = [row[np.isfinite(row)] for row in known(run)[name]]
    return np.array([row.mean() if row.size else np.nan for row in finite])


def random(run):
    return np.random.default_rng(10 + RUNS.index(run)).random((len(STEPS), N, 1))


def lines(run):
    rng = np.random.default_rng(20 + RUNS.index(run))
    return {name: rng.random(6) for name in ["accuracy", "val_accuracy", "loss", "xai_deletion", "xai_deletion_random"]}


def table():
    return np.random.default_rng(30).normal(size=(N, FEATURES))


def attributions(run, place):
    """Numbers that can be coded as they are, about in the order of their size."""
    rng = np.random.default_rng(40 + RUNS.index(run) + 2 * place)
    codes, scale, _ = packing.quantise(rng.normal(size=(N, FEATURES)) * 0.8 ** np.arange(FEATURES))
    return codes * scale[:, None] / 127


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """TensorBoard, on these numbers."""
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    folder = tmp_path_factory.mktemp("logs")
    for run in RUNS:
        _write(folder / run / "xai", run)
    with serve(folder) as address:
        yield address


def _write(folder, run):
    import tensorflow as tf

    from tf_xai.board import records

    numbers, log = known(run), lines(run)
    leaf = {"name": "", "kind": "table", "names": [f"f{i}" for i in range(FEATURES)], "data": table().astype("float32")}
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        records.inputs(packing.pack([leaf], n=N, labels=[0, 1, 2] * 4, classes=["a", "b", "c"], digest="d"))
        for place, step in enumerate(STEPS):
            codes, scale, clip = packing.quantise(attributions(run, place))
            entry = {"name": "", "kind": "table", "scale": packing.listed(scale), "clip": packing.listed(clip)}
            records.maps("gradient", packing.pack([{**entry, "data": codes}], n=N), step)
            values = np.stack([numbers[name][place] for name in COLUMNS[:-2]] + [scale, clip], axis=1)
            records.numbers("gradient", COLUMNS, values, step)
            records.numbers("random", ["deletion"], random(run)[place], step, control=True)
        for epoch in range(6):
            for name, values in log.items():
                records.scalar(name, values[epoch], epoch)
    writer.close()


class Chart:
    """A chart, by its title; `place` says where values stand, from the round numbers on its axes alone."""

    def __init__(self, tab, title=TITLE, root=None):
        self.root = root or tab.frame.locator(f'svg[data-key="chart-{title}"]')

    def attributes(self, test_id, *names, **wanted):
        selector = f'[data-testid="{test_id}"]' + "".join(f'[data-{key}="{value}"]' for key, value in wanted.items())
        read = "(all, names) => all.map((each) => names.map((name) => each.getAttribute(name)))"
        return self.root.locator(selector).evaluate_all(read, list(names))

    def place(self, axis, values):
        ticks = self.root.locator(f'[data-tick="{axis}"]').evaluate_all(
            "all => all.map((each) => [+each.dataset.value, +each.dataset.at])"
        )
        slope, start = np.polyfit(*np.array(ticks).T, 1)
        return start + slope * np.asarray(values)


def near(found, expected):
    np.testing.assert_allclose(np.array(found, "float64"), expected, atol=0.1)
