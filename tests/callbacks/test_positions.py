"""Callbacks on models with a class at every position: every row is explained for its own labels."""

import keras
import numpy as np
import pytest

import tf_xai as xai
from tests.callbacks.test_explanation_drift import Explain, agree
from tests.models import dense
from tf_xai.callbacks import ExplanationDrift, ExplanationMetrics
from tf_xai.callbacks.snapshots import Snapshot


@pytest.fixture
def data(rng):
    """Rows whose labels differ from row to row, and from position to position."""
    return rng.normal(size=(12, 5, 2)).astype("float32"), rng.integers(0, 3, (12, 5))


@pytest.fixture
def model():
    """Positions that see each other, and a class of three at each."""
    hidden = keras.layers.Conv1D(6, 3, padding="same", activation="tanh")
    model = keras.Sequential([keras.Input((5, 2)), hidden, dense(3, "softmax")])
    model.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy")
    return model


def of_row_0(labels):
    return np.broadcast_to(labels[:1], labels.shape)


def test_drift(model, data):
    """`explain` takes the labels as weights of the outputs."""
    x, y = data
    seen, others = Explain(x, np.eye(3)[y]), Explain(x, np.eye(3)[of_row_0(y)])
    drift = ExplanationDrift(x, y, batch_size=5)
    history = model.fit(x, y, epochs=3, verbose=0, callbacks=[seen, others, drift]).history["xai_drift_rank_agreement"]
    expected, wrong = (
        [agree(now, then) for now, then in zip(each.values[1:], each.values[:-1], strict=True)]
        for each in (seen, others)
    )
    np.testing.assert_allclose(history, expected, atol=1e-5)
    assert np.abs(np.subtract(wrong, expected)).min() > 1e-3, "the labels of a single row would not do"


def test_metrics(model, data):
    x, y = data
    callback = ExplanationMetrics(x, y, metrics=["deletion"], batch_size=5, control=False)
    value = model.fit(x, y, verbose=0, callbacks=[callback]).history["xai_deletion"][0]

    def mean(labels):
        weights = np.eye(3)[labels]
        values = xai.explain(model, x, weights, verbose=0).values
        return np.mean(xai.metrics.deletion(xai.Score(model), x, weights, values))

    assert value == pytest.approx(mean(y), rel=1e-4)
    assert abs(mean(of_row_0(y)) - value) > 1e-3


@pytest.mark.parametrize(("tolerance", "same"), [(0.2, [True, False]), (0.25, [True, True]), (0.0, [False, False])])
def test_the_share_of_positions_that_may_change(tolerance, same):
    """One of eight, and two."""
    now, then = np.zeros((2, 2, 4), int), np.zeros((2, 2, 4), int)
    now[0, 1, 1] = now[1, 0, 2] = now[1, 1, 3] = 1
    snapshot = lambda classes: Snapshot([], np.zeros(2), classes)
    assert snapshot(now).same_prediction(snapshot(then), tolerance).tolist() == same
