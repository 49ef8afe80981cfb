"""Sensitivity to small moves, against scores whose attributions are known."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.models import mlp
from tf_xai import metrics
from tf_xai.attributions import gradient
from tf_xai.metrics.judge import judge

SLOPES = np.array([3.0, -1.0, 2.0, 0.5], "float32")


def linear(x, target=None):
    return tf.linalg.matvec(x, tf.constant(SLOPES))


def even(x, target=None):
    """Its gradient is the input."""
    return tf.reduce_sum(tf.square(x), axis=1) / 2


@pytest.fixture
def x(rng):
    return tf.constant(rng.normal(size=(6, 4)), tf.float32)


def of(score):
    return lambda x, target: gradient(score, x, target)


def moves(metric, x, **options):
    """The moves that a metric makes, `(samples, columns)`."""
    seen = []
    metric(None, x, None, x, explain=lambda near, target: seen.append(near) or near, chunk=1, **options)
    return np.stack([near[0] - x[0] for near in seen])


def test_a_linear_score_has_the_same_slopes_everywhere(x):
    for metric in (metrics.max_sensitivity, metrics.local_lipschitz):
        np.testing.assert_array_equal(metric(linear, x, None, of(linear)(x, None), explain=of(linear)), np.zeros(6))


def test_local_lipschitz_is_the_slope_of_the_gradient(x):
    got = metrics.local_lipschitz(even, x, None, of(even)(x, None), explain=of(even))
    np.testing.assert_allclose(got, np.ones(6), rtol=1e-4)


def test_max_sensitivity_is_the_longest_move(x):
    longest = np.linalg.norm(moves(metrics.max_sensitivity, x, radius=0.1, samples=7), axis=1).max()
    got = metrics.max_sensitivity(even, x, None, of(even)(x, None), explain=of(even), radius=0.1, samples=7)
    np.testing.assert_allclose(got, longest / np.linalg.norm(x, axis=1), rtol=1e-4)


def test_moves_fill_the_cube(x):
    far = moves(metrics.max_sensitivity, x, radius=0.1, samples=300)
    assert np.abs(far).max() <= 0.1 + 1e-6
    np.testing.assert_allclose(far.mean(axis=0), 0, atol=0.015)
    np.testing.assert_allclose(far.std(axis=0), 0.1 / np.sqrt(3), rtol=0.1)
    assert len(np.unique(far[:, 0])) == 300


@pytest.mark.parametrize("chunk", [1, 3, None])
def test_chunks_do_not_matter_and_the_target_stays(chunk, x):
    model = mlp()
    explain, score = xai.Explainer("gradient_input").bind(model), xai.Score(model)
    target = tf.constant([0, 1, 0, 1, 0, 1])
    options = {"explain": explain, "samples": 5}
    got = metrics.max_sensitivity(score, x, target, explain(x, target), chunk=chunk, **options)
    whole = metrics.max_sensitivity(score, x, target, explain(x, target), **options)
    np.testing.assert_allclose(got, whole, rtol=1e-4)


@pytest.mark.parametrize("name", ["max_sensitivity", "local_lipschitz"])
@pytest.mark.parametrize("inputs", [np.array([[1, 2]]), {"ids": np.array([[1, 2]]), "mask": np.array([[True, False]])}])
def test_tokens_can_not_move(name, inputs):
    with pytest.raises(ValueError, match=f"`{name}` moves floating inputs a little, and there are none"):
        metrics.METRICS[name](linear, inputs, None, inputs, explain=lambda near, target: near)


def test_ids_do_not_move_beside_floats(rng):
    """Not those either that a model takes as floats: half an id would be another id."""
    table, ids = rng.normal(size=(3, 2)).astype("float32"), rng.integers(1, 9, (3, 4)).astype("float32")
    inputs = [keras.Input((2,)), keras.Input((4,))]
    vectors = keras.layers.Flatten()(keras.layers.Embedding(9, 2)(inputs[1]))
    model = keras.Model(inputs, keras.layers.Dense(3, "softmax")(keras.layers.Concatenate()([inputs[0], vectors])))
    bound, seen = xai.Explainer("gradient").bind(model), []

    class Watched:
        explainer, score, place = bound.explainer, bound.score, bound.place

        def attribute(self, near, target):
            seen.append([np.asarray(leaf) for leaf in near])
            return bound.attribute(near, target)

    rows, target = [tf.constant(table), tf.constant(ids)], tf.constant([0, 1, 2])
    judge(metrics.max_sensitivity, Watched(), rows, target, bound(rows, target), samples=3, chunk=3)
    ((moved, whole),) = seen
    assert (moved.reshape(3, 3, 2) != table).all() and whole.dtype == "float32"
    np.testing.assert_array_equal(whole.reshape(3, 3, 4), np.stack([ids] * 3))
