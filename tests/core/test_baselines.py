"""Baselines, against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_xai.core import baselines
from tf_xai.core.baselines import Samples, resolve


@pytest.fixture
def images(rng):
    """Two images with two channels."""
    return tf.constant(rng.normal(size=(2, 6, 10, 2)), tf.float32)


@pytest.fixture
def table(rng):
    """Three rows of four numbers."""
    return tf.constant(rng.normal(size=(3, 4)), tf.float32)


@pytest.mark.parametrize("value", [0, 1.5, -2.0])
def test_a_number_fills_all_inputs(table, images, value):
    resolved = resolve(value, {"a": table, "b": images})
    np.testing.assert_array_equal(resolved["a"], np.full((3, 4), value))
    np.testing.assert_array_equal(resolved["b"], np.full((2, 6, 10, 2), value))


@pytest.mark.parametrize("shape", [(4,), (1, 4), (3, 4), (3, 1), ()])
def test_an_array_broadcasts(table, rng, shape):
    array = rng.normal(size=shape).astype("float32")
    np.testing.assert_array_equal(resolve(array, table), np.broadcast_to(array, (3, 4)))


@pytest.mark.parametrize("shape", [(3,), (2, 4), (5, 3, 4)])
def test_an_array_that_does_not_broadcast_is_an_error(table, shape):
    with pytest.raises(ValueError, match=r"`baseline` must broadcast to the inputs. Expected: \(3, 4\)"):
        resolve(np.zeros(shape), table)


def test_several_rows_are_no_baseline_of_one_row(table):
    with pytest.raises(ValueError, match="`baseline` must broadcast to the inputs"):
        resolve(np.zeros((5, 4)), table[:1])


def test_a_function_of_the_inputs(table):
    np.testing.assert_array_equal(resolve(lambda x: x / 2, table), table / 2)
    np.testing.assert_array_equal(resolve(lambda x: "zeros", table), np.zeros((3, 4)))


def test_mean_is_each_rows_own_per_channel(images):
    expected = images.numpy().mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(resolve("mean", images), np.broadcast_to(expected, images.shape), rtol=1e-5)


def test_blur_spreads_an_impulse_as_a_gaussian():
    impulse = np.zeros((1, 20, 30, 1), "float32")
    impulse[0, 4, 25] = 1

    def response(length, place):
        position = np.arange(length)
        bell = lambda centre: np.exp(-((position - centre) ** 2) / (2 * (length / 10) ** 2))
        return np.array([bell(i)[place] / bell(i).sum() for i in position])

    expected = np.outer(response(20, 4), response(30, 25))
    np.testing.assert_allclose(resolve("blur", tf.constant(impulse))[0, :, :, 0], expected, atol=1e-7)
    np.testing.assert_allclose(resolve("blur", tf.ones((1, 5, 4, 3, 2))), np.ones((1, 5, 4, 3, 2)), rtol=1e-6)


def test_noise_is_one_draw_within_the_range_of_every_row(images):
    noise = resolve("noise", tf.concat([images, 3 * images + 1], 0)).numpy()
    low, high = images.numpy().min((1, 2, 3)), images.numpy().max((1, 2, 3))
    assert np.all(noise[:2] >= low[:, None, None, None]) and np.all(noise[:2] <= high[:, None, None, None])
    np.testing.assert_allclose(noise[2:], 3 * noise[:2] + 1, rtol=1e-4, atol=1e-5)
    assert len(np.unique(noise[0])) == noise[0].size


@pytest.mark.parametrize("name", ["mean", "blur"])
def test_tables_have_no_spatial_baselines(table, name):
    with pytest.raises(ValueError, match=r"Received: \(3, 4\). For a table pass the training mean"):
        resolve(name, table)


def test_a_nest_of_names_and_arrays(table, images):
    resolved = resolve({"t": table.numpy()[0], "i": "mean"}, {"t": table, "i": images})
    np.testing.assert_array_equal(resolved["t"], np.tile(table[:1], (3, 1)))
    np.testing.assert_array_equal(resolved["i"], baselines.mean(images))


def test_another_structure_is_an_error(table, images):
    with pytest.raises(ValueError, match=r"Expected keys \['i', 't'\]. Received: keys \['t'\]"):
        resolve({"t": table}, {"t": table, "i": images})
    with pytest.raises(ValueError, match="Did you mean 'zeros'"):
        resolve("zeroes", table)


def test_a_mask_is_its_own_baseline(table):
    mask = tf.constant([[True], [False], [True]])
    np.testing.assert_array_equal(resolve("zeros", [table, mask])[1], mask)


def test_samples_draws_whole_rows(rng):
    data = {"a": np.arange(50, dtype="float32")[:, None], "b": -np.arange(50, dtype="float32")[:, None]}
    inputs = {"a": tf.zeros((40, 1)), "b": tf.zeros((40, 1))}
    drawn = resolve(Samples(data), inputs)
    np.testing.assert_array_equal(drawn["a"], -drawn["b"])
    assert set(np.ravel(drawn["a"])) <= set(range(50))
    assert len(np.unique(drawn["a"])) > 20
    np.testing.assert_array_equal(resolve(Samples(data), inputs)["a"], drawn["a"])
    assert np.any(resolve(Samples(data, seed=1), inputs)["a"] != drawn["a"])
    with pytest.raises(ValueError, match=r"`data` must have the structure of `inputs`. Expected keys \['a', 'b'\]"):
        resolve(Samples(data["a"]), inputs)


def test_samples_is_serialisable(table, rng):
    samples = Samples(rng.normal(size=(5, 4)).astype("float32"), seed=2)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(samples))
    np.testing.assert_array_equal(again(table), samples(table))
