"""Which rows count: sample weights of rows and of places, and a row by itself at the end of an epoch."""

import keras
import numpy as np
import pytest

import tf_xai as xai
from tests.models import mlp
from tests.training import models
from tests.training.models import assert_close, compiled, fit, trained

COMPARING = {
    "shap_fairness": lambda: xai.losses.SHAPFairness([0]),
    "shap_target": lambda: xai.losses.SHAPTarget([1, 0, 0, 1]),
    "ranking": lambda: xai.losses.SHAPTarget([3, 1, 2, 0], kind="ranking"),
    # Of these every row has its own, in units of what the others have.
    "signs": lambda: xai.losses.SHAPTarget([1, -1, 0, 1], kind="signs"),
    "teacher": lambda: xai.losses.SHAPTarget(mlp(units=5), kind="values"),
    "attribution_prior": lambda: xai.losses.AttributionPrior("sparse"),
}
FOR_ALL = ("shap_fairness", "shap_target", "ranking", "attribution_prior")
IN_THE_BATCH = {
    **{name: COMPARING[name] for name in ("shap_fairness", "shap_target", "attribution_prior")},
    "background": lambda: xai.losses.LIMEFidelity(neighbourhood="background"),
    "resampled": lambda: xai.losses.LIMEFidelity(neighbourhood="resampled"),
}


@pytest.mark.parametrize("loss", [*COMPARING, "background"])
def test_rows_of_weight_zero_have_no_part_in_what_is_said_of_the_batch(loss, rng):
    """Neither in the penalty, nor in its line where it is one for all rows; the background is the same."""
    (x, y), base = models.table(rng, rows=8), mlp()
    background = rng.normal(size=(5, 4)).astype("float32")
    explainer = xai.Explainer("expected_gradients", background=background, samples=5)

    def ended(rows, weights):
        keras.utils.set_random_seed(1)  # for the teacher
        penalty = {**IN_THE_BATCH, **COMPARING}[loss]()
        if loss in COMPARING:
            penalty.explainer = explainer
        model = compiled(base, penalty, optimizer=keras.optimizers.SGD(0.0))
        lines = fit(model, x[rows], y[rows], sample_weight=np.array(weights, "float32"))
        return [lines["loss"][0]] + [lines[model._terms[0].line][0]] * (loss in FOR_ALL)

    alone, together = ended([0, 1, 2, 3], [1.0] * 4), ended(range(8), [2.0] * 4 + [0.0] * 4)
    np.testing.assert_allclose(together, alone, rtol=1e-4)


@pytest.mark.parametrize("loss", [xai.losses.SaliencyGuided, xai.losses.JacobianNorm])
def test_weights_of_places_count_as_their_mean(loss, rng):
    x, y = rng.normal(size=(6, 5, 2)).astype("float32"), rng.integers(0, 3, (6, 5))
    base = keras.Sequential([keras.Input((5, 2)), keras.layers.Conv1D(3, 3, padding="same", activation="softmax")])
    places = rng.uniform(0, 2, (6, 5)).astype("float32")
    total = lambda weights, penalties: fit(
        compiled(base, penalties, optimizer=keras.optimizers.SGD(0.0)), x, y, sample_weight=weights
    )["loss"][0]
    of_places = total(places, loss()) - total(places, [])
    of_rows = total(places.mean(axis=1, keepdims=True), loss()) - total(places.mean(axis=1, keepdims=True), [])
    assert of_places == pytest.approx(of_rows, rel=1e-3) and abs(of_places) > 1e-3


@pytest.mark.parametrize("run_eagerly", [False, True])
@pytest.mark.parametrize("loss", IN_THE_BATCH)
def test_a_row_by_itself_has_no_penalty_where_rows_are_compared(loss, run_eagerly, rng):
    """Nine rows, in batches of four: the last one is as in plain training, and no part of the line."""
    (x, y), options = models.table(rng, rows=9), {"run_eagerly": run_eagerly}
    base, run = mlp(), {"batch_size": 4}
    start = base.get_weights()
    eight, lines = trained(base, IN_THE_BATCH[loss](), x[:8], y[:8], run, **options)
    base.set_weights(eight)
    expected, _ = trained(base, [], x[8:], y[8:], **options)
    base.set_weights(start)
    found, nine = trained(base, IN_THE_BATCH[loss](), x, y, run, **options)
    assert_close(found, expected)
    line = f"xai_{IN_THE_BATCH[loss]().name}_loss"
    np.testing.assert_allclose(nine[line], lines[line], rtol=1e-5)


def test_batches_of_one_row_show_that_nothing_was_compared(rng):
    x, y = models.table(rng, rows=3)
    lines = fit(compiled(mlp(), xai.losses.AttributionPrior("sparse")), x, y, batch_size=1)
    assert np.isnan(lines["xai_attribution_prior_loss"]).all() and np.isfinite(lines["loss"]).all()
