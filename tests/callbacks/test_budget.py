"""The budget of ExplanationMetrics: what is left out, in which order, and what the log says of it."""

import gc
import itertools
import pathlib
import resource

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.models import mlp
from tf_xai.callbacks.budget import Budget

METRICS = ["completeness", "deletion"]


def simulate(share, cost, overhead=0.0, epochs=60, batches=8):
    """What is measured in epochs of one second, where a batch of one metric costs so much: `[(metrics, batches)]`."""
    budget, done = Budget(share, batches, METRICS), []
    for _ in range(epochs):
        metrics, count = budget.plan(1.0)
        done.append((metrics, count))
        if metrics:
            budget.spent(overhead + cost * count * len(metrics))
    return done


@pytest.mark.parametrize(("cost", "batches"), [(0.001, 8), (0.01, 4), (0.04, 1)])
def test_rows_are_left_out_first(cost, batches):
    """A tenth of a second pays for so many batches of both metrics, twice as many as before at the most."""
    done = simulate(0.1, cost)
    assert [count for _, count in done[:4]] == [min(count, batches) for count in (1, 2, 4, 8)]
    assert done[4:] == [(("completeness", "deletion"), batches)] * 56


def test_then_metrics_take_turns_and_epochs_pass():
    done = simulate(0.1, 0.08)
    assert [metrics for metrics, _ in done[:5]] == [tuple(METRICS), *[("deletion",), ("completeness",)] * 2]
    dear = [metrics for metrics, _ in simulate(0.1, 0.35)]
    assert dear.count(()) > 40 and {("deletion",), ("completeness",)} <= set(dear)


@pytest.mark.parametrize("overhead", [0.0, 0.03])
@pytest.mark.parametrize("cost", [0.0003, 0.004, 0.03, 0.09, 0.4])
def test_the_share_is_kept(cost, overhead):
    """What was measured is paid for before the next time; also where a part of it does not depend on the rows."""
    done = simulate(0.1, cost, overhead)
    costs = np.array([overhead + cost * count * len(metrics) if metrics else 0.0 for metrics, count in done])
    before = np.cumsum(costs) - costs
    assert (before <= 0.1 * np.arange(1, 61) + 1e-3)[costs > 0].all() and (costs > 0).sum() >= 8


def test_metrics_come_together_again():
    """One slow measurement does not part them for good."""
    budget, done = Budget(0.1, 1, METRICS), []
    for epoch in range(60):
        metrics, _ = budget.plan(1.0)
        done.append(len(metrics))
        if metrics:
            budget.spent(0.5 if epoch == 10 else 0.04 * len(metrics))
    assert done[:11] == [2] * 11 and done[11] == 0 and 1 in done and done[-10:] == [2] * 10


def test_a_slower_machine_has_fewer_rows_and_a_faster_one_more():
    budget = Budget(0.1, 64, METRICS)
    for cost, expected in [(0.001, [2, 4, 8, 16, 32, 32]), (0.002, [25, 25]), (0.0019, [25]), (0.0005, [50, 64, 64])]:
        for batches in expected:
            budget.plan(1.0)
            budget.spent(cost * 2 * budget.batches)
            assert budget.batches == batches


@pytest.fixture
def data(rng):
    x = rng.normal(size=(50, 4)).astype("float32")
    return x, (x[:, 0] > 0).astype("int32")


def train(callback, data, epochs):
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    return model, model.fit(*data, epochs=epochs, verbose=0, callbacks=[callback]).history


def test_the_log_says_what_was_measured(data, monkeypatch):
    """What is not measured keeps its value."""
    callback = xai.callbacks.ExplanationMetrics(*data, metrics=METRICS, budget=0.1)
    plans = iter([(tuple(METRICS), 1), (("deletion",), 3), ((), 0)])
    monkeypatch.setattr(callback.budget, "plan", lambda seconds: next(plans))
    _, history = train(callback, data, 3)
    assert history["xai_probe_rows"] == [16, 48, 0] and history["xai_probe_metrics"] == [2, 1, 0]
    first, second, third = history["xai_completeness"]
    assert first == second == third
    first, second, third = history["xai_deletion"]
    assert first != second == third
    assert len(callback._panels) == 2
    assert all(panel.experimental_get_tracing_count() == 1 for panel in callback._panels.values())


def test_compiling_does_not_count(data, monkeypatch):
    """The first measurement of a model runs once before the clock does, and not in a second training."""
    runs, at = [], []

    def baseline(x):
        with tf.control_dependencies([tf.py_function(lambda: runs.append(1), [], [])]):
            return tf.zeros_like(x)

    explainer = xai.Explainer("integrated_gradients", baseline=baseline, steps=2)
    callback = xai.callbacks.ExplanationMetrics(*data, explainer, metrics=["sparseness"], control=False, budget=0.1)
    monkeypatch.setattr(callback.budget, "plan", lambda seconds: (("sparseness",), 1))
    look = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: at.append(len(runs)))
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    for _ in range(2):
        model.fit(*data, epochs=2, verbose=0, callbacks=[callback, look])
    assert at == [2, 3, 4, 5]


