"""SaliencyGuided against NumPy, and that predictions come to rest on few features."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, log_softmax

import tf_xai as xai
from tests.losses.models import assert_gradients_by_finite_differences, network, rows, trained, weight_gradients
from tests.models import binary, cnn, dict_model, linear, mlp, tokens, two_outputs
from tf_xai.losses.base import Batch

SaliencyGuided = xai.losses.SaliencyGuided
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.fixture
def x(rng):
    return rng.normal(size=(6, 4)).astype("float32")


def changed(loss, model, x, y, step=0):
    """The inputs with noise in them, as the loss makes them."""
    x = keras.tree.map_structure(tf.constant, x)
    bound, outputs = loss.bind(model), model(x)
    target = loss.target(bound.score, bound.score.select(y), outputs)
    return loss._changed(bound, Batch(x, target, None, tf.stack([0, step]), outputs))


@pytest.mark.parametrize(
    ("share", "hidden"), [(0.5, [0, 2]), (0.25, [0]), (0.75, [0, 1, 2]), (0.1, [0]), (0.7, [0, 1, 2])]
)
def test_the_least_relevant_features_are_replaced(share, hidden, x):
    """By the magnitude of their slope: in one half of the columns here, for all rows alike; draws keep to the range."""
    model = linear(np.array([[0.1], [2.0], [-0.5], [-3.0]], "float32"))
    model.compile("sgd", "mse")
    moved = changed(SaliencyGuided(share), model, x, np.zeros((6, 1), "float32")).numpy()
    assert (np.abs(moved - x).max(axis=0) > 0.01).nonzero()[0].tolist() == hidden
    assert (moved >= x.min(axis=0)).all() and (moved <= x.max(axis=0)).all()


def test_noise_spans_the_range_of_every_column(rng):
    x = rng.normal(size=(2000, 2)).astype("float32") * [1, 100] + [0, 50]
    model = linear(np.array([[0.1], [3.0]], "float32"))
    moved = changed(SaliencyGuided(), model, x.astype("float32"), np.zeros((2000, 1), "float32")).numpy()[:, 0]
    low, high = x[:, 0].min(), x[:, 0].max()
    np.testing.assert_allclose(moved.mean(), (low + high) / 2, atol=0.05 * (high - low))
    np.testing.assert_allclose(moved.std(), (high - low) / 12**0.5, rtol=0.05)


def test_pixels_lose_all_their_channels(rng):
    """By the sum of the magnitudes over the channels."""
    weights = np.zeros((2, 2, 3), "float32")
    weights[0, 0], weights[0, 1], weights[1, 0], weights[1, 1] = [3, -3, 0], [0, 0, 5], [1, 1, 1], [0, 0.1, 0]
    model = keras.Sequential([keras.Input((2, 2, 3)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.layers[-1].set_weights([weights.reshape(12, 1), np.zeros(1)])
    x = rng.normal(size=(5, 2, 2, 3)).astype("float32")
    moved = changed(SaliencyGuided(), model, x, np.zeros((5, 1), "float32")).numpy()
    np.testing.assert_array_equal(moved[:, 0], x[:, 0])
    assert (moved[:, 1] != x[:, 1]).all()


def test_all_inputs_share_one_order(rng):
    """A mask stays as it is."""
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    mask = keras.Input((2,), dtype="bool", name="m")
    weigh = lambda weights, x: keras.layers.Dense(1, kernel_initializer=keras.initializers.Constant(weights))(x)
    total = weigh([[5.0], [0.1]], a) + weigh([[1.0], [0.2]], b) + 0 * keras.ops.sum(keras.ops.cast(mask, "float32"))
    model = keras.Model({"a": a, "b": b, "m": mask}, total)
    x = {name: rng.normal(size=(4, 2)).astype("float32") for name in "ab"} | {"m": np.ones((4, 2), bool)}
    moved = changed(SaliencyGuided(), model, x, np.zeros((4, 1), "float32"))
    for name in "ab":
        np.testing.assert_array_equal(moved[name][:, 0], x[name][:, 0])
        assert (moved[name].numpy()[:, 1] != x[name][:, 1]).all()
    np.testing.assert_array_equal(moved["m"], x["m"])


def test_softmax(x):
    """KL(p(x) || p(x'))."""
    model, y, loss = mlp(), np.arange(6) % 3, SaliencyGuided()
    logs = [log_softmax(np.log(model(part)), axis=1) for part in (x, changed(loss, model, x, y))]
    expected = (np.exp(logs[0]) * (logs[0] - logs[1])).sum(axis=1)
    np.testing.assert_allclose(rows(loss, model, x, y), expected, rtol=1e-3, atol=1e-6)


def test_logits(x):
    model, y, loss = network("tanh"), np.arange(6) % 3, SaliencyGuided()
    logs = [log_softmax(model(part), axis=1) for part in (x, changed(loss, model, x, y))]
    expected = (np.exp(logs[0]) * (logs[0] - logs[1])).sum(axis=1)
    np.testing.assert_allclose(rows(loss, model, x, y), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("units", [1, 3])
def test_sigmoids(units, x):
    """Both classes of every unit."""
    model, y, loss = mlp(classes=units, final="sigmoid"), np.ones((6, units), "float32"), SaliencyGuided()
    p, q = (model(part).numpy() for part in (x, changed(loss, model, x, y)))
    expected = (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).sum(axis=1)
    np.testing.assert_allclose(rows(loss, model, x, y), expected, rtol=1e-3, atol=1e-6)


def test_saturated_probabilities_are_exact(x):
    """Where float32 says 1, the logits still tell apart."""
    model = binary()
    model.layers[-1].set_weights([60 * w for w in model.layers[-1].get_weights()])
    loss, y = SaliencyGuided(), np.ones((6, 1), "float32")
    hidden = keras.Model(model.inputs, model.layers[0].output)
    kernel, bias = model.layers[-1].get_weights()
    z, w = ((hidden(part).numpy().astype("float64") @ kernel + bias) for part in (x, changed(loss, model, x, y)))
    soft = lambda z: np.logaddexp(0, z)
    expected = (expit(z) * (soft(-w) - soft(-z)) + expit(-z) * (soft(w) - soft(z))).sum(axis=1)
    np.testing.assert_allclose(rows(loss, model, x, y), expected, rtol=1e-3, atol=1e-4)


def test_regression(x, rng):
    """The squared difference of the outputs."""
    model, loss, y = linear(rng.normal(size=(4, 2)).astype("float32")), SaliencyGuided(), np.zeros((6, 2), "float32")
    model.compile("sgd", "mse")
    gap = model(x) - model(changed(loss, model, x, y))
    np.testing.assert_allclose(rows(loss, model, x, y), np.square(gap).sum(axis=1), rtol=1e-4, atol=1e-6)


def test_one_of_two_outputs(x):
    model = two_outputs()
    model.compile("sgd", {"label": "sparse_categorical_crossentropy", "amount": "mse"})
    y = {"label": np.zeros(6, int), "amount": np.zeros((6, 1), "float32")}
    loss = SaliencyGuided(output="amount")
    gap = model(x)["amount"] - model(changed(loss, model, x, y))["amount"]
    np.testing.assert_allclose(rows(loss, model, x, y), np.square(gap)[:, 0], rtol=1e-4, atol=1e-7)


def test_segmentation_has_the_mean_over_places(rng):
    model = keras.Sequential([keras.Input((3, 3, 2)), keras.layers.Conv2D(2, 3, padding="same", activation="softmax")])
    x, loss = rng.normal(size=(2, 3, 3, 2)).astype("float32"), SaliencyGuided()
    y = np.eye(2, dtype="float32")[rng.integers(0, 2, (2, 3, 3))]
    p, q = (model(part).numpy() for part in (x, changed(loss, model, x, y)))
    expected = (p * np.log(p / q)).sum(axis=-1).mean(axis=(1, 2))
    np.testing.assert_allclose(rows(loss, model, x, y), expected, rtol=1e-3, atol=1e-6)


def test_any_explainer(rng):
    model, x = cnn(), rng.normal(size=(3, 8, 8, 1)).astype("float32")
    for explainer in ("grad_cam", xai.Explainer("integrated_gradients", steps=2)):
        assert np.isfinite(rows(SaliencyGuided(explainer=explainer), model, x)).all()
    nested = {"image": rng.normal(size=(3, 6, 6, 1)).astype("float32"), "age": np.ones((3, 2), "float32")}
    assert rows(SaliencyGuided(), dict_model(), nested).numpy().max() > 0


def test_gradient_by_finite_differences(x):
    """At first order: the order of the features does not change along the way."""
    model, loss, y = network("tanh"), SaliencyGuided(), np.arange(6) % 3
    assert_gradients_by_finite_differences(model, tf.function(lambda: rows(loss, model, x, y)))


def test_normalisation_by_the_batch_plays_no_part(rng):
    """The prediction is that of inference mode, whatever the task loss sees; moving statistics stay."""
    model, x = cnn(), rng.normal(size=(3, 8, 8, 1)).astype("float32")
    before, loss = [w.copy() for w in model.get_weights()], SaliencyGuided()
    bound, y = loss.bind(model), np.zeros(3, int)
    batch = lambda outputs: Batch(tf.constant(x), bound.score.from_labels(y, outputs), None, tf.stack([0, 0]), outputs)
    values = loss.call(bound, batch(model(x)))
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    outputs = model(x, training=True)  # which moves the statistics
    model.set_weights(before)
    assert np.abs(outputs - model(x)).max() > 1e-3
    np.testing.assert_allclose(loss.call(bound, batch(outputs)), values, rtol=1e-5)


@pytest.mark.parametrize("every", [1, 2])
def test_a_step_moves_the_weights_by_the_gradient(every, x):
    """Also through the prediction at the rows themselves, and in steps that are not due each time."""
    y, base = np.arange(6) % 3, mlp()
    slopes = weight_gradients(base, lambda: rows(SaliencyGuided(), base, x, y))
    start = base.get_weights()
    loss = SaliencyGuided(weight=1.0, every=every)
    zero = lambda y, p: 0.0 * keras.ops.sum(p, axis=-1)
    model = xai.compile(base, keras.optimizers.SGD(1.0), zero, explanation_loss=loss)
    model.train_on_batch(x, y)
    for after, before, slope in zip(base.get_weights(), start, slopes, strict=True):
        np.testing.assert_allclose(before - after, every * slope, rtol=1e-2, atol=1e-6)


def test_relu_networks_are_no_reason_for_a_warning():
    """The penalty is on predictions, which move all biases."""

    def warned(loss):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            xai.compile(mlp(activation="relu", final=None), "sgd", LOGITS, explanation_loss=loss)
        return any("hidden biases do not" in str(entry.message) for entry in caught)

    assert warned(xai.losses.AttributionStability()) and not warned(SaliencyGuided())


def test_new_noise_at_every_step(x):
    loss, model = SaliencyGuided(), mlp()
    first, again, second = (rows(loss, model, x, step=step).numpy() for step in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (np.abs(first - second) > 1e-7).any()


@pytest.mark.slow
def test_modes_agree(x):
    model, loss, y = network("tanh"), SaliencyGuided(), np.arange(6) % 3
    compute = lambda: rows(loss, model, x, y)
    for jit in (False, True):
        np.testing.assert_allclose(tf.function(compute, jit_compile=jit)(), compute(), rtol=1e-4, atol=1e-6)


def test_constant_model_has_no_penalty(x):
    model = mlp()
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    penalty = lambda: rows(SaliencyGuided(), model, x)
    np.testing.assert_allclose(penalty(), np.zeros(6), atol=1e-6)
    assert all(np.isfinite(slope).all() for slope in weight_gradients(model, penalty))


def test_a_training_step_logs_the_same_value(x):
    """Whether or not the step shares its forward pass with the loss."""
    y, base = np.arange(6) % 3, mlp()
    expected = rows(SaliencyGuided(), base, x, y).numpy().mean()
    model = xai.compile(
        base, keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy", explanation_loss=SaliencyGuided()
    )
    line = model.fit(x, y, batch_size=6, verbose=0, shuffle=False).history["xai_saliency_guided_loss"]
    np.testing.assert_allclose(line, [expected], rtol=1e-4)


def test_fit_makes_noise_in_irrelevant_features_harmless(rng):
    """Ten columns decide together, few rows: without the loss the other thirty matter as well."""
    x = rng.normal(size=(200, 40)).astype("float32")
    y = (x[:, :10].sum(axis=1) > 0).astype(int)
    found = {}
    for weight in (0.0, 1.0):
        keras.utils.set_random_seed(1)
        base = mlp(40, classes=2, units=16)
        trained(base, "sparse_categorical_crossentropy", x, y, SaliencyGuided(0.7, weight=weight))
        assert np.mean(base(x).numpy().argmax(axis=1) == y) > 0.9
        slopes = np.abs(xai.Explainer("gradient", space="logit").bind(base)(x, y).numpy())
        found[weight] = slopes[:, 10:].sum() / slopes.sum()
    assert found[1.0] < 0.7 * found[0.0]


def test_token_ids_can_not_be_changed():
    ids = np.zeros((2, 5), "int32")
    with pytest.raises(ValueError, match=r"`SaliencyGuided` changes floating inputs.*embedding"):
        rows(SaliencyGuided(), tokens(), ids)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5])
def test_share(share):
    with pytest.raises(ValueError, match="`share` must lie between 0 and 1"):
        SaliencyGuided(share)
