"""ExplanationMetrics: what it logs, who sees it, and what it leaves alone."""

import csv

import keras
import numpy as np
import pytest

import tf_xai as xai
from tests.models import cnn, mlp, regression

METRICS = ("completeness", "deletion", "insertion", "lime_fidelity")
LINES = [f"xai_{name}" for name in METRICS] + [f"xai_{name}_random" for name in METRICS[:3]]


@pytest.fixture
def data(rng):
    x = rng.normal(size=(24, 4)).astype("float32")
    return x, (x[:, 0] > 0).astype("int32")


def fit(callbacks, data, model=None, **options):
    model = model or mlp()
    if not model.compiled:
        model.compile("adam", "sparse_categorical_crossentropy")
    return model.fit(*data, epochs=3, verbose=0, callbacks=callbacks, **options).history


def test_later_callbacks_and_history_see_the_lines(data, tmp_path):
    best, log = tmp_path / "best.keras", tmp_path / "log.csv"
    stop = keras.callbacks.EarlyStopping("xai_deletion", mode="min", patience=0, baseline=-1.0)
    callbacks = [
        xai.callbacks.ExplanationMetrics(*data),
        keras.callbacks.ModelCheckpoint(str(best), monitor="xai_insertion", mode="max", save_best_only=True),
        keras.callbacks.CSVLogger(str(log)),
        stop,
    ]
    history = fit(callbacks, data)
    assert set(LINES) <= set(history)
    assert len(history["xai_deletion"]) == 2, "no value is below the baseline of -1: Keras stops after the second epoch"
    assert best.exists()
    with log.open() as file:
        row = next(csv.DictReader(file))
    assert float(row["xai_deletion"]) == pytest.approx(history["xai_deletion"][0], rel=1e-6)


def test_the_values_are_those_of_the_metric_functions(data):
    model = mlp()
    history = fit([xai.callbacks.ExplanationMetrics(*data, batch_size=10)], data, model)
    score = xai.Score(model)
    values = xai.explain(model, *data, verbose=0).values
    for name in ("deletion", "insertion", "completeness"):
        metric = xai.metrics.METRICS[name](score, data[0], data[1], values)
        assert history[f"xai_{name}"][-1] == pytest.approx(np.mean(metric), rel=1e-4, abs=1e-6)
    assert history["xai_lime_fidelity"][-1] == pytest.approx(np.mean(xai.metrics.lime_fidelity(score, *data)), rel=1e-4)


def test_several_explainers_have_lines_of_their_own(data):
    explainers = ["gradient_input", xai.Explainer("integrated_gradients", steps=4)]
    callback = xai.callbacks.ExplanationMetrics(*data, explainers=explainers, metrics=["deletion"])
    history = fit([callback], data)
    expected = {"xai_gradient_input_deletion", "xai_integrated_gradients_deletion", "xai_deletion_random"}
    assert expected == {line for line in history if line.startswith("xai")}


def test_completeness_uses_the_background_of_the_explainer(data):
    explainer = xai.Explainer("expected_gradients", background=data[0][:8], samples=256)
    history = fit([xai.callbacks.ExplanationMetrics(*data, explainers=explainer, metrics=["completeness"])], data)
    assert history["xai_completeness"][-1] < 0.2


def test_one_trace_for_the_whole_fit(data):
    callback = xai.callbacks.ExplanationMetrics(*data)
    fit([callback], data)
    assert callback._traced.experimental_get_tracing_count() == 1


def test_the_model_trains_as_without_it(rng):
    """BatchNorm, Dropout and shuffling draw and move as if nobody looked."""
    x, y = rng.random((20, 8, 8, 1)).astype("float32"), rng.integers(0, 3, 20)
    weights = []
    for callbacks in ([], [xai.callbacks.ExplanationMetrics(x, y, explainers=["smooth_grad", "grad_cam"])]):
        keras.utils.set_random_seed(1)
        model = cnn()
        fit(callbacks, (x, y), model)
        weights.append(model.get_weights())
    for plain, watched in zip(*weights, strict=True):
        np.testing.assert_array_equal(plain, watched)


def test_explainable_models_and_regressions(data, rng):
    model = xai.compile(regression(), "adam", "mse", explanation_loss=xai.losses.LIMEFidelity(weight=0.1))
    y = data[0][:, 0]
    history = model.fit(
        data[0], y, epochs=1, verbose=0, callbacks=[xai.callbacks.ExplanationMetrics(data[0], y)]
    ).history
    assert {*LINES, "xai_lime_fidelity_loss"} <= set(history)
    assert history["xai_completeness"][0] < 0.01


def test_undefined_rows_are_left_out_and_counted(data):
    x, y = data[0].copy(), data[1]
    x[[2, 5]] = 0.0  # equal to the baseline: there is nothing to add up to
    callback = xai.callbacks.ExplanationMetrics(x, y, metrics=["completeness"], control=False)
    with pytest.warns(UserWarning, match=r"undefined for 2 of 24 probe rows \(rows 2, 5\)"):
        history = fit([callback], data)
    assert np.isfinite(history["xai_completeness"]).all()


def test_unknown_metrics_and_ambiguous_explainers(data):
    with pytest.raises(ValueError, match="Did you mean 'deletion'"):
        xai.callbacks.ExplanationMetrics(*data, metrics=["deletions"])
    same = [xai.Explainer("integrated_gradients", steps=steps) for steps in (4, 8)]
    with pytest.raises(ValueError, match="different names"):
        xai.callbacks.ExplanationMetrics(*data, explainers=same)
