"""Occlusion against a loop over the windows."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests import models
from tf_xai.attributions import occlusion
from tf_xai.core.score import Score

SHAPES = {1: (9, 2), 2: (8, 6, 1), 3: (4, 5, 3, 2)}
TARGET = tf.constant([0, 2])


def _starts(length, size, step):
    """Windows until the end is covered; the last may reach over the edge."""
    starts = [0]
    while starts[-1] + size < length:
        starts.append(starts[-1] + step)
    return starts


def _by_hand(score, x, sizes, steps, baseline):
    """The mean loss over the windows that cover a position, window by window."""
    losses, covers = np.zeros(x.shape), np.zeros(x.shape)
    grids = [_starts(length, *each) for length, each in zip(x.shape[1:-1], zip(sizes, steps, strict=True), strict=True)]
    for start in itertools.product(*grids):
        window = (slice(None), *(slice(a, a + size) for a, size in zip(start, sizes, strict=True)))
        covered = x.copy()
        covered[window] = baseline
        loss = score(x, TARGET) - score(covered, TARGET)
        losses[window] += np.reshape(loss, [-1] + [1] * (x.ndim - 1))
        covers[window] += 1
    assert covers.min() > 0
    return losses / covers


@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize(("window", "stride"), [(1, 1), (3, 2), (3, None), (2, 1)])
def test_a_loop_over_the_windows(axes, window, stride, rng):
    score, x = Score(models.cnn(SHAPES[axes])), rng.normal(size=(2, *SHAPES[axes])).astype("float32")
    expected = _by_hand(score, x, [window] * axes, [stride or window] * axes, 0.5)
    values = occlusion(score, tf.constant(x), TARGET, baseline=0.5, window=window, stride=stride)
    np.testing.assert_allclose(values, expected, rtol=1e-3, atol=1e-6)


def test_windows_of_one_length_per_axis(rng):
    score, x = Score(models.cnn(SHAPES[2])), rng.normal(size=(2, *SHAPES[2])).astype("float32")
    values = occlusion(score, tf.constant(x), TARGET, window=(3, 2), stride=(2, 1))
    np.testing.assert_allclose(values, _by_hand(score, x, (3, 2), (2, 1), 0), rtol=1e-3, atol=1e-6)
    # By default an eighth of every axis.
    x = rng.normal(size=(2, 16, 9, 1)).astype("float32")
    score = Score(models.cnn((16, 9, 1)))
    values = occlusion(score, tf.constant(x), TARGET)
    np.testing.assert_allclose(values, _by_hand(score, x, (2, 2), (2, 2), 0), rtol=1e-3, atol=1e-6)


def test_a_window_larger_than_the_input_covers_it(rng):
    score, x = Score(models.cnn(SHAPES[1])), tf.constant(rng.normal(size=(2, *SHAPES[1])), tf.float32)
    loss = score(x, TARGET) - score(tf.zeros_like(x), TARGET)
    np.testing.assert_allclose(
        occlusion(score, x, TARGET, window=20), np.tile(loss[:, None, None], (1, 9, 2)), rtol=1e-4
    )


def test_columns_of_a_table_one_at_a_time(rng):
    score = lambda x, target: x[:, 0] * x[:, 1] + x[:, 2]
    x = rng.normal(size=(3, 3)).astype("float32")
    a, b, c = x.T
    values = occlusion(score, tf.constant(x), baseline=np.array([1.0, 2.0, 3.0], "float32"), window=2)
    np.testing.assert_allclose(values, np.stack([(a - 1) * b, a * (b - 2), c - 3], axis=1), rtol=1e-4, atol=1e-6)


def test_inputs_are_covered_one_at_a_time(rng):
    x = {"image": rng.normal(size=(2, 4, 4, 1)), "age": rng.normal(size=(2, 1)), "mask": np.array([[True], [False]])}
    x = {name: tf.constant(leaf, None if name == "mask" else tf.float32) for name, leaf in x.items()}
    total = lambda inputs: tf.reduce_sum(inputs["image"], [1, 2, 3])
    score = lambda inputs, target: tf.where(inputs["mask"][:, 0], 2.0, 1.0) * total(inputs) * inputs["age"][:, 0]
    values = occlusion(score, x, window=4)
    np.testing.assert_allclose(values["image"], np.tile(score(x, None)[:, None, None, None], (1, 4, 4, 1)), rtol=1e-5)
    np.testing.assert_allclose(values["age"][:, 0], score(x, None), rtol=1e-5)
    np.testing.assert_array_equal(values["mask"], np.zeros((2, 1)))


def test_what_does_not_fit_is_an_error():
    score, x = lambda x, target: tf.reduce_sum(x, [1, 2, 3]), tf.ones((2, 6, 6, 1))
    with pytest.raises(ValueError, match=r"`stride` must be at most the window.*stride=\(3, 3\) and window=\(2, 2\)"):
        occlusion(score, x, window=2, stride=3)
    with pytest.raises(ValueError, match=r"`window` must have one length per spatial axis. Expected: 2"):
        occlusion(score, x, window=(2, 2, 2))
    with pytest.raises(ValueError, match="`window` must be an integer of at least 1"):
        occlusion(score, x, window=0)
    with pytest.raises(TypeError, match=r"all inputs are integer or boolean.*Token ids"):
        occlusion(score, tf.cast(x, tf.int32))
