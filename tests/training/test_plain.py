"""What Keras does for a plain model, it does for an `ExplainableModel`: with `weight=0` nothing differs."""

import keras
import numpy as np
import pytest

import tf_xai as xai
from tests.models import cnn, mlp, subclassed
from tests.training import models
from tests.training.models import assert_close, assert_identical, fit, trained

RightReasons, LIMEFidelity = xai.losses.RightReasons, xai.losses.LIMEFidelity
FIT = {"epochs": 3, "batch_size": 4}


@pytest.fixture
def data(rng):
    x, y = models.table(rng)
    return x, y, xai.with_evidence(x, irrelevant=models.masks_like(rng, x))


def plain_fit(base, x, y, **options):
    """Weights and history of a plain fit; the weights are put back."""
    start = base.get_weights()
    base.compile(keras.optimizers.SGD(models.RATE), models.CROSSENTROPY, metrics=["accuracy"])
    history = fit(base, x, y, **options)
    end = base.get_weights()
    base.set_weights(start)
    return end, history


@pytest.mark.parametrize("build", [mlp, models.functional, subclassed, models.with_own_losses, models.with_batch_norm])
def test_weight_zero_is_plain_training(build, data):
    """Bit for bit, with the statistics of BatchNorm and the losses that layers add; the lines are logged."""
    x, y, evidence = data
    base = build()
    expected, plain = plain_fit(base, x, y, **FIT)
    losses = [RightReasons(weight=0), LIMEFidelity(weight=0.0)]
    weights, lines = trained(base, losses, evidence, y, FIT, metrics=["accuracy"])
    assert_identical(weights, expected)
    assert lines["loss"] == plain["loss"] and lines["accuracy"] == plain["accuracy"]
    assert min(lines["xai_right_reasons_loss"]) > 0
    assert min(lines["xai_lime_fidelity_loss"]) > 0


def test_no_losses_is_plain_training(data):
    x, y, _ = data
    base = mlp()
    expected, plain = plain_fit(base, x, y, **FIT)
    weights, lines = trained(base, [], x, y, FIT, metrics=["accuracy"])
    assert_identical(weights, expected)
    assert lines == plain


def test_batch_norm_sees_only_the_batches_of_the_task(rng):
    """Penalties with noise and with path points leave the statistics to the task's forward pass, at any weight."""
    base = models.with_batch_norm()
    x, y = models.table(rng)
    start = base.get_weights()
    base.compile("sgd", models.CROSSENTROPY)
    fit(base, x, y)
    expected = [w.numpy() for w in base.non_trainable_variables]
    base.set_weights(start)
    losses = [RightReasons("integrated_gradients", weight=100.0), LIMEFidelity(weight=100.0)]
    fit(models.compiled(base, losses), xai.with_evidence(x, irrelevant=np.ones(4)), y)
    assert_identical([w.numpy() for w in base.non_trainable_variables], expected)


def test_dropout_stays_on_in_the_task_and_off_in_the_penalty(data):
    """Dropout draws once per step, as in plain training; the penalty is that of the whole network."""
    x, y, evidence = data
    base = models.with_dropout()
    seeds = next(layer for layer in base.layers if isinstance(layer, keras.layers.Dropout)).seed_generator.state
    penalty = np.mean(models.squared_gradients(base, models.log_probabilities, x, evidence["xai_irrelevant"]))
    start = seeds.numpy()
    base.compile(keras.optimizers.SGD(models.RATE), models.CROSSENTROPY)
    weights = base.get_weights()
    plain = fit(base, x, y)
    after = seeds.numpy()
    assert (after != start).any()
    seeds.assign(start)
    base.set_weights(weights)
    lines = fit(models.compiled(base, RightReasons(weight=0.0)), evidence, y)
    assert_identical([seeds.numpy()], [after])
    np.testing.assert_allclose(lines["loss"], plain["loss"], rtol=1e-6)
    np.testing.assert_allclose(lines["xai_right_reasons_loss"], [penalty], rtol=1e-5)


def test_added_losses_are_neither_lost_nor_doubled(data):
    x, y, evidence = data
    base = models.with_own_losses()
    own = lambda: float(sum(base.losses))
    base(x)  # fills the losses
    activations = base.layers[0](x).numpy()
    kernel = base.layers[0].kernel.numpy()
    # Keras divides an activity regulariser by the batch size.
    expected = 0.1 * (np.square(activations).sum() / len(x) + np.square(kernel).sum() + np.abs(activations).mean())
    np.testing.assert_allclose(own(), expected, rtol=1e-5)
    task = np.mean(keras.losses.sparse_categorical_crossentropy(y, base(x)))
    lines = fit(models.compiled(base, [RightReasons(weight=0.5), LIMEFidelity(weight=0.25)]), evidence, y)
    penalties = 0.5 * lines["xai_right_reasons_loss"][0] + 0.25 * lines["xai_lime_fidelity_loss"][0]
    np.testing.assert_allclose(lines["loss"][0], task + expected + penalties, rtol=1e-5)


