"""Guided integrated gradients against PAIR's implementation, closed forms, and a path followed step by step."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests import models
from tf_xai.attributions import gradient, guided_integrated_gradients
from tf_xai.core.score import Score


@pytest.fixture(scope="module")
def stored():
    """What saliency 0.2.1 says of a small network, see `references/make_saliency.py`."""
    with np.load(Path(__file__).parent / "references" / "saliency.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", ["default", "wide", "unbounded"])
def test_agrees_with_pair(stored, name):
    hidden, bias, out = (tf.constant(stored[key]) for key in ("hidden", "bias", "out"))
    score = lambda x, target: tf.linalg.matvec(tf.tanh(x @ hidden + bias), out)
    steps, fraction, distance = stored[f"{name}/options"].tolist()
    options = {"steps": int(steps), "fraction": fraction, "distance": distance, "baseline": stored["baseline"]}
    explain = tf.function(lambda x: guided_integrated_gradients(score, x, **options), autograph=False)
    expected = stored[name]
    np.testing.assert_allclose(explain(stored["x"]), expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def slanted(x, target=None):
    """`x0 + x1^2`: the second starts flat and becomes the steeper one half way."""
    return x[:, 0] + x[:, 1] ** 2


def test_the_least_steep_goes_first():
    values = guided_integrated_gradients(slanted, tf.ones((1, 2)), steps=4, fraction=0.5, distance=1.0)
    # Half a unit at a time: x1, flat at the origin; both alike, each a third of what it has left, where both slopes
    # are 1; x0, where x1 has the slope 4/3; and the rest.
    np.testing.assert_allclose(values, [[1.0, 1 / 6 + 1 / 3 * 4 / 3]], rtol=1e-5)


def test_the_corridor_bounds_the_lead():
    values = guided_integrated_gradients(slanted, tf.ones((1, 2)), steps=4, fraction=0.5, distance=0.125)
    # Whoever is an eighth behind the straight path is brought along: x1 goes to 3/8, 5/8, 5/8 and 1, from slopes of
    # 0, 3/4, 5/4 and 5/4.
    np.testing.assert_allclose(values, [[1.0, 1 / 4 * 3 / 4 + 3 / 8 * 5 / 4]], rtol=1e-5)


def test_all_features_at_a_time_go_straight(rng):
    score, x = Score(models.mlp()), tf.constant(rng.normal(size=(3, 4)), tf.float32)
    target = tf.constant([0, 1, 2])
    values = guided_integrated_gradients(score, x, target, steps=10, fraction=1.0)
    slopes = [gradient(score, k / 10 * x, target) for k in range(10)]
    np.testing.assert_allclose(values, x * np.mean(slopes, axis=0), rtol=1e-4, atol=1e-6)


def test_a_loss_of_the_values_is_differentiable(rng):
    x, weights = tf.constant(rng.uniform(0.5, 1, size=(2, 4)), tf.float32), tf.Variable([1.0, -10.0, 100.0, 1000.0])
    cubic = lambda x, target: tf.linalg.matvec(x**3, weights)
    with tf.GradientTape() as tape:
        values = guided_integrated_gradients(cubic, x, steps=6, distance=0.5)
        loss = tf.reduce_sum(values**2, axis=0)
    # The slopes keep their order, so that the path is fixed and the value of a feature proportional to its weight.
    expected = 2 * loss / weights
    np.testing.assert_allclose(tape.gradient(loss, weights), expected, rtol=1e-4)


@pytest.mark.parametrize("option", ["fraction", "distance"])
def test_shares_lie_between_zero_and_one(option):
    with pytest.raises(ValueError, match=f"`{option}` must lie between 0 and 1"):
        guided_integrated_gradients(slanted, tf.ones((1, 2)), **{option: 1.5})


def test_masks_and_other_leaves_keep_their_place(rng):
    x, mask = tf.constant(rng.normal(size=(3, 2)), tf.float32), tf.constant([[True], [False], [True]])
    score = lambda inputs, target: tf.where(inputs["mask"][:, 0], slanted(inputs["x"]), 0.0)
    values = guided_integrated_gradients(score, {"mask": mask, "row": tf.range(3), "x": x}, steps=5)
    alone = guided_integrated_gradients(slanted, x, steps=5)
    np.testing.assert_array_equal(values["mask"], np.zeros((3, 1)))
    np.testing.assert_array_equal(values["row"], np.zeros(3))
    np.testing.assert_allclose(values["x"], tf.where(mask, alone, 0.0), rtol=1e-5)


def test_completeness_improves_with_the_steps(rng):
    score, x = Score(models.mlp(), space="logit"), tf.constant(rng.normal(size=(3, 4)), tf.float32)
    target, start = tf.constant([0, 1, 2]), tf.zeros((3, 4))
    gap = score(x, target) - score(start, target)
    residual = lambda steps: np.abs(
        tf.reduce_sum(guided_integrated_gradients(score, x, target, steps=steps), axis=1) - gap
    ).max()
    assert residual(80) < residual(20) / 3 < residual(5) / 9
