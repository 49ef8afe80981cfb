"""Baselines and labels of every row's own, in batches of fewer rows."""

import numpy as np
import pytest

import tf_xai as xai
from tests import models


def _explain(model, x, **options):
    return xai.explain(model, x, method="exact_shap", verbose=0, **options)


@pytest.mark.filterwarnings("ignore:NaN or infinite")
def test_labels_of_every_row_are_those_of_its_batch(rng):
    """Also where a row is left out because it is not finite."""
    model, x = models.mlp(), rng.normal(size=(7, 4)).astype("float32")
    labels = rng.integers(0, 2, size=(7, 4))
    labels[:, :2] = 0, 1
    x[2, 1] = np.nan
    together = _explain(model, x, regions=labels, batch_size=3).values
    alone = [_explain(model, x[i : i + 1], regions=labels[i]).values for i in range(7)]
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=1e-5, atol=1e-7)
    assert np.isnan(together).any(axis=1).tolist() == [i == 2 for i in range(7)]


def test_a_nest_may_mix_labels_names_and_groups(rng):
    model = models.dict_model()
    x = {"image": rng.normal(size=(5, 6, 6, 1)).astype("float32"), "age": rng.normal(size=(5, 2)).astype("float32")}
    labels = rng.integers(0, 3, size=(5, 6, 6, 1))
    labels[:, 0, :3, 0] = 0, 1, 2
    whole = _explain(model, x, regions={"image": labels, "age": np.array([0, 1])}).values
    for ages in ("columns", [[0], [1]], np.array([0, 1])):
        parts = _explain(model, x, regions={"image": labels, "age": ages}, batch_size=2).values
        np.testing.assert_allclose(parts["image"], whole["image"], rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(parts["age"], whole["age"], rtol=1e-5, atol=1e-7)


def test_batches_of_labels_need_no_trace_of_their_own(rng):
    model, x = models.mlp(), rng.normal(size=(12, 4)).astype("float32")
    labels = np.tile([0, 0, 1, 1], (12, 1))
    labels[::2] = 0, 1, 1, 0
    explainer = xai.Explainer("exact_shap", regions=labels)
    xai.explain(model, x, method=explainer, batch_size=3, verbose=0)
    assert explainer.bind(model)._report.experimental_get_tracing_count() == 1


def test_wrong_labels_are_named_as_such(rng):
    x = rng.normal(size=(4, 4)).astype("float32")
    with pytest.raises(ValueError, match="`regions` must cover the input"):
        _explain(models.mlp(), x, regions=np.full((4, 4), -1), batch_size=2)
    with pytest.raises(ValueError, match="`regions` must hold integer labels"):
        _explain(models.mlp(), x, regions=np.full((4, 4), 0.5), batch_size=2)
