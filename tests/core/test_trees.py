"""Arithmetic on nested inputs, against NumPy."""

import numpy as np
import tensorflow as tf

from tf_xai.core import trees

MASK = tf.constant([[True, False], [True, True]])


def _tree(rng):
    return {
        "a": tf.constant(rng.normal(size=(2, 3)), tf.float32),
        "b": [tf.constant(rng.normal(size=(2, 1, 2)), tf.float32)],
    }


def test_arithmetic_keeps_the_structure(rng):
    tree, other = _tree(rng), _tree(rng)
    for function, expected in [(trees.subtract, np.subtract), (trees.multiply, np.multiply)]:
        result = function(tree, other)
        np.testing.assert_array_equal(result["a"], expected(tree["a"], other["a"]))
        np.testing.assert_array_equal(result["b"][0], expected(tree["b"][0], other["b"][0]))


def test_axpy(rng):
    tree, other, factors = _tree(rng), _tree(rng), np.array([0.0, 0.5, 2.0], "float32")
    result = trees.axpy(tf.constant(factors), tree, other)
    assert result["b"][0].shape == (3, 2, 1, 2)
    for k, factor in enumerate(factors):
        np.testing.assert_allclose(result["a"][k], factor * tree["a"].numpy() + other["a"], rtol=1e-6)


def test_masks_are_carried(rng):
    tree = [tf.constant(rng.normal(size=(2, 3)), tf.float32), MASK]
    path = trees.axpy(tf.constant([0.25, 0.5]), trees.subtract(tree, tree), tree)
    np.testing.assert_array_equal(path[1], np.stack([MASK, MASK]))
    np.testing.assert_array_equal(trees.subtract(tree, tree)[1], np.zeros((2, 2)))
    np.testing.assert_array_equal(trees.zeros_like(MASK), np.zeros((2, 2), "float32"))


def test_columns_and_back(rng):
    tree = [tf.constant(rng.normal(size=(2, 3)), tf.float32), MASK, tf.constant(rng.normal(size=(2, 1, 2)), tf.float32)]
    expected = np.concatenate([tree[0], np.reshape(tree[2], (2, 2))], axis=1)
    np.testing.assert_array_equal(trees.columns(tree), expected)
    zeros = [tree[0], tf.zeros((2, 2)), tree[2]]
    np.testing.assert_array_equal(trees.columns(zeros, tree), expected)

    @tf.function(
        input_signature=[[tf.TensorSpec([None, 3]), tf.TensorSpec([None, 2], tf.bool), tf.TensorSpec([None] * 3)]]
    )
    def back(tree):
        columns = trees.columns(tree)
        return trees.of_columns(columns, tree), trees.of_columns(tf.stack([columns, 2 * columns]), tree)

    once, twice = back(tree)
    for leaf, pair, known in zip(once, twice, zeros, strict=True):
        np.testing.assert_array_equal(leaf, known)
        np.testing.assert_array_equal(pair, leaf if known is zeros[1] else np.stack([known, 2 * known]))


def test_merge_and_split_are_inverse(rng):
    tree = {"a": tf.constant(rng.normal(size=(6, 2)), tf.float32)}
    split = trees.split(tree, 3)
    np.testing.assert_array_equal(split["a"], np.reshape(tree["a"], (3, 2, 2)))
    np.testing.assert_array_equal(trees.merge(split)["a"], tree["a"])


def test_sums_and_sizes(rng):
    tree = _tree(rng)
    expected = tree["a"].numpy().sum(1) + tree["b"][0].numpy().sum((1, 2))
    np.testing.assert_allclose(trees.sum_features(tree), expected, rtol=1e-6)
    assert trees.row_size(tree) == 5
    assert trees.batch_size(tree) == 2
    np.testing.assert_array_equal(trees.take(tree, [1, 1])["a"], tree["a"].numpy()[[1, 1]])


def test_length_and_its_slope_at_zero():
    vectors = tf.constant([[3.0, 4.0], [0.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        lengths = trees.length(vectors, axis=-1)
    np.testing.assert_allclose(lengths, [5.0, 0.0])
    np.testing.assert_allclose(tape.gradient(lengths, vectors), [[0.6, 0.8], [0.0, 0.0]], rtol=1e-6)
