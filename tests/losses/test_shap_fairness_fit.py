"""SHAPFairness in training, and what is saved of it."""

import functools

import keras
import numpy as np
import pytest

import tf_xai as xai
from tests.losses.shapley import EXPLAINERS, first_is_large, profile, trained

SHAPFairness = xai.losses.SHAPFairness


def skewed(rng, count=600):
    """Labels that follow the first two features; the second is protected, and the third says much of it."""
    x = rng.normal(size=(count, 4)).astype("float32")
    x[:, 2] = 0.8 * x[:, 1] + 0.6 * x[:, 2]
    return x, (x[:, 0] + x[:, 1] + 0.3 * rng.normal(size=count) > 0).astype("float32")[:, None]


def exact_shares(model, x):
    """Shares of mean |SHAP| by enumeration: not by the explainer of the loss."""
    explain = xai.Explainer("exact_shap", background=x[:30], space="logit").bind(model)
    return profile(explain(x[30:130], np.ones(100, int)).numpy())


@functools.cache
def plain_share():
    """What the protected feature has without the loss, on the same data."""
    x, y = skewed(np.random.default_rng(1))
    return exact_shares(trained(x, y, []), x)[1]


@pytest.mark.slow
@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_fit_takes_attribution_away_from_what_is_protected(explainer, rng):
    """A tenth at most; the model still predicts, by the other features, and its logit is no flatter."""
    x, y = skewed(rng)
    fair = trained(x, y, [SHAPFairness([1], explainer=EXPLAINERS[explainer], weight=3.0)])
    before, after = plain_share(), exact_shares(fair, x)[1]
    assert before > 0.3 and after < before / 10
    assert fair.history.history["xai_shap_fairness_loss"][-1] < 0.05
    accuracy = np.mean((fair.predict(x, verbose=0) > 0.5) == (y > 0.5))
    assert accuracy > 0.75


def test_fit_stays_at_the_budget(rng):
    x, y = skewed(rng)
    fair = trained(x, y, [SHAPFairness([1], 0.2, explainer=EXPLAINERS["expected_gradients"], weight=5.0)])
    assert 0.12 < exact_shares(fair, x)[1] < 0.25


def test_fit_explains_groups_alike(rng):
    """The label follows another feature in each group."""
    x = rng.normal(size=(600, 4)).astype("float32")
    x[:, 3] = np.sign(x[:, 3])
    y = (np.where(x[:, 3] > 0, x[:, 0], 0.7 * x[:, 0] + 0.7 * x[:, 1]) > 0).astype("float32")[:, None]
    distance = []
    for weight in (0.0, 30.0):
        loss = SHAPFairness(groups=3, explainer=EXPLAINERS["expected_gradients"], weight=weight)
        model = trained(x, y, [loss])
        explain = xai.Explainer("exact_shap", background=x[:30], space="logit").bind(model)
        values = explain(x[30:130], np.ones(100, int)).numpy()
        members = x[30:130, 3] > 0
        distance.append(np.square(profile(values[members]) - profile(values[~members])).sum())
    assert distance[1] < distance[0] / 4


@pytest.mark.parametrize(
    "arguments",
    [
        {"protected": slice(1, 3), "budget": 0.1},
        {"protected": "age", "groups": "sex"},
        {"protected": [0, 2], "groups": 3, "weight": 2.0, "name": "mine"},
        {"protected": {"image": np.ones((2, 2, 1)), "age": np.zeros(2)}},
        {"groups": first_is_large, "explainer": xai.Explainer("kernel_shap", samples=20)},
    ],
)
def test_configuration_round_trip(arguments):
    loss = SHAPFairness(**arguments)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert repr(copy) == repr(loss)
    assert (copy.budget, copy.groups, copy.name) == (loss.budget, loss.groups, loss.name)
    keras.tree.map_structure(np.testing.assert_array_equal, copy.protected, loss.protected)


def test_saving(tmp_path, rng):
    x, y = skewed(rng, 100)
    model = trained(x, y, [SHAPFairness(slice(1, 2), 0.05, first_is_large, EXPLAINERS["expected_gradients"])], epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.evaluate(x, y, verbose=0), model.evaluate(x, y, verbose=0), rtol=1e-5)
    loaded.fit(x, y, verbose=0)
