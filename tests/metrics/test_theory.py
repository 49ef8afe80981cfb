"""Broken attributions on a linear score, where theory says what every metric makes of them."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests.models import mlp
from tf_xai import Score, metrics
from tf_xai.core import random, randomised

SLOPES = np.array([3.0, -1.0, 2.0, 0.5], "float32")
ORDERS = list(itertools.permutations(range(4)))
# Which features may hold the reason: two of four.
EVIDENCE = np.array([[0, 1, 0, 1]] * 6, bool)


def linear(x, target=None):
    return tf.linalg.matvec(x, tf.constant(SLOPES))


@pytest.fixture
def x(rng):
    return rng.normal(size=(6, 4)).astype("float32")


@pytest.fixture
def exact(x):
    """The contributions."""
    return x * SLOPES


def value(name, x, attributions, **options):
    return metrics.METRICS[name](linear, tf.constant(x), None, tf.constant(attributions, tf.float32), **options).numpy()


def shuffled(name, x, exact, **options):
    """The mean over all orders of the same contributions, `(batch,)`."""
    return np.mean([value(name, x, exact[:, order], **options) for order in ORDERS], axis=0)


def removed(exact, order, inserting):
    """The score after every step, `(batch, 5)`, in the order of `(batch, 4)`."""
    steps = np.cumsum(np.take_along_axis(exact, order, axis=1), axis=1)
    back = np.concatenate([np.zeros((6, 1)), steps], axis=1)
    return back if inserting else back[:, -1:] - back


def area(curve):
    return np.mean((curve[:, 1:] + curve[:, :-1]) / 2, axis=1)


def test_completeness(x, exact):
    """Negated contributions miss by twice the difference; a shuffle, which keeps the sum, is not seen."""
    total = exact.sum(axis=1)
    np.testing.assert_allclose(value("completeness", x, -exact), np.full(6, 2.0), rtol=1e-5)
    np.testing.assert_allclose(shuffled("completeness", x, exact), np.zeros(6), atol=1e-5)
    constant = np.abs(4 * 0.5 - total) / np.abs(total)
    np.testing.assert_allclose(value("completeness", x, np.full((6, 4), 0.5)), constant, rtol=1e-5)


def test_infidelity(x, exact, monkeypatch):
    """scale^2 ||a - w x||^2, exactly, with one share at a time in place of normal ones: they have the same moments."""
    monkeypatch.setattr(random, "normals", lambda seed, k, shape: tf.gather(2 * tf.eye(4), k))
    options = {"samples": 4, "scale": 0.3}
    broken = {"negated": -exact, "constant": np.ones((6, 4)), "shuffled": exact[:, ::-1]}
    for name, attributions in broken.items():
        expected = 0.3**2 * np.square(attributions - exact).sum(axis=1)
        np.testing.assert_allclose(value("infidelity", x, attributions, **options), expected, rtol=1e-5, err_msg=name)
    normalised = value("infidelity", x, -exact, normalize=True, **options)
    np.testing.assert_allclose(normalised, np.full(6, 4.0), rtol=1e-5)


@pytest.mark.parametrize("name, inserting", [("deletion", False), ("insertion", True)])
def test_curves(name, inserting, x, exact):
    """Backwards one curve is the other's; the mean over all orders is half the score; constants go by columns."""
    other = "deletion" if inserting else "insertion"
    found = value(name, x, -exact, steps=4)
    np.testing.assert_allclose(found, value(other, x, exact, steps=4), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(shuffled(name, x, exact, steps=4), exact.sum(axis=1) / 2, rtol=1e-4, atol=1e-5)
    columns = np.broadcast_to(np.arange(4), (6, 4))
    expected = area(removed(exact, columns, inserting))
    np.testing.assert_allclose(value(name, x, np.ones((6, 4)), steps=4), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name, inserting", [("comprehensiveness", False), ("sufficiency", True)])
def test_shares(name, inserting, x, exact):
    """One and two of four features: the best order there is, the worst when negated; constants go by columns."""
    options, total = {"shares": [0.25, 0.5]}, exact.sum(axis=1, keepdims=True)
    cases = {"true": (exact, np.argsort(-exact)), "negated": (-exact, np.argsort(exact))}
    cases["constant"] = np.ones((6, 4)), np.broadcast_to(np.arange(4), (6, 4))
    found = {}
    for case, (attributions, order) in cases.items():
        found[case] = value(name, x, attributions, **options)
        expected = (total - removed(exact, order, inserting)[:, 1:3]).mean(axis=1)
        np.testing.assert_allclose(found[case], expected, rtol=1e-4, atol=1e-5, err_msg=case)
    sign = -1 if inserting else 1
    every = np.array([value(name, x, exact[:, order], **options) for order in ORDERS])
    assert (sign * found["true"] >= sign * every - 1e-5).all() and (
        sign * found["negated"] <= sign * every + 1e-5
    ).all()


@pytest.mark.parametrize("name", ["faithfulness_estimate", "faithfulness_correlation", "sensitivity_n", "monotonicity"])
def test_correlations(name, x, exact):
    """1 for the truth, -1 for its contrary (monotonicity sees sizes: 1), nothing on the mean over all shuffles."""
    contrary = 1 if name == "monotonicity" else -1
    np.testing.assert_allclose(value(name, x, exact), np.ones(6), atol=1e-5)
    np.testing.assert_allclose(value(name, x, -exact), np.full(6, contrary), atol=1e-5)
    # Sets of one feature: those of the random sets are as often drawn as the others, but for chance.
    options = {"faithfulness_correlation": {"size": 1}, "sensitivity_n": {"sizes": [1]}}.get(name)
    options, error = ({**options, "samples": 400}, 0.05) if options else ({}, 1e-5)
    np.testing.assert_allclose(shuffled(name, x, exact, **options), np.zeros(6), atol=error)
    assert np.isnan(value(name, x, np.ones((6, 4)))).all()


@pytest.mark.parametrize("name", ["sparseness", "complexity"])
def test_shapes_of_attributions_have_no_sign_and_no_order(name, x, exact):
    own = value(name, x, exact)
    np.testing.assert_allclose(value(name, x, -exact), own, rtol=1e-5)
    np.testing.assert_allclose(shuffled(name, x, exact), own, rtol=1e-5)
    flat = {"sparseness": 0.0, "complexity": np.log(4)}[name]
    np.testing.assert_allclose(value(name, x, np.full((6, 4), -2.0)), np.full(6, flat), atol=1e-6)


# A map that is 1 on two of four features: on the evidence, its contrary, the same number everywhere, and the mean over
# all six places of the two, of which one is the evidence, four share a feature with it, and one none.
LOCALISATION = {
    "relevance_mass": (1, np.nan, 1 / 2, (1 + 4 / 2) / 6),  # nothing is positive in the contrary
    "relevance_rank": (1, 0, 1 / 2, (1 + 4 / 2) / 6),  # of ties the first features count, one of which is evidence
    "pointing_game": (1, 0, 0, 2 / 6),  # the first feature is no evidence; the second begins two of the places
    "localisation_iou": (1, np.nan, 1 / 2, (1 + 4 / 3) / 6),
    "average_precision": (1, 1 / 2, 1 / 2, (1 + 5 / 2) / 6),  # what is left comes at once, with all there is
}


@pytest.mark.parametrize("name", LOCALISATION)
def test_localisation(name, x):
    truth = EVIDENCE.astype("float32")
    *cases, places = LOCALISATION[name]
    for attributions, expected in zip((truth, -truth, np.ones((6, 4))), cases, strict=True):
        found = value(name, x, attributions, evidence=EVIDENCE)
        np.testing.assert_allclose(found, np.full(6, expected), atol=1e-6)
    np.testing.assert_allclose(shuffled(name, x, truth, evidence=EVIDENCE), np.full(6, places), atol=1e-6)


def test_agreement(exact):
    exact = tf.constant(exact)
    np.testing.assert_allclose(metrics.rank_agreement(exact, -exact), -np.ones(6), atol=1e-5)
    np.testing.assert_allclose(metrics.topk_agreement(exact, -exact, k=2), np.ones(6))  # sizes alone count
    assert np.isnan(metrics.rank_agreement(exact, tf.ones_like(exact))).all()
    mean = np.mean([metrics.rank_agreement(exact, tf.gather(exact, order, axis=1)) for order in ORDERS], axis=0)
    np.testing.assert_allclose(mean, np.zeros(6), atol=1e-6)


@pytest.mark.parametrize("name", ["max_sensitivity", "local_lipschitz"])
def test_moves(name, x):
    """What is the same everywhere does not move; negated moves as far; independent noise moves by root two."""
    curved = lambda x, target: x**3
    own = value(name, x, curved(x, None), explain=curved)
    np.testing.assert_allclose(value(name, x, -curved(x, None), explain=lambda x, target: -(x**3)), own, rtol=1e-5)
    fixed = lambda near, target: tf.ones_like(near)
    np.testing.assert_array_equal(value(name, x, np.ones((6, 4)), explain=fixed), np.zeros(6))
    wide = np.zeros((6, 4000), "float32")
    noise = tf.random.Generator.from_seed(2)
    drawn = lambda near, target: noise.normal(tf.shape(near))
    if name == "max_sensitivity":
        found = value(name, wide, drawn(wide, None), explain=drawn, samples=1)
        np.testing.assert_allclose(found, np.full(6, np.sqrt(2)), rtol=0.05)


def test_randomisation(x, monkeypatch):
    """Constant attributions have no order; noise keeps none, to one over the root of the number of features."""
    score, target = Score(mlp()), tf.zeros(6, tf.int32)
    call = lambda name, own, explain: metrics.METRICS[name](score, x, target, own, explain=explain).numpy()
    flat = lambda inputs, target: tf.ones_like(inputs)
    for name in ("parameter_randomisation", "efficient_mprt", "random_logit"):
        assert np.isnan(call(name, tf.ones((6, 4)), flat)).all()
    noise = tf.random.Generator.from_seed(3)
    drawn = lambda inputs, target: noise.normal((6, 2000))
    monkeypatch.setattr(randomised, "under", lambda pairs, function: function())
    assert np.abs(call("parameter_randomisation", drawn(None, None), drawn)).max() < 4 / np.sqrt(2000)
    assert np.abs(call("random_logit", drawn(None, None), drawn)).max() < 4 / np.sqrt(2000)
    assert np.abs(call("efficient_mprt", drawn(None, None), drawn)).max() < 0.1


def test_lime_fidelity_reads_no_attributions(x, exact):
    own = value("lime_fidelity", x, exact)
    np.testing.assert_array_equal(value("lime_fidelity", x, -exact), own)
    np.testing.assert_allclose(own, np.ones(6), atol=1e-5)
