"""What goes wrong in a training: every metric has a defined value, NaN where there is none, and the log goes on."""

import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.models import mlp
from tf_xai.metrics import METRICS

EVIDENCE = np.array([[True, False, True, False]] * 6)
Y = np.array([0, 1, 1, 0, 1, 0])
MASKED = ("average_precision", "localisation_iou", "pointing_game", "relevance_mass", "relevance_rank")


@keras.saving.register_keras_serializable("tests")
class Breaks(keras.layers.Layer):
    """Passes rows on, but those whose first feature is negative: these become NaN, or infinite."""

    def __init__(self, by="nan", **options):
        super().__init__(**options)
        self.by = by

    def call(self, x):
        broken = x[:, :1] < 0
        # Twice chosen, since the gradient of what is not chosen would not be finite either.
        return tf.where(broken, tf.where(broken, x, 1.0) * float(self.by), x)


def breaking(by):
    """A softmax classifier whose outputs break in some rows."""
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(6, "tanh")(inputs)
    outputs = keras.layers.Dense(3, "softmax")(hidden)
    gate = Breaks(by)(keras.layers.Concatenate()([inputs, outputs]))
    return keras.Model(inputs, gate[:, 4:])


def fitted(model, x, y=Y, metrics=tuple(METRICS), evidence=EVIDENCE, control=False, rate=0.01):
    """The lines of one epoch on good rows, and what was warned of them, by line."""
    options = {name: {"samples": 4} if name in ("max_sensitivity", "local_lipschitz") else {} for name in metrics}
    callback = xai.callbacks.ExplanationMetrics(
        x, y, "gradient_input", options, evidence=evidence[: len(x)], control=control
    )
    good, labels = np.abs(np.random.default_rng(5).normal(size=(16, 4))).astype("float32"), np.arange(16) % 2
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        history = model.fit(good, labels, epochs=1, verbose=0, callbacks=[callback]).history
    lines = {name: values[0] for name, values in history.items() if name.startswith("xai")}
    said = {
        match[1]: match.string for match in (re.match(r"`(xai_\w+)`", str(each.message)) for each in caught) if match
    }
    return lines, said


@pytest.fixture
def x(rng):
    return np.abs(rng.normal(size=(6, 4))).astype("float32")


@pytest.mark.parametrize("by", ["nan", "inf"])
def test_rows_whose_outputs_are_not_finite(by, x):
    """Are left out, and named; the value is that of the other rows alone."""
    model = breaking(by)
    weights = model.get_weights()
    alone, _ = fitted(model, x[:4], Y[:4])
    model.set_weights(weights)
    x[4:, 0] = -5.0  # far enough that no neighbour of these rows has an output
    lines, said = fitted(model, x)
    for name in METRICS:
        assert np.isfinite(alone[f"xai_{name}"]), name
        assert lines[f"xai_{name}"] == pytest.approx(alone[f"xai_{name}"], rel=1e-4, abs=1e-6), name
        # Of the other rows, two have nothing positive for two of the metrics.
        assert re.search(r"undefined for [24] of 6 .*4, 5\)", said[f"xai_{name}"]), name


def test_all_outputs_are_nan(x):
    model = mlp()
    model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])
    lines, said = fitted(model, x, control=True)
    for name in METRICS:
        assert np.isnan(lines[f"xai_{name}"]), name
        assert "undefined for 6 of 6" in said[f"xai_{name}"], name


def test_a_probe_of_one_class(x):
    lines, _ = fitted(mlp(classes=2), x, np.zeros(6, int))
    assert np.isfinite(list(lines.values())).all(), lines


# What is still defined where the score never changes, 0.5, and attributions are zero: areas; nothing that is taken from
# the score; nothing that moves; and, of ties, the first features.
CONSTANT = {"deletion": 0.5, "insertion": 0.5, "comprehensiveness": 0, "sufficiency": 0, "infidelity": 0}
CONSTANT |= {"local_lipschitz": 0, "average_precision": 0.5, "relevance_rank": 0.5, "pointing_game": 1}


def test_a_score_without_variance(x):
    model = mlp(classes=2)
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    lines, said = fitted(model, x, rate=0.0)
    for name in METRICS:
        if name in CONSTANT:
            assert lines[f"xai_{name}"] == pytest.approx(CONSTANT[name], abs=1e-6), name
        else:
            assert np.isnan(lines[f"xai_{name}"]) and "undefined for 6 of 6" in said[f"xai_{name}"], name


RANDOMISED = ("parameter_randomisation", "efficient_mprt")


def test_a_model_without_weights_has_none_to_draw(x):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: keras.ops.softmax(x[:, :2] * x[:, 2:]))])
    lines, said = fitted(model, x, metrics=RANDOMISED)
    assert np.isnan(list(lines.values())).all() and len(said) == 2


def test_a_frozen_model_has_lost_what_it_has_learnt_like_any_other(x):
    """`trainable` says what the next training may change, not what an explanation should depend on."""
    free, frozen = mlp(classes=2), mlp(classes=2)
    frozen.set_weights(free.get_weights())
    frozen.trainable = False
    expected, _ = fitted(free, x, metrics=RANDOMISED, rate=0.0)
    lines, said = fitted(frozen, x, metrics=RANDOMISED, rate=0.0)
    assert lines == pytest.approx(expected, rel=1e-5) and not said
    assert expected["xai_parameter_randomisation"] < 0.9


def test_rows_without_evidence(x):
    """Some rows are left out and named; without any evidence the line is NaN."""
    masks = EVIDENCE.copy()
    masks[[1, 3]] = False
    lines, said = fitted(mlp(classes=2), x, metrics=MASKED, evidence=masks)
    assert np.isfinite(list(lines.values())).all()
    assert all(re.search(r"undefined for 2 of 6 .*1, 3", said[f"xai_{name}"]) for name in MASKED)
    lines, said = fitted(mlp(classes=2), x, metrics=MASKED, evidence=masks & False)
    assert np.isnan(list(lines.values())).all()
    assert all("undefined for 6 of 6" in said[f"xai_{name}"] for name in MASKED)
