"""Shapley values: by hand, against the shap package, and what they promise."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import models
from tf_xai.attributions import exact_shap, kernel_shap, permutation_shap
from tf_xai.core.regions import Patches, Segments
from tf_xai.core.score import Score

METHODS = [exact_shap, kernel_shap, permutation_shap]
SAMPLED = [kernel_shap, permutation_shap]


def network(features, seed=0, hidden=8, scale=1.0):
    """A score of a table in which all columns interact."""
    rng = np.random.default_rng(seed)
    kernel, bias, head = (rng.normal(size=size).astype("float32") for size in ((features, hidden), hidden, hidden))
    return lambda x, target=None: tf.linalg.matvec(tf.tanh(scale * tf.matmul(x, kernel) + bias), head)


def pairs(x, target=None):
    """Interactions of two columns at a time."""
    return x[:, 0] * x[:, 1] + 3 * x[:, 2] ** 2 * x[:, 0] - tf.sin(x[:, 3]) * x[:, 2]


@pytest.fixture
def x(rng):
    """Three rows of four numbers."""
    return tf.constant(rng.normal(size=(3, 4)), tf.float32)


@pytest.fixture
def background(rng):
    """Five references."""
    return rng.normal(size=(5, 4)).astype("float32")


def test_three_players_by_hand():
    score = lambda x, target: x[:, 0] + 2 * x[:, 0] * x[:, 1] + 6 * tf.reduce_prod(x, axis=1)
    values = exact_shap(score, tf.ones((1, 3)))
    # An interaction is shared by those who take part.
    np.testing.assert_allclose(values, [[1 + 1 + 2, 1 + 2, 2]], rtol=1e-6)


def test_all_orders_by_hand(x, background):
    score, x = network(4), x.numpy()
    worth = lambda row, coalition: np.mean(score(np.where(np.isin(range(4), coalition), row, background)))
    expected = np.zeros((3, 4))
    orders = list(itertools.permutations(range(4)))
    for number, row in enumerate(x):
        known = {s: worth(row, s) for size in range(5) for s in itertools.combinations(range(4), size)}
        for order in orders:
            for place, player in enumerate(order):
                before = tuple(sorted(order[:place]))
                expected[number, player] += known[tuple(sorted((*before, player)))] - known[before]
    np.testing.assert_allclose(
        exact_shap(score, tf.constant(x), background=background), expected / len(orders), rtol=1e-4, atol=1e-6
    )


def predict(score):
    return lambda rows: score(tf.constant(rows, tf.float32)).numpy()


@pytest.mark.parametrize("features", [5, 9])
def test_against_the_exact_explainer_of_shap(rng, features):
    shap = pytest.importorskip("shap")
    score = network(features)
    x, background = (rng.normal(size=(n, features)).astype("float32") for n in (3, 7))
    masker = shap.maskers.Independent(background, max_samples=7)
    expected = shap.ExactExplainer(predict(score), masker)(x).values
    np.testing.assert_allclose(exact_shap(score, tf.constant(x), background=background), expected, atol=1e-6)
    np.testing.assert_allclose(kernel_shap(score, tf.constant(x), background=background), expected, atol=2e-6)


@pytest.mark.parametrize("method", METHODS)
def test_pairwise_interactions_are_exact(method, x, background):
    expected = exact_shap(pairs, x, background=background)
    np.testing.assert_allclose(method(pairs, x, background=background), expected, rtol=1e-4, atol=1e-5)
    few = {"samples": 16} if method in SAMPLED else {}
    np.testing.assert_allclose(method(pairs, x, background=background, **few), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_axioms(method, rng):
    """Efficiency, symmetry where players are alike in every coalition that is drawn, and nothing for a dummy."""
    kernel = rng.normal(size=(6, 8)).astype("float32")
    kernel[4], kernel[5] = kernel[3], 0
    score = lambda x, target: tf.reduce_sum(tf.tanh(tf.matmul(x, kernel)), axis=1)
    x, background = rng.normal(size=(3, 6)).astype("float32"), rng.normal(size=(4, 6)).astype("float32")
    x[:, 4], background[:, 4] = x[:, 3], background[:, 3]
    values = method(score, tf.constant(x), background=background).numpy()
    gap = score(x, None) - tf.reduce_mean(score(background, None))
    np.testing.assert_allclose(values.sum(axis=1), gap, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(values[:, 5], np.zeros(3), atol=1e-5)
    tolerance = 0.05 if method is permutation_shap else 1e-5
    np.testing.assert_allclose(values[:, 3], values[:, 4], atol=tolerance)


@pytest.mark.parametrize("method", SAMPLED)
@pytest.mark.parametrize("samples", [64, 100, 333])
def test_estimates_are_complete(method, rng, samples):
    score, x = network(12), tf.constant(rng.normal(size=(4, 12)), tf.float32)
    values = method(score, x, samples=samples)
    np.testing.assert_allclose(tf.reduce_sum(values, axis=1), score(x) - score(tf.zeros((1, 12))), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_one_and_two_players(method):
    score = lambda x, target: tf.reduce_sum(x**2, axis=1)
    np.testing.assert_allclose(method(score, tf.constant([[3.0]])), [[9.0]], rtol=1e-6)
    np.testing.assert_allclose(method(score, tf.constant([[3.0, 2.0]])), [[9.0, 4.0]], rtol=1e-6)
    np.testing.assert_allclose(method(score, tf.constant([[3.0, 2.0]]), regions=[[0, 1]]), [[6.5, 6.5]], rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_groups_play_together(method, x, background):
    values = method(network(4), x, background=background, regions=[[0, 2], [1], [3]]).numpy()
    np.testing.assert_allclose(values[:, 0], values[:, 2], rtol=1e-6)
    grouped = lambda z, target=None: network(4)(tf.gather(z, [0, 1, 0, 2], axis=1))
    # With references that move together, two columns are one of the game of three.
    x, alike = tf.gather(x, [0, 1, 0, 3], axis=1), background[:, [0, 1, 0, 3]]
    values = method(network(4), x, background=alike, regions=[[0, 2], [1], [3]]).numpy()
    three = exact_shap(grouped, tf.gather(x, [0, 1, 3], axis=1), background=alike[:, [0, 1, 3]]).numpy()
    tolerance = {"rtol": 0.2, "atol": 0.05} if method is permutation_shap else {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(np.stack([values[:, 0] * 2, values[:, 1], values[:, 3]], 1), three, **tolerance)


@pytest.mark.parametrize("structure", ["dict", "list"])
@pytest.mark.parametrize("method", METHODS)
def test_nested_inputs(method, structure, rng):
    model, regions = {
        "dict": (models.dict_model(), {"image": Patches(3), "age": "columns"}),
        "list": (models.list_model(), [[[0]], "columns"]),
    }[structure]
    draw = lambda rows: keras.tree.map_structure(
        lambda spec: tf.constant(rng.normal(size=(rows, *spec.shape[1:])), tf.float32), model.input
    )
    inputs, background, target, score = draw(2), draw(3), tf.constant([0, 2]), Score(model)
    values = method(score, inputs, target, background=background, regions=regions)
    keras.tree.assert_same_structure(values, inputs)
    total = sum(tf.reduce_sum(leaf, range(1, leaf.shape.rank)) for leaf in keras.tree.flatten(values))
    mean = tf.gather(tf.reduce_mean(model(background), axis=0), target)
    np.testing.assert_allclose(total, score(inputs, target) - mean, rtol=1e-4, atol=1e-5)
    expected = exact_shap(score, inputs, target, background=background, regions=regions)
    keras.tree.map_structure(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-2), values, expected)


@pytest.mark.parametrize("method", METHODS)
def test_every_row_may_have_players_of_its_own(method, rng):
    score = Score(models.cnn((8, 8, 1)))
    x, target = tf.constant(rng.normal(size=(2, 8, 8, 1)), tf.float32), tf.constant([0, 2])
    labels = np.stack([np.arange(64).reshape(8, 8, 1) // 16, np.arange(64).reshape(8, 8, 1) % 3])
    values = method(score, x, target, regions=labels).numpy()
    for row in (0, 1):
        alone = method(score, x[row : row + 1], target[row : row + 1], regions=labels[row])
        np.testing.assert_allclose(
            values[row], alone[0], rtol=1e-3, atol=1e-5 if method is not permutation_shap else 0.02
        )


def test_segments_of_every_image(rng):
    x = tf.constant(rng.normal(size=(2, 12, 12, 1)), tf.float32)
    score = Score(models.cnn((12, 12, 1)))
    explain = lambda x: kernel_shap(score, x, tf.constant([0, 2]), regions=Segments(12), samples=60)
    values = explain(x)
    np.testing.assert_allclose(tf.function(explain, autograph=False)(x), values, rtol=1e-4, atol=1e-6)
    gap = score(x, tf.constant([0, 2])) - score(tf.zeros_like(x), tf.constant([0, 2]))
    np.testing.assert_allclose(tf.reduce_sum(values, [1, 2, 3]), gap, rtol=1e-4, atol=1e-6)


def test_tokens_are_positions_and_row_numbers_stay(rng):
    """What a model of token ids is explained by: the output of its embedding, and the number of the row."""
    embedded, rows = tf.constant(rng.normal(size=(2, 6, 3)), tf.float32), tf.constant([0, 1], tf.int32)
    weights = tf.constant(rng.normal(size=(2, 6)), tf.float32)
    score = lambda inputs, target: tf.reduce_sum(
        tf.gather(weights, inputs[1]) * tf.reduce_sum(inputs[0], axis=2), axis=1
    )
    values, nothing = exact_shap(score, [embedded, rows], regions="tokens")
    expected = weights * tf.reduce_sum(embedded, axis=2)
    np.testing.assert_allclose(tf.reduce_sum(values, axis=2), expected, rtol=1e-4, atol=1e-5)
    assert nothing.shape == (2,) and not np.any(nothing)


def test_what_does_not_fit_is_an_error():
    score = lambda x, target: tf.reduce_sum(x, axis=1)
    with pytest.raises(ValueError, match=r"at most 16 players. Received: 17.*'kernel_shap' or 'permutation_shap'"):
        exact_shap(score, tf.ones((1, 17)))
    with pytest.raises(
        ValueError, match=r"`kernel_shap` needs at least 82 samples for 20 players. Received: samples=80"
    ):
        kernel_shap(score, tf.ones((1, 20)), samples=80)
    with pytest.raises(ValueError, match="`permutation_shap` needs at least 40 samples for 20 players"):
        permutation_shap(score, tf.ones((1, 20)), samples=39)
    for method in SAMPLED:
        with pytest.raises(ValueError, match="`samples` must be an integer of at least 1"):
            method(score, tf.ones((1, 3)), samples=0)
