"""Validation: with and without evidence, with and without the penalties in `val_loss`."""

import keras
import numpy as np
import pytest

import tf_xai as xai
from tests.models import mlp
from tests.training import models
from tests.training.models import fit

RightReasons, LIMEFidelity = xai.losses.RightReasons, xai.losses.LIMEFidelity
TRAIN, VAL = "xai_right_reasons_loss", "val_xai_right_reasons_loss"


@pytest.fixture
def data(rng):
    """Training and validation rows, each `(evidence, y)`."""
    pairs = [models.table(rng), models.table(rng, rows=10)]
    return [(xai.with_evidence(x, irrelevant=models.masks_like(rng, x)), y) for x, y in pairs]


def task_and_penalty(base, evidence, y):
    """By hand, in one batch."""
    x, masks = evidence["xai_inputs"], evidence["xai_irrelevant"]
    penalty = np.mean(models.squared_gradients(base, models.log_probabilities, x, masks))
    return float(models.mean_crossentropy(y, base(x))), float(penalty)


@pytest.mark.parametrize("penalize", [False, True])
def test_validation_with_evidence(penalize, data):
    training, validation = data
    base = mlp()
    model = models.compiled(base, RightReasons(weight=3.0), penalize_validation=penalize)
    # The short last batch has as many rows as the others: the mean over batches is the mean over rows.
    lines = fit(model, *training, validation_data=validation, validation_batch_size=5)
    task, penalty = task_and_penalty(base, *validation)
    np.testing.assert_allclose(lines["val_loss"], [task + 3.0 * penalty * penalize], rtol=1e-5)
    np.testing.assert_allclose(lines[VAL], [penalty], rtol=1e-5)


def test_validation_without_evidence_has_no_line(data):
    training, (evidence, y) = data
    base = mlp()
    model = models.compiled(base, [RightReasons(), LIMEFidelity(weight=0.0)], penalize_validation=True)
    lines = fit(model, *training, validation_data=(evidence["xai_inputs"], y), epochs=2)
    assert len(lines[TRAIN]) == 2
    assert VAL not in lines
    assert "val_xai_lime_fidelity_loss" in lines
    task, _ = task_and_penalty(base, evidence, y)
    np.testing.assert_allclose(lines["val_loss"][-1], task, rtol=1e-5)


def test_validation_weighs_rows(data):
    training, (evidence, y) = data
    base = mlp()
    model = models.compiled(base, RightReasons(weight=3.0), penalize_validation=True)
    weights = np.linspace(0, 2, len(y), dtype="float32")
    lines = fit(model, *training, validation_data=(evidence, y, weights))
    x, masks = evidence["xai_inputs"], evidence["xai_irrelevant"]
    rows = keras.losses.sparse_categorical_crossentropy(y, base(x))
    rows += 3.0 * models.squared_gradients(base, models.log_probabilities, x, masks)
    np.testing.assert_allclose(lines["val_loss"], [np.mean(weights * rows)], rtol=1e-5)


def test_evaluate_with_and_without_evidence(data):
    """Lines come and go with the evidence, on one model."""
    training, (evidence, y) = data
    base = mlp()
    model = models.compiled(base, RightReasons())
    fit(model, *training)
    task, penalty = task_and_penalty(base, evidence, y)
    for _ in range(2):
        with_line = model.evaluate(evidence, y, verbose=0, return_dict=True)
        assert with_line == pytest.approx({"loss": task, TRAIN: penalty}, rel=1e-5)
        without = model.evaluate(evidence["xai_inputs"], y, verbose=0, return_dict=True)
        assert without == pytest.approx({"loss": task}, rel=1e-5)
    assert TRAIN in fit(model, *training)


def test_noise_is_the_same_at_every_validation(data):
    """A line of one model does not change between evaluations: an early stop follows the model, not the noise."""
    (evidence, y), _ = data
    model = models.compiled(mlp(), LIMEFidelity(scale=1.0))
    fit(model, evidence, y)
    first, second = (model.evaluate(evidence, y, verbose=0, return_dict=True) for _ in range(2))
    assert first == second


def test_early_stopping_on_a_validation_line(data):
    training, validation = data
    model = models.compiled(mlp(), RightReasons(weight=5.0))
    stop = keras.callbacks.EarlyStopping(VAL, mode="min", patience=1, min_delta=0.001, restore_best_weights=True)
    lines = fit(model, *training, validation_data=validation, epochs=40, callbacks=[stop])
    assert 1 < len(lines[VAL]) < 40
    assert lines[VAL][-2] - lines[VAL][-1] < 0.001 < lines[VAL][0] - lines[VAL][-1]
    _, penalty = task_and_penalty(model.base, *validation)
    np.testing.assert_allclose(penalty, lines[VAL][stop.best_epoch], rtol=1e-5)


def test_lines_fall(data):
    """Both losses do what they are for."""
    training, validation = data
    losses = [RightReasons(weight=50.0), LIMEFidelity(scale=1.0)]
    model = models.compiled(mlp(), losses, optimizer=keras.optimizers.Adam(0.02))
    lines = fit(model, *training, validation_data=validation, epochs=25)
    assert lines[TRAIN][-1] < 0.3 * lines[TRAIN][0]
    assert lines[VAL][-1] < 0.5 * lines[VAL][0]
    fidelity = lines["val_xai_lime_fidelity_loss"]  # the same noise in every epoch
    assert fidelity[-1] < 0.7 * fidelity[0]


def test_automatic_weight_is_not_set_by_validation(data):
    """`evaluate` before `fit` sets nothing, and adds nothing to the loss."""
    (evidence, y), _ = data
    base = mlp()
    model = models.compiled(base, RightReasons(weight="auto"), penalize_validation=True)
    task, penalty = task_and_penalty(base, evidence, y)
    before = model.evaluate(evidence, y, verbose=0, return_dict=True)
    assert before == pytest.approx({"loss": task, TRAIN: penalty}, rel=1e-5)
    lines = fit(model, evidence, y)
    np.testing.assert_allclose(lines["loss"], [2 * task], rtol=1e-5)
    weight = task / penalty
    task, penalty = task_and_penalty(base, evidence, y)
    after = model.evaluate(evidence, y, verbose=0, return_dict=True)
    assert after["loss"] == pytest.approx(task + weight * penalty, rel=1e-5)
