"""SHAPTarget in training, and what is saved of it."""

import functools

import keras
import numpy as np
import pytest

import tf_xai as xai
from tests.losses.shapley import EXPLAINERS, logistic, profile, trained

SHAPTarget = xai.losses.SHAPTarget


# A target of every kind that a linear model with WEIGHTS misses.
TARGETS = {"shares": [1, 1, 0, 2], "values": [1.0, 0, -1, 2], "ranking": [2, 4, 1, 3], "signs": [1, 1, 0, -1]}


def problem(rng):
    """The label follows the sum of the first two features, which are nearly the same, as is the third."""
    x = rng.normal(size=(400, 4)).astype("float32")
    x[:, 1:3] = x[:, :1] + 0.3 * x[:, 1:3]
    return x, (x[:, 0] + x[:, 1] + 0.3 * rng.normal(size=400) > 0).astype("float32")[:, None]


def exact(model, x):
    """Shapley values by enumeration: not by the explainer of the loss."""
    explain = xai.Explainer("exact_shap", background=x[:30], space="logit").bind(model)
    return explain(x[30:130], np.ones(100, int)).numpy()


@functools.cache
def plain_values():
    """Those of a model without the loss, on the same data."""
    x, y = problem(np.random.default_rng(1))
    return exact(trained(x, y, []), x)


def accuracy(model, x, y):
    return np.mean((model.predict(x, verbose=0) > 0.5) == (y > 0.5))


@pytest.mark.slow
@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_fit_reaches_shares(explainer, rng):
    x, y = problem(rng)
    wanted = np.array([0.1, 0.3, 0.6, 0.0])
    model = trained(x, y, [SHAPTarget(wanted, "shares", EXPLAINERS[explainer], weight=10.0)])
    before, after = (np.abs(profile(each) - wanted).max() for each in (plain_values(), exact(model, x)))
    assert before > 0.2 and after < 0.06
    assert accuracy(model, x, y) > 0.8


def test_fit_reaches_an_order(rng):
    x, y = problem(rng)
    model = trained(x, y, [SHAPTarget([1, 2, 3, 0], "ranking", EXPLAINERS["expected_gradients"], weight=3.0)])
    assert list(np.argsort(profile(exact(model, x)))) == [3, 0, 1, 2]
    assert list(np.argsort(profile(plain_values()))) != [3, 0, 1, 2]
    assert accuracy(model, x, y) > 0.8


def test_fit_reaches_signs(rng):
    """The second feature is to count against the label that it comes with."""
    x, y = problem(rng)
    loss = SHAPTarget([1, -1, 0, 0], "signs", EXPLAINERS["expected_gradients"], weight=3.0)
    slopes = []
    for values in (plain_values(), exact(trained(x, y, [loss]), x)):
        moves = x[30:130, 1] - x[:30, 1].mean()
        slopes.append(np.sum(values[:, 1] * moves) / np.sum(moves**2))
    assert slopes[0] > 0.5 and slopes[1] < 0.1


def test_fit_follows_a_teacher(rng):
    """One that was trained on the first feature only."""
    x, y = problem(rng)
    teacher = trained(x * [1, 0, 0, 0], y, []).base
    before = teacher.get_weights()
    model = trained(x, y, [SHAPTarget(teacher, "values", EXPLAINERS["expected_gradients"])])
    distances = [np.square(each - exact(teacher, x)).sum() for each in (plain_values(), exact(model, x))]
    assert distances[1] < distances[0] / 5
    for now, then in zip(teacher.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("kind", TARGETS)
def test_configuration_round_trip(kind):
    loss = SHAPTarget({"image": TARGETS[kind], "age": 0}, kind, "kernel_shap", weight=2.0, output=1, name="mine")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert repr(copy) == repr(loss) and "target" in repr(loss) and "array" in repr(loss)
    keras.tree.map_structure(np.testing.assert_array_equal, copy.wanted, loss.wanted)


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [True, False])
def test_a_teacher_is_saved_with_the_model(compiled, tmp_path, rng):
    x, y = problem(rng)
    teacher = trained(x, y, [], epochs=1) if compiled else logistic()
    explainer = xai.Explainer("expected_gradients", samples=3, background=x[:5])
    model = trained(x, y, [SHAPTarget(teacher, "values", explainer)], epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.evaluate(x, y, verbose=0), model.evaluate(x, y, verbose=0), rtol=1e-5)
    loaded.fit(x, y, verbose=0)
