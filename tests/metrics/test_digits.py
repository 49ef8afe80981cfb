"""Integrated gradients of a saved model against random, shuffled and negated attributions, metric by metric."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tf_xai import metrics
from tf_xai.datasets import decoy, digits
from tf_xai.metrics.controls import random_like
from tf_xai.metrics.registry import LOWER_IS_BETTER

ROWS = 96
# With options for which 96 digits take a second or two.
OPTIONS = {
    "completeness": {},
    "infidelity": {"scale": 1.0},  # a saturated probability does not feel small changes, whatever is said of them
    "deletion": {},
    "insertion": {},
    "comprehensiveness": {},
    "sufficiency": {},
    "faithfulness_correlation": {},
    "faithfulness_estimate": {},
    "sensitivity_n": {"samples": 30},
    "monotonicity": {},
}
# What a reversed order is not worse for than a random one: of sizes, monotonicity sees no sign.
UNSIGNED = ("monotonicity",)


@pytest.fixture(scope="module")
def explained():
    """The score, digits with squares, labels, and their attributions: true and broken."""
    folder = Path(__file__).parents[2] / "saved_models"
    model = keras.models.load_model(folder / "digits_right_reasons.keras")
    (_, _), (images, labels) = digits()
    x, _ = decoy(images[:ROWS], labels[:ROWS], informative=False, seed=1)
    x, y = tf.constant(x), tf.constant(labels[:ROWS])
    bound = xai.Explainer("integrated_gradients", steps=64).bind(model)
    own = bound(x, y)
    order = np.random.default_rng(0).permutation(28 * 28)
    shuffled = tf.reshape(tf.gather(tf.reshape(own, [ROWS, -1]), order, axis=1), own.shape)
    return (
        bound.score,
        x,
        y,
        {"own": own, "random": random_like(bound, x, y, own), "shuffled": shuffled, "negated": -own},
    )


@pytest.mark.parametrize("name", OPTIONS)
def test_better_than_what_is_broken(name, explained):
    """By more than four standard errors of the mean difference; and for metrics of signs, the contrary is the worst."""
    score, x, y, attributions = explained
    sign = -1 if metrics.METRICS[name] in LOWER_IS_BETTER else 1
    call = tf.function(lambda values: sign * metrics.METRICS[name](score, x, y, values, **OPTIONS[name]))
    found = {case: call(values).numpy() for case, values in attributions.items()}

    def exceeds(better, worse):
        gaps = found[better] - found[worse]
        return np.mean(gaps) > 4 * np.std(gaps) / np.sqrt(ROWS)

    assert exceeds("own", "random")
    if name != "completeness":  # a shuffle keeps the sum
        assert exceeds("own", "shuffled")
    if name not in UNSIGNED:
        assert exceeds("own", "negated")
    if name not in (*UNSIGNED, "completeness"):
        assert exceeds("random", "negated")