def test_predict_and_evaluate_are_those_of_the_base(data):
    x, y, evidence = data
    base = mlp()
    model = models.compiled(base, RightReasons(), metrics=["accuracy"])
    fit(model, evidence, y, epochs=2)
    expected = base.predict(x, verbose=0)
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)
    np.testing.assert_array_equal(model.predict(evidence, verbose=0), expected)
    result = model.evaluate(x, y, verbose=0, return_dict=True)
    crossentropy = -np.log(expected[np.arange(len(y)), y]).mean()
    np.testing.assert_allclose(result["loss"], crossentropy, rtol=1e-5)
    np.testing.assert_allclose(result["accuracy"], (expected.argmax(1) == y).mean(), rtol=1e-6)
    assert set(result) == {"loss", "accuracy"}


def test_base_that_is_not_built(data):
    """`fit` builds it, and trains it like one that was built before."""
    _, y, evidence = data
    base = models.unbuilt()
    built = keras.Sequential([keras.Input((4,)), models.dense(6, "tanh"), models.dense(3, "softmax")])
    fit(models.compiled(base, RightReasons(weight=0.0)), evidence, y, epochs=0)
    model = models.compiled(base, RightReasons())
    fit(model, evidence, y)
    assert base.built and model.built
    line = fit(model, evidence, y, epochs=5)["xai_right_reasons_loss"]
    assert line[-1] < line[0]
    built.set_weights(base.get_weights())
    np.testing.assert_array_equal(
        base.predict(evidence["xai_inputs"], verbose=0), built.predict(evidence["xai_inputs"], verbose=0)
    )


def test_fit_goes_on_where_it_stopped(data):
    """Two fits of one epoch are one of two, with the noise of every step."""
    _, y, evidence = data
    base = mlp()
    losses = lambda: [RightReasons(), LIMEFidelity(weight="auto")]
    expected, _ = trained(base, losses(), evidence, y, {"epochs": 2, "batch_size": 4})
    model = models.compiled(base, losses())
    fit(model, evidence, y, batch_size=4)
    fit(model, evidence, y, batch_size=4)
    assert_close(base.get_weights(), expected, 1e-6)


def test_compiling_again_replaces_the_losses(data):
    x, y, evidence = data
    base = mlp()
    fresh = trained(base, LIMEFidelity(), x, y, FIT)
    model = models.compiled(base, [RightReasons(), LIMEFidelity(weight=3.0, name="other")])
    start = base.get_weights()
    assert {"xai_right_reasons_loss", "xai_other_loss"} < set(fit(model, evidence, y))
    base.set_weights(start)
    model.compile(keras.optimizers.SGD(models.RATE), models.CROSSENTROPY, explanation_loss=LIMEFidelity())
    lines = fit(model, x, y, **FIT)
    assert set(lines) == {"loss", "xai_lime_fidelity_loss"}
    assert_close(base.get_weights(), fresh[0], 1e-6)


def test_automatic_weight(data):
    """The first step sets the weight to the stated share of the task loss, and later ones keep it."""
    _, y, evidence = data
    base = mlp()
    model = models.compiled(base, RightReasons(weight="auto", auto_share=0.25))
    start = base.get_weights()
    first = fit(model, evidence, y)
    task = np.mean(keras.losses.sparse_categorical_crossentropy(y, _output(base, start, evidence)))
    np.testing.assert_allclose(first["loss"][0], 1.25 * task, rtol=1e-5)
    weight = 0.25 * task / first["xai_right_reasons_loss"][0]
    task = np.mean(keras.losses.sparse_categorical_crossentropy(y, base(evidence["xai_inputs"])))
    second = fit(model, evidence, y)
    np.testing.assert_allclose(second["loss"][0], task + weight * second["xai_right_reasons_loss"][0], rtol=1e-5)


def test_automatic_weight_of_a_negative_task_loss(data):
    """A weight below zero would reward the penalty."""
    _, y, evidence = data
    loss = RightReasons(weight="auto", auto_share=0.25, from_logits=False)
    model = models.compiled(mlp(), loss, "cosine_similarity")
    lines = fit(model, evidence, keras.utils.to_categorical(y, 3))
    penalty = lines["xai_right_reasons_weight"][0] * lines["xai_right_reasons_loss"][0]
    task = lines["loss"][0] - penalty
    assert task < 0
    np.testing.assert_allclose(penalty, -0.25 * task, rtol=1e-5)


def _output(base, weights, evidence):
    """What the base gave with these weights."""
    present = base.get_weights()
    base.set_weights(weights)
    outputs = base(evidence["xai_inputs"])
    base.set_weights(present)
    return outputs


def test_explaining_in_training_keeps_layers_as_they_were(data):
    """No layer keeps a wrapped call, a flag or a hook of Grad-CAM's."""
    base = cnn()
    x = np.linspace(-1, 1, 6 * 64).reshape(6, 8, 8, 1).astype("float32")
    before = [(layer.trainable, set(vars(layer))) for layer in base.layers]
    fit(
        models.compiled(base, RightReasons("grad_cam")),
        xai.with_evidence(x, irrelevant=np.ones((8, 8, 1))),
        np.arange(6) % 3,
    )
    assert [(layer.trainable, set(vars(layer))) for layer in base.layers] == before
