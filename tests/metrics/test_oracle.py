"""The greedy oracle: against an order found by hand, and against all orders."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.models import cnn, linear, mlp, transformer
from tf_xai import metrics
from tf_xai.metrics.oracle import ORACLES, greedy

SLOPES = np.array([3.0, -1.0, 2.0, 0.5, -2.0], "float32")


def straight(x, target=None):
    return tf.linalg.matvec(x, tf.constant(SLOPES))


def by_hand(score, x, baseline, inserting):
    """Attributions of one row `(features,)`: features move one after the other, each the best at its turn."""
    moved, values = np.zeros(len(x), bool), np.zeros(len(x))
    for step in range(len(x)):
        best = None
        for i in np.flatnonzero(~moved):
            there = moved | (np.arange(len(x)) == i)
            value = score(np.where(there == inserting, x, baseline)) * (1 if inserting else -1)
            if best is None or value > best[0]:
                best = value, i
        moved[best[1]], values[best[1]] = True, len(x) - step
    return values


@pytest.mark.parametrize("chunk", [None, 2])
@pytest.mark.parametrize("inserting", [False, True])
def test_the_order_is_the_one_found_by_hand(rng, inserting, chunk):
    model, x = mlp(5, activation="relu"), rng.normal(size=(6, 5)).astype("float32")
    score, target, baseline = xai.Score(model), np.array([0, 1, 2, 0, 1, 2]), np.float32(0.3)
    got = greedy(score, x, tf.constant(target), inserting=inserting, baseline=0.3, chunk=chunk)
    one = lambda row, label: float(score(tf.constant(row[None]), tf.constant([label]))[0])
    for row, label, values in zip(x, target, got.numpy(), strict=True):
        expected = by_hand(lambda moved, label=label: one(moved, label), row, baseline, inserting)
        np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("name", sorted(ORACLES))
def test_no_order_is_better_on_a_linear_model(name, rng):
    x = tf.constant(rng.normal(size=(3, 5)), tf.float32)
    options = {"steps": 5} if name in ("deletion", "insertion") else {"shares": [0.2, 0.4, 0.8]}
    metric, better = metrics.METRICS[name], np.min if name in ("deletion", "sufficiency") else np.max
    orders = [tf.constant([order] * 3, tf.float32) for order in itertools.permutations(range(5))]
    expected = better([metric(straight, x, None, order, **options) for order in orders], axis=0)
    got = ORACLES[name](straight, x, None, None, **options)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    contributions = metric(straight, x, None, x * SLOPES, **options)
    np.testing.assert_allclose(got, contributions, rtol=1e-5, atol=1e-5)


def crossed(x, target=None):
    """Features that act together, so that what one is worth depends on which others are there."""
    pairs = 3 * x[:, 0] * x[:, 1] - 2 * x[:, 1] * x[:, 2] + x[:, 2] * x[:, 3] * x[:, 0]
    return straight(x) + pairs + tf.sin(3 * x[:, 3]) * tf.exp(x[:, 4] / 2)


def is_greedy(order, curve_of, sign):
    """Whether no other feature that is left would have been a better next one, at any step."""
    steps = range(len(order))
    swapped = lambda k, i: (*order[:k], i, *(other for other in order[k:] if other != i))
    return all(
        sign * curve_of(order)[k + 1] >= sign * curve_of(swapped(k, i))[k + 1] for k in steps for i in order[k + 1 :]
    )


@pytest.mark.parametrize("name", sorted(ORACLES))
def test_step_by_step_on_a_score_that_is_not_linear(name, rng):
    """Of all 120 orders of five features one is greedy; the metric by hand, from the scores along it."""
    x, inserting = rng.normal(size=(8, 5)).astype("float32"), name in ("insertion", "sufficiency")
    subsets = list(itertools.product([0, 1], repeat=5))
    curves, by_features_alone = [], 0
    for row in x:
        score = dict(zip(subsets, crossed(tf.constant(row * np.array(subsets, "float32"))).numpy(), strict=True))
        there = lambda order, k: tuple(int((i in order[:k]) == inserting) for i in range(5))
        curve_of = lambda order, score=score, there=there: [score[there(order, k)] for k in range(6)]
        sign = 1 if inserting else -1
        (order,) = [each for each in itertools.permutations(range(5)) if is_greedy(each, curve_of, sign)]
        worth = [sign * score[there((i,), 1)] for i in range(5)]
        alone = sorted(range(5), key=worth.__getitem__, reverse=True)
        by_features_alone += tuple(alone) == order
        curves.append(curve_of(order))
    assert by_features_alone < len(x), "an order that needs no steps would not be told from the oracle's"
    curves = np.array(curves)
    if name in ("deletion", "insertion"):
        options, expected = {"steps": 5}, ((curves[:, 1:] + curves[:, :-1]) / 2).mean(axis=1)
    else:
        whole = curves[:, -1] if inserting else curves[:, 0]
        options, expected = {"shares": [0.2, 0.4, 0.8]}, whole - curves[:, [1, 2, 4]].mean(axis=1)
    got = ORACLES[name](crossed, tf.constant(x), None, None, **options)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_regions_move_together(rng):
    """Four patches of an image of two channels: their sums are all that counts."""
    image = tf.constant(rng.normal(size=(3, 8, 8, 2)), tf.float32)
    labels = np.indices((8, 8, 1))[0] // 4 * 2 + np.indices((8, 8, 1))[1] // 4
    values = greedy(lambda x, target: tf.reduce_sum(x, axis=[1, 2, 3]), image, None, regions=labels)
    sums = image.numpy().reshape(3, 2, 4, 2, 4, 2).sum(axis=(2, 4, 5)).reshape(3, 4)
    got = values.numpy().reshape(3, 2, 4, 2, 4, 2).sum(axis=(2, 4, 5)).reshape(3, 4)
    np.testing.assert_allclose(got, 1 + np.argsort(np.argsort(sums, axis=1), axis=1), rtol=1e-5)


def test_the_channels_of_a_pixel_go_together(rng):
    image = tf.constant(rng.normal(size=(2, 3, 3, 2)), tf.float32)
    total = lambda x, target=None: tf.reduce_sum(x, axis=[1, 2, 3])
    got = ORACLES["deletion"](total, image, None, None, steps=9)
    np.testing.assert_allclose(got, metrics.deletion(total, image, None, image, steps=9), rtol=1e-4, atol=1e-4)


def test_rows_with_fewer_regions(rng):
    x = tf.constant(rng.normal(size=(2, 6)), tf.float32)
    labels = np.array([[0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 1]])
    score = lambda x, target=None: tf.reduce_sum(x, axis=1)
    for name in ("deletion", "insertion"):
        options = {"regions": labels, "steps": 6}
        got = ORACLES[name](score, x, None, None, **options)
        np.testing.assert_allclose(got, metrics.METRICS[name](score, x, None, x, **options), rtol=1e-5, atol=1e-5)


def test_masks_stay():
    inputs = {"mask": tf.constant([[True, False]]), "x": tf.constant([[2.0, 1.0]])}
    score = lambda v, target: tf.reduce_sum(v["x"] * tf.cast(v["mask"], tf.float32), axis=1)
    values = greedy(score, inputs, None)
    np.testing.assert_allclose(values["x"], [[2.0, 1.0]])
    np.testing.assert_allclose(values["mask"], [[0.0, 0.0]])


WIDE = {
    "'patches'": (10, 10, 3),
    "'windows'": (50, 2),
    r"\[\[0, 1\], \[2, 3\], ...\]": (100,),
}


@pytest.mark.parametrize("regions", WIDE)
def test_regions_that_suit_the_inputs(regions):
    total = lambda x, target: tf.reduce_sum(x, axis=list(range(1, x.shape.rank)))
    with pytest.raises(ValueError, match=f"`regions=` to the metric, such as {{'deletion': {{'regions': {regions}}}}}"):
        greedy(total, tf.zeros((1, *WIDE[regions])), None)


def test_regions_that_suit_token_ids(rng):
    ids = rng.integers(1, 10, (2, 20))
    with pytest.raises(ValueError, match=r"Received: 100 in a row. Pass `regions=` .*'regions': 'tokens'"):
        xai.evaluate(transformer(length=20), ids, None, "gradient_input", "deletion", controls="oracle")


def test_too_many_features_need_regions():
    with pytest.raises(ValueError, match=r"at most 64 of them. Received: 100 in a row. Pass `regions=`"):
        greedy(lambda x, target: tf.reduce_sum(x, axis=[1, 2, 3]), tf.zeros((1, 10, 10, 3)), None)


def test_as_a_control_in_training(rng):
    """Beside the lines of the metrics that have one, at the vectors of tokens too."""
    ids = rng.integers(1, 10, (6, 6))
    metric = {"deletion": {"regions": "tokens", "steps": 6}, "sparseness": {}}
    callback = xai.callbacks.ExplanationMetrics(ids, metrics=metric, control=["random", "oracle"])
    model = transformer()
    model.compile("sgd", "sparse_categorical_crossentropy")
    logs = model.fit(ids, np.arange(6) % 3, verbose=0, callbacks=[callback]).history
    assert logs["xai_deletion_oracle"][0] < min(logs["xai_deletion"][0], logs["xai_deletion_random"][0])
    assert "xai_sparseness_random" in logs and "xai_sparseness_oracle" not in logs


def test_a_wish_for_pixels_in_training_is_refused(rng):
    model, x = cnn((9, 9, 1)), rng.normal(size=(4, 9, 9, 1)).astype("float32")
    callback = xai.callbacks.ExplanationMetrics(x, metrics="deletion", control=["oracle"])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="Pass `regions=`"):
        model.fit(x, np.zeros(4), verbose=0, callbacks=[callback])


def test_a_model_is_served_in_a_graph():
    score, x = xai.Score(linear()), tf.constant([[1.0, 1.0, -1.0], [2.0, 0.0, 1.0]])
    traced = tf.function(lambda x: greedy(score, x, tf.zeros(tf.shape(x)[0], tf.int32), baseline=0.0))
    by_rows = traced.get_concrete_function(tf.TensorSpec([None, 3]))
    np.testing.assert_array_equal(by_rows(x), [[1, 2, 3], [3, 2, 1]])
