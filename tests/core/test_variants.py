"""The chunking loop: the same sums in whatever chunks, and never more rows at once than asked for."""

import numpy as np
import pytest
import tensorflow as tf

from tf_xai.core import trees, variants
from tf_xai.core.variants import map_variants, sum_variants

COUNT = 7
CHUNKS = [1, 2, 3, 5, 7, 100, None, variants.ALL]


@pytest.fixture
def inputs(rng):
    """Two rows of nested inputs."""
    return {
        "a": tf.constant(rng.normal(size=(2, 3)), tf.float32),
        "b": tf.constant(rng.normal(size=(2, 1)), tf.float32),
    }


@pytest.fixture
def weights(rng):
    """One weight per variant."""
    return rng.normal(size=COUNT).astype("float32")


def _scaled(inputs):
    """Variant `k` is the inputs times `k + 1`."""
    zeros = trees.zeros_like(inputs)
    return lambda k: trees.axpy(tf.cast(k + 1, tf.float32), inputs, zeros)


def _squares(x, target):
    return trees.map_leaves(lambda leaf: leaf**2 * trees.align(target, leaf.shape.rank), x)


def _total(x, target):
    return trees.sum_features(x) * target


TARGET = tf.constant([1.0, -2.0])


@pytest.mark.parametrize("chunk", CHUNKS)
def test_sums(inputs, weights, chunk):
    result = sum_variants(_squares, _scaled(inputs), weights, inputs, TARGET, chunk)
    factor = np.sum(weights * np.arange(1, COUNT + 1) ** 2)
    for name in "ab":
        expected = factor * inputs[name].numpy() ** 2 * TARGET.numpy()[:, None]
        np.testing.assert_allclose(result[name], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("chunk", CHUNKS)
def test_maps(inputs, chunk):
    result = map_variants(_total, _scaled(inputs), COUNT, inputs, TARGET, chunk)
    rows = inputs["a"].numpy().sum(1) + inputs["b"].numpy().sum(1)
    np.testing.assert_allclose(result, np.outer(np.arange(1, COUNT + 1), rows * TARGET), rtol=1e-5)


@pytest.mark.parametrize("chunk", [1, 3, None])
def test_batch_and_count_may_be_unknown(inputs, weights, chunk):
    specs = {"a": tf.TensorSpec([None, 3]), "b": tf.TensorSpec([None, 1])}

    @tf.function(input_signature=[specs, tf.TensorSpec([None]), tf.TensorSpec([None])], autograph=False)
    def both(x, weights, target):
        total = sum_variants(_squares, _scaled(x), weights, x, target, chunk)
        return total, map_variants(_total, _scaled(x), COUNT, x, target, chunk)

    total, values = both(inputs, weights, TARGET)
    expected = sum_variants(_squares, _scaled(inputs), weights, inputs, TARGET, COUNT)
    np.testing.assert_allclose(total["a"], expected["a"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(values, map_variants(_total, _scaled(inputs), COUNT, inputs, TARGET, COUNT), rtol=1e-5)


def test_the_result_may_have_another_structure(inputs, weights):
    pair = lambda x, target: (x, trees.square(x))
    first, second = sum_variants(pair, _scaled(inputs), weights, inputs, chunk=3, like=(inputs, inputs))
    np.testing.assert_allclose(
        first["a"], np.sum(weights * np.arange(1, COUNT + 1)) * inputs["a"], rtol=1e-5, atol=1e-5
    )
    expected = np.sum(weights * np.arange(1, COUNT + 1) ** 2) * inputs["b"] ** 2
    np.testing.assert_allclose(second["b"], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("chunk", "rows"), [(1, {2}), (3, {6}), (5, {8}), (7, {14}), (None, {14})])
def test_rows_in_one_pass(inputs, weights, chunk, rows):
    """Chunks are of equal size: seven variants, at most five at once, are two chunks of four."""
    seen = set()

    def count(x, target):
        seen.add(len(x["a"]))
        return x

    sum_variants(count, _scaled(inputs), weights, inputs, chunk=chunk)
    assert seen == rows


def test_the_automatic_chunk_bounds_the_elements_in_one_pass(inputs, weights, monkeypatch):
    monkeypatch.setattr(variants, "ELEMENTS", 17)  # two variants of two rows of four elements
    seen = []

    def count(x, target):
        seen.append(len(x["a"]))
        return x

    sum_variants(count, _scaled(inputs), weights, inputs)
    assert seen == [4, 4, 4, 4]


def test_gradients_pass_through_the_loop(inputs, weights):
    for chunk in (1, 3, None):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            result = sum_variants(_squares, _scaled(inputs), weights, inputs, TARGET, chunk)
            loss = tf.reduce_sum(result["a"])
        factor = np.sum(weights * np.arange(1, COUNT + 1) ** 2)
        expected = 2 * factor * inputs["a"].numpy() * TARGET.numpy()[:, None]
        np.testing.assert_allclose(tape.gradient(loss, inputs["a"]), expected, rtol=1e-4, atol=1e-5)
