"""What does not count: ignored labels, places of weight zero, batches that say nothing."""

import keras
import numpy as np
import pytest

import tf_xai as xai
from tests.models import mlp
from tests.training import models
from tests.training.models import assert_close, compiled, fit, trained

LOSSES = {
    "right_reasons": lambda: xai.losses.RightReasons("gradient_input"),
    "energy_guidance": lambda: xai.losses.EnergyGuidance("gradient_input"),
    "lime_fidelity": xai.losses.LIMEFidelity,
    "all_classes": xai.losses.RightReasons,
}


@pytest.mark.parametrize("ignored", [-1, 255])
@pytest.mark.parametrize("loss", LOSSES)
def test_ignored_labels_are_as_if_they_were_not_there(loss, ignored, rng):
    """A step with half the labels ignored is the step with the other half, and so is its line."""
    (x, y), base = models.table(rng), mlp()
    kept, masks = np.arange(12) % 2 == 0, models.masks_like(rng, x)
    y[~kept] = ignored
    crossentropy = keras.losses.SparseCategoricalCrossentropy(ignore_class=ignored)
    step = lambda rows: trained(
        base, LOSSES[loss](), xai.with_evidence(x[rows], irrelevant=masks[rows]), y[rows], loss=crossentropy
    )
    (found, lines), (expected, other) = step(slice(None)), step(kept)
    assert_close(found, expected, 1e-4)
    for line, values in other.items():
        np.testing.assert_allclose(lines[line], values, rtol=1e-4, err_msg=line)


@pytest.mark.parametrize("ignored", [None, 0])
def test_places_that_do_not_count_are_not_explained(ignored, rng):
    """The places are independent, and only those are forbidden that have weight zero, or whose label is ignored."""
    x, y = rng.normal(size=(8, 5, 3)).astype("float32"), rng.integers(1, 3, (8, 5))
    masks, weights = np.zeros((5, 1), "float32"), np.ones((8, 5), "float32")
    masks[3:] = 1
    base = keras.Sequential([keras.Input((5, 3)), keras.layers.Dense(4, "gelu"), keras.layers.Dense(3, "softmax")])
    crossentropy = keras.losses.SparseCategoricalCrossentropy(ignore_class=ignored)
    line = lambda: fit(
        compiled(base, xai.losses.RightReasons(), crossentropy, optimizer=keras.optimizers.SGD(0.0)),
        xai.with_evidence(x, irrelevant=masks),
        y,
        sample_weight=None if ignored is not None else weights,
    )["xai_right_reasons_loss"][0]
    assert line() > 1e-3
    weights[:, 3:], y[:, 3:] = 0, y[:, 3:] if ignored is None else ignored
    assert line() == 0


def test_one_group_alone_says_nothing(rng):
    """Coded 1 and 2, both are above 0: the line shows that nothing was compared. With 0 and 1 it has a value."""
    x, y = models.table(rng)
    for codes, defined in (((1, 2), False), ((0, 1), True)):
        x[:, 1] = np.where(np.arange(12) % 2, *codes)
        lines = fit(compiled(mlp(), xai.losses.SHAPFairness(groups=1)), x, y)
        assert np.isfinite(lines["xai_shap_fairness_loss"][0]) == defined and np.isfinite(lines["loss"][0])
