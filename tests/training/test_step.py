"""One step of `fit` gives the weights of a step written by hand, through every kind of model."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.models import binary, cnn, dict_model, list_model, mlp, nested, regression, subclassed, two_outputs
from tests.training import models
from tests.training.models import assert_close, fit, log_probabilities, mean_crossentropy, squared_gradients

RightReasons = xai.losses.RightReasons


def draw(rng, base, rows=12):
    """Normal inputs as a model declares them; a subclassed one takes four columns."""
    normal = lambda spec: rng.normal(size=(rows, *spec.shape[1:])).astype("float32")
    specs = base.inputs[0] if isinstance(base, keras.Sequential) else getattr(base, "input", keras.Input((4,)))
    return keras.tree.map_structure(normal, specs)


CLASSIFIERS = {
    "functional": models.functional,
    "sequential": mlp,
    "subclassed": subclassed,
    "dict": dict_model,
    "list": list_model,
    "nested": nested,
    "batch_norm": models.with_batch_norm,
    "separate_pass": models.with_separate_pass,
}


def assert_step(base, x, y, masks, expected, explanation_loss, **compile_options):
    """One step on one batch gives the expected weights."""
    model = models.compiled(base, explanation_loss, **compile_options)
    fit(model, xai.with_evidence(x, irrelevant=masks), y)
    assert_close(models.trainable(base), expected)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_classifier(kind, rng):
    base = CLASSIFIERS[kind]()
    x, y = draw(rng, base), rng.integers(0, 3, 12)
    masks = models.masks_like(rng, x)
    penalty = lambda: 2.0 * tf.reduce_mean(squared_gradients(base, log_probabilities, x, masks))
    expected = models.step_by_hand(base, x, y, mean_crossentropy, penalty)
    assert_step(base, x, y, masks, expected, RightReasons(weight=2.0))


def test_sigmoid_unit_sums_over_both_classes(rng):
    base, (x, y) = binary(), models.table(rng, classes=2)
    masks = models.masks_like(rng, x)
    score = lambda p: tf.math.log(p[:, 0]) + tf.math.log(1 - p[:, 0])
    penalty = lambda: tf.reduce_mean(squared_gradients(base, score, x, masks))
    task = lambda y, p: tf.reduce_mean(keras.losses.binary_crossentropy(y[:, None], p))
    expected = models.step_by_hand(base, x, y, task, penalty)
    assert_step(base, x, y, masks, expected, RightReasons(), loss="binary_crossentropy")


def test_regression(rng):
    base, (x, _) = regression(), models.table(rng)
    y = rng.normal(size=(12, 1)).astype("float32")
    masks = models.masks_like(rng, x)
    penalty = lambda: tf.reduce_mean(squared_gradients(base, lambda f: f[:, 0], x, masks))
    expected = models.step_by_hand(base, x, y, lambda y, f: tf.reduce_mean((y - f) ** 2), penalty)
    assert_step(base, x, y, masks, expected, RightReasons(), loss="mse")


@pytest.mark.parametrize("output", ["label", "amount"])
def test_one_of_two_outputs(output, rng):
    base, (x, classes) = two_outputs(), models.table(rng)
    y = {"label": classes, "amount": rng.normal(size=(12, 1)).astype("float32")}
    masks = models.masks_like(rng, x)
    score = {"label": lambda f: log_probabilities(f["label"]), "amount": lambda f: f["amount"][:, 0]}[output]

    def task(y, outputs):
        return mean_crossentropy(y["label"], outputs["label"]) + tf.reduce_mean((y["amount"] - outputs["amount"]) ** 2)

    penalty = lambda: tf.reduce_mean(squared_gradients(base, score, x, masks))
    expected = models.step_by_hand(base, x, y, task, penalty)
    loss = {"label": models.CROSSENTROPY, "amount": "mse"}
    assert_step(base, x, y, masks, expected, RightReasons(output=output), loss=loss)


def test_two_losses_add_up(rng):
    base, (x, y) = mlp(), models.table(rng)
    masks = models.masks_like(rng, x)
    true_class = lambda p: tf.gather(p, y, batch_dims=1)

    def penalty():
        paper = squared_gradients(base, log_probabilities, x, masks)
        return tf.reduce_mean(0.5 * paper + 3.0 * squared_gradients(base, true_class, x, masks * x))

    expected = models.step_by_hand(base, x, y, mean_crossentropy, penalty)
    losses = [RightReasons(weight=0.5), RightReasons("gradient_input", weight=3.0, name="products")]
    assert_step(base, x, y, masks, expected, losses)


@pytest.mark.parametrize("given", ["sample_weight", "class_weight"])
def test_weights_apply_to_the_penalty_of_each_row(given, rng):
    """The line is that of the rows that count."""
    base, (x, y) = mlp(), models.table(rng)
    masks = models.masks_like(rng, x)
    by_class = {0: 0.5, 1: 1.0, 2: 3.0}
    rows = np.array([by_class[k] for k in y] if given == "class_weight" else np.linspace(0, 2, 12), "float32")
    by_row = lambda: squared_gradients(base, log_probabilities, x, masks)
    task = lambda y, p: tf.reduce_mean(rows * keras.losses.sparse_categorical_crossentropy(y, p))
    unweighted = tf.reduce_mean(by_row()[rows > 0])
    expected = models.step_by_hand(base, x, y, task, lambda: tf.reduce_mean(rows * by_row()))
    model = models.compiled(base, RightReasons())
    options = {"class_weight": by_class} if given == "class_weight" else {"sample_weight": rows}
    history = fit(model, xai.with_evidence(x, irrelevant=masks), y, **options)
    assert_close(models.trainable(base), expected)
    np.testing.assert_allclose(history["xai_right_reasons_loss"][0], unweighted, rtol=1e-5)


def test_batches_of_different_sizes(rng):
    """Every batch averages its own rows, also the short last one."""
    base, (x, y) = mlp(), models.table(rng, rows=10)
    masks = models.masks_like(rng, x)
    start = base.get_weights()
    for rows in (slice(0, 4), slice(4, 8), slice(8, 10)):
        penalty = partial(squared_gradients, base, log_probabilities, x[rows], masks[rows])
        expected = models.step_by_hand(
            base, x[rows], y[rows], mean_crossentropy, lambda penalty=penalty: tf.reduce_mean(penalty())
        )
        base.set_weights(expected)
    base.set_weights(start)
    model = models.compiled(base, RightReasons())
    fit(model, xai.with_evidence(x, irrelevant=masks), y, batch_size=4)
    assert_close(models.trainable(base), expected)


def test_the_shared_forward_pass_changes_nothing(rng):
    """The same weights whether task loss and penalty share a pass or not."""
    x, y = models.table(rng)
    evidence = xai.with_evidence(x, irrelevant=models.masks_like(rng, x))
    base = mlp()
    separate = models.with_separate_pass()
    separate.set_weights(base.get_weights())
    shared, _ = models.trained(base, RightReasons(), evidence, y, {"epochs": 3})
    expected, _ = models.trained(separate, RightReasons(), evidence, y, {"epochs": 3})
    assert_close(shared, expected, 1e-6)


def test_convolutions_with_batch_norm_and_dropout_lower_the_penalty(rng):
    """The penalty of a model with random layers has no single value by hand; it falls."""
    base = cnn()
    x, y = draw(rng, base), rng.integers(0, 3, 12)
    evidence = xai.with_evidence(x, irrelevant=np.ones((8, 8, 1), "float32"))
    model = models.compiled(base, RightReasons(weight=10.0), optimizer=keras.optimizers.Adam(0.01))
    line = fit(model, evidence, y, epochs=15)["xai_right_reasons_loss"]
    assert line[-1] < 0.5 * line[0]
