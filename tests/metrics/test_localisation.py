"""Attributions against evidence, by NumPy and scikit-learn."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import average_precision_score

from tf_xai import metrics

NAMES = ("average_precision", "localisation_iou", "pointing_game", "relevance_mass", "relevance_rank")


def value(name, attributions, evidence, x=None, **options):
    x = np.zeros(np.shape(attributions), "float32") if x is None else x
    found = metrics.METRICS[name](None, x, None, np.asarray(attributions, "float32"), evidence=evidence, **options)
    return found.numpy()


@pytest.fixture
def values(rng):
    """With ties."""
    return np.round(rng.normal(size=(6, 40)), 1)


@pytest.fixture
def marked(rng):
    return rng.random((6, 40)) < 0.3


def test_average_precision(values, marked):
    expected = [average_precision_score(*pair) for pair in zip(marked, values, strict=True)]
    np.testing.assert_allclose(value("average_precision", values, marked), expected, rtol=1e-5)


def test_relevance_mass(values, marked):
    positive = np.maximum(values, 0)
    expected = (positive * marked).sum(axis=1) / positive.sum(axis=1)
    np.testing.assert_allclose(value("relevance_mass", values, marked), expected, rtol=1e-5)


def test_relevance_rank_and_pointing_game(values, marked):
    values += 1e-3 * np.arange(40)  # no ties
    first = np.argsort(-values, axis=1)
    found = [np.mean(row[order[: row.sum()]]) for row, order in zip(marked, first, strict=True)]
    np.testing.assert_allclose(value("relevance_rank", values, marked), found, rtol=1e-5)
    np.testing.assert_array_equal(value("pointing_game", values, marked), marked[np.arange(6), first[:, 0]])


def test_localisation_iou(values, marked):
    large = values > 0.5 * values.max(axis=1, keepdims=True)
    expected = (large & marked).sum(axis=1) / (large | marked).sum(axis=1)
    np.testing.assert_allclose(value("localisation_iou", values, marked, threshold=0.5), expected, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_evidence_itself_and_its_contrary(name, marked):
    np.testing.assert_allclose(value(name, marked.astype("float32"), marked), np.ones(6), rtol=1e-6)
    assert value(name, 1.0 - marked, marked).max() < 0.6


@pytest.mark.parametrize("name", NAMES)
def test_rows_without_evidence_are_undefined(name, values, marked):
    marked[2] = False
    found = value(name, values, marked)
    assert np.isnan(found[2]) and np.isfinite(np.delete(found, 2)).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_channels_of_a_pixel_go_together(name, rng):
    """Whether evidence has the channels, one channel, or none."""
    x = rng.normal(size=(3, 5, 5, 2)).astype("float32")
    mask = rng.random((3, 5, 5, 1)) < 0.3
    expected = value(name, x.sum(axis=-1).reshape(3, 25), mask.reshape(3, 25))
    for evidence in (mask, np.concatenate([mask, mask & False], axis=-1), mask[..., 0], mask[..., 0].astype("float32")):
        np.testing.assert_allclose(value(name, x, evidence, x), expected, rtol=1e-5)
    np.testing.assert_allclose(value(name, x.sum(axis=-1, keepdims=True), mask, x), expected, rtol=1e-5)


def test_all_inputs_count(values, marked):
    halves = lambda array: {"a": tf.constant(array[:, :15]), "b": tf.constant(array[:, 15:])}
    values = values.astype("float32")
    for name in NAMES:
        found = metrics.METRICS[name](None, halves(values), None, halves(values), evidence=halves(marked))
        np.testing.assert_allclose(found, value(name, values, marked), rtol=1e-6)