def test_the_rows_are_a_sample_of_the_probe(data, monkeypatch):
    """Rows sorted by class, of which the first ones would tell of one class only."""
    x, y = data[0][np.argsort(data[1])], np.sort(data[1])
    callback = xai.callbacks.ExplanationMetrics(x, y, metrics=["deletion"], control=False, budget=0.1)
    monkeypatch.setattr(callback.budget, "plan", lambda seconds: (("deletion",), 1))
    model, history = train(callback, (x, y), 1)
    rows = callback._rows[:16]
    assert len(callback._rows) == 48 and set(y[rows]) == {0, 1}
    values = xai.explain(model, x[rows], y[rows], verbose=0).values
    expected = np.mean(xai.metrics.deletion(xai.Score(model), x[rows], y[rows], values))
    assert history["xai_deletion"][0] == pytest.approx(expected, rel=1e-4)


def test_rows_without_a_value_have_their_number_in_the_probe(data, monkeypatch):
    x = data[0].copy()
    x[[7, 30]] = 0.0
    callback = xai.callbacks.ExplanationMetrics(x, data[1], metrics=["completeness"], control=False, budget=0.1)
    monkeypatch.setattr(callback.budget, "plan", lambda seconds: (("completeness",), 3))
    missing = sorted({7, 30} & set(callback._rows), key=list(callback._rows).index)
    with pytest.warns(UserWarning, match=rf"rows {', '.join(map(str, missing))}\)"):
        train(callback, data, 1)


def test_a_training_within_its_budget(data, monkeypatch):
    """By a clock that goes on by a second an epoch, and by 0.03 with every batch that is measured."""
    now = [0.0]
    monkeypatch.setattr("tf_xai.callbacks.explanation_metrics.time.perf_counter", lambda: now[0])
    callback = xai.callbacks.ExplanationMetrics(*data, metrics=METRICS, budget=0.1)
    measure = callback.measure

    def slowly(metrics, batches):
        now[0] += 0.03 * batches * len(metrics) / len(METRICS)
        return measure(metrics, batches)

    monkeypatch.setattr(callback, "measure", slowly)
    pass_second = lambda epoch, logs: now.__setitem__(0, now[0] + 1)
    second = keras.callbacks.LambdaCallback(on_epoch_begin=pass_second)
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    for _ in range(2):  # a second training knows nothing of the first
        history = model.fit(*data, epochs=5, verbose=0, callbacks=[callback, second]).history
        assert history["xai_probe_rows"] == [16, 32, 48, 48, 48]
    callback.every = 2
    history = model.fit(*data, epochs=5, verbose=0, callbacks=[callback, second]).history
    assert history["xai_probe_rows"] == [16, 0, 32, 0, 48]


def test_what_goes_wrong(data):
    for options in ({"budget": 10}, {"budget": 0.0}, {"budget": 0.1, "unit": "batch"}):
        with pytest.raises(ValueError, match="`budget` is a share of every epoch"):
            xai.callbacks.ExplanationMetrics(*data, **options)


@pytest.mark.slow
@pytest.mark.parametrize("budget", [None, 0.5])
def test_memory_and_traces_stay_the_same(budget, rng, monkeypatch):
    """Fifty epochs, with a budget of one to four batches: no tensor stays, and no memory, of 20 MB a measurement."""
    x, y = rng.random((64, 28, 28, 1), "float32"), rng.integers(0, 10, 64)
    seen, callback = [], xai.callbacks.ExplanationMetrics(x, y, budget=budget)
    if budget:
        plans = itertools.cycle((tuple(callback.metrics), batches) for batches in (1, 2, 3, 4))
        monkeypatch.setattr(callback.budget, "plan", lambda seconds: next(plans))
    look = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append((_tensors(), _resident())))
    hidden = [keras.layers.Conv2D(8, 3), keras.layers.Flatten()]
    model = keras.Sequential([keras.Input((28, 28, 1)), *hidden, keras.layers.Dense(10)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, epochs=50, verbose=0, callbacks=[callback, look])
    assert all(panel.experimental_get_tracing_count() == 1 for panel in callback._panels.values())
    tensors, resident = np.transpose(seen)
    assert tensors[-1] == tensors[10] > 0
    # But for one step, the arena of 64 MB that the C library may give a thread at any time: a leak has many.
    growth = np.diff(resident[10:])
    assert growth.sum() - growth.max() < 10e6


def _tensors():
    """How many tensors there are."""
    gc.collect()
    return sum(isinstance(each, tf.Tensor) for each in gc.get_objects())


def _resident():
    """Bytes of this process in memory."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
