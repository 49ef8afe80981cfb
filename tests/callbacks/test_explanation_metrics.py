"""ExplanationMetrics: what it logs, who sees it, and what it leaves alone."""

import csv

import keras
import numpy as np
import pytest
import tensorflow as tf

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
    assert next(iter(callback._panels.values())).experimental_get_tracing_count() == 1


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


def test_controls_of_random_weights(data):
    """What the explainer says of a model that has learnt nothing, judged by the model that has."""
    model = mlp()
    metrics, controls = ["insertion", "sparseness"], ["random", "weights"]
    history = fit([xai.callbacks.ExplanationMetrics(*data, metrics=metrics, control=controls)], data, model)
    lines = {f"xai_{metric}{control}" for metric in metrics for control in ("", "_random", "_weights")}
    assert {line for line in history if line.startswith("xai")} == lines
    assert history["xai_insertion_weights"][-1] < history["xai_insertion"][-1]


def test_options_and_evidence(data, rng):
    evidence = rng.random(data[0].shape) < 0.5
    evidence[:, 0] = True
    metrics = {"deletion": {"steps": 4, "regions": [[0, 1], [2, 3]]}, "pointing_game": {}}
    model = mlp()
    history = fit([xai.callbacks.ExplanationMetrics(*data, metrics=metrics, evidence=evidence)], data, model)
    score, values = xai.Score(model), xai.explain(model, *data, verbose=0).values
    deletion = xai.metrics.deletion(score, *data, values, **metrics["deletion"])
    assert history["xai_deletion"][-1] == pytest.approx(np.mean(deletion), rel=1e-4)
    pointing = xai.metrics.pointing_game(score, *data, values, evidence=evidence)
    assert history["xai_pointing_game"][-1] == pytest.approx(np.mean(pointing), rel=1e-6)


def test_a_data_set_as_the_probe(data):
    batches, lines = tf.data.Dataset.from_tensor_slices(data).batch(10), []
    for probe in ((batches,), data):
        keras.utils.set_random_seed(2)
        lines += fit([xai.callbacks.ExplanationMetrics(*probe, metrics=["deletion"])], data)["xai_deletion"][-1:]
    assert lines[0] == pytest.approx(lines[1], rel=1e-5)


def test_evaluate_has_the_lines(data):
    model, callback = mlp(), xai.callbacks.ExplanationMetrics(*data, metrics=["deletion"])
    history = fit([callback], data, model, validation_data=data)
    seen, (last,) = [], history["xai_deletion"][-1:]
    look = keras.callbacks.LambdaCallback()
    look.on_test_end = lambda logs: seen.append(logs["xai_deletion"])
    model.evaluate(*data, verbose=0, callbacks=[callback, look])
    assert seen[0] == callback.lines["xai_deletion"] == pytest.approx(last, rel=1e-5)
    assert "val_xai_deletion" not in history


def test_every_other_epoch(data, monkeypatch):
    measured = []
    callback = xai.callbacks.ExplanationMetrics(*data, metrics=["deletion"], every=2)
    measure = callback.measure
    monkeypatch.setattr(callback, "measure", lambda: measured.append(1) or measure())
    history = fit([callback], data)["xai_deletion"]
    assert len(measured) == 2 and history[0] == history[1] != history[2]


def test_every_few_batches(data):
    """The epoch has what was measured last."""
    seen = []
    look = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs.get("xai_deletion")))
    callback = xai.callbacks.ExplanationMetrics(*data, metrics=["deletion"], every=2, unit="batch")
    history = fit([callback, look], data, batch_size=6)["xai_deletion"]
    assert seen[0] is None and seen[1] is not None and seen[1] == seen[2] != seen[3]
    assert history[0] == seen[3]


def test_probes_that_do_not_fit(data):
    x, y = data
    with pytest.raises(ValueError, match="`evidence` must have an entry for every row"):
        xai.callbacks.ExplanationMetrics(x, y, evidence=np.ones((3, 4)))
    with pytest.raises(ValueError, match="Unknown `control`"):
        xai.callbacks.ExplanationMetrics(x, y, control=["randem"])
    with pytest.raises(TypeError, match="`deletion` has no option 'step'"):
        xai.callbacks.ExplanationMetrics(x, y, metrics={"deletion": {"step": 3}})
    with pytest.raises(ValueError, match="can not be given with a data set"):
        xai.callbacks.ExplanationMetrics(tf.data.Dataset.from_tensor_slices(data).batch(3), y)
