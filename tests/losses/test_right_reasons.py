"""RightReasons against closed forms, and its known properties."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, softmax

import tf_xai as xai
from tests.losses.models import assert_gradients_by_finite_differences, network, rows, trained, weight_gradients
from tests.models import binary, cnn, dict_model, linear, mlp, regression, subclassed, tokens, two_outputs

RightReasons = xai.losses.RightReasons


@pytest.fixture
def weights(rng):
    return rng.normal(size=(4, 3)).astype("float32")


@pytest.fixture
def x(rng):
    return rng.normal(size=(6, 4)).astype("float32")


@pytest.fixture
def mask(rng):
    return rng.integers(0, 2, (6, 4)).astype("float32")


def softmax_linear(weights, final="softmax"):
    model = keras.Sequential([keras.Input(weights.shape[:1]), keras.layers.Dense(weights.shape[1], final)])
    model.layers[0].set_weights([weights, np.full(weights.shape[1], 0.3, "float32")])
    return model


def of_the_paper(weights, x, mask):
    """For p = softmax(xW + b): d/dx sum_k log p_k = W (1 - K p)."""
    classes = weights.shape[1]
    p = softmax(x @ weights + 0.3, axis=1)
    slope = (1 - classes * p) @ weights.T
    return np.square(mask * slope).sum(axis=1)


def test_softmax(weights, x, mask):
    value = rows(RightReasons(), softmax_linear(weights), x, irrelevant=mask)
    np.testing.assert_allclose(value, of_the_paper(weights, x, mask), rtol=1e-4)


def test_logits(weights, x, mask):
    """The compiled loss says that these are logits."""
    model = softmax_linear(weights, None)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    value = rows(RightReasons(), model, x, irrelevant=mask)
    np.testing.assert_allclose(value, of_the_paper(weights, x, mask), rtol=1e-4)


def test_saturated_softmax(weights, x, mask):
    """Probabilities that are 1 in float32 have exact gradients all the same."""
    weights = 40 * weights
    value = rows(RightReasons(), softmax_linear(weights), x, irrelevant=mask)
    np.testing.assert_allclose(value, of_the_paper(weights, x, mask), rtol=1e-3)


@pytest.mark.parametrize("from_logits", [False, True])
def test_sigmoid_unit(from_logits, weights, x, mask):
    """For p = sigmoid(xw + b): d/dx (log p + log(1 - p)) = (1 - 2p) w."""
    weights = weights[:, :1]
    model = softmax_linear(weights, None if from_logits else "sigmoid")
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=from_logits))
    slope = (1 - 2 * expit(x @ weights + 0.3)) * weights.T
    value = rows(RightReasons(), model, x, irrelevant=mask)
    np.testing.assert_allclose(value, np.square(mask * slope).sum(axis=1), rtol=1e-4)


def test_independent_sigmoids(weights, x, mask):
    """Several labels: sum_k log p_k + log(1 - p_k) with p_k = sigmoid(z_k), whose gradient is W (1 - 2 p)."""
    model = softmax_linear(weights, "sigmoid")
    slope = (1 - 2 * expit(x @ weights + 0.3)) @ weights.T
    labels = np.zeros((6, 3), "float32")
    value = rows(RightReasons(), model, x, labels, mask)
    np.testing.assert_allclose(value, np.square(mask * slope).sum(axis=1), rtol=1e-4)


@pytest.mark.parametrize("outputs", [1, 3])
def test_regression(outputs, weights, x, mask):
    """The gradient of the output, or of the sum of several."""
    weights = weights[:, :outputs]
    model = linear(weights)
    model.compile("sgd", "mse")
    value = rows(RightReasons(), model, x, np.zeros((6, outputs), "float32"), mask)
    np.testing.assert_allclose(value, np.square(mask * weights.sum(axis=1)).sum(axis=1), rtol=1e-5)


@pytest.mark.parametrize("output", ["label", "amount"])
def test_one_of_two_outputs(output, x, mask):
    """`output` of the loss is that of its explainer."""
    model = two_outputs()
    y = {"label": np.zeros(6, int), "amount": np.zeros((6, 1), "float32")}
    model.compile("sgd", {"label": "sparse_categorical_crossentropy", "amount": "mse"})
    alone = keras.Model(model.input, model.output[output])
    alone.compile("sgd", model.loss[output])
    value = rows(RightReasons(output=output), model, x, y, mask)
    np.testing.assert_allclose(value, rows(RightReasons(), alone, x, y[output], mask), rtol=1e-6)


def test_gradient_input_and_integrated_gradients_of_the_true_class(weights, x, mask):
    """On a linear model both are x * w of the true class."""
    model = linear(weights, 0.3)
    y = np.arange(6) % 3
    expected = np.square(mask * x * weights.T[y]).sum(axis=1)
    for explainer in ("gradient_input", xai.Explainer("integrated_gradients", steps=2)):
        np.testing.assert_allclose(rows(RightReasons(explainer), model, x, y, mask), expected, rtol=1e-5)


def test_expected_gradients(weights, x, mask):
    """On a linear model with every reference drawn once: (x - mean of the background) * w."""
    background = np.array([[1, 0, 2, 0], [3, 0, 0, -2]], "float32")
    loss = RightReasons(xai.Explainer("expected_gradients", background=background, samples=2))
    y = np.arange(6) % 3
    expected = np.square(mask * (x - background.mean(axis=0)) * weights.T[y]).sum(axis=1)
    np.testing.assert_allclose(rows(loss, linear(weights), x, y, mask), expected, rtol=1e-4)


def test_expected_gradients_draw_anew_at_every_step(x, mask):
    loss, model = RightReasons("expected_gradients"), mlp()
    first, again, second = (rows(loss, model, x, irrelevant=mask, step=step) for step in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (np.abs(first - second) > 1e-6).any()


def test_grad_cam(rng):
    """The map of the explainer, outside of the mask; its gradients reach the convolutions."""
    model = cnn()
    x = rng.normal(size=(4, 8, 8, 1)).astype("float32")
    y, mask = np.arange(4) % 3, rng.integers(0, 2, (4, 8, 8, 1)).astype("float32")
    loss = RightReasons("grad_cam")
    maps = xai.Explainer("grad_cam").bind(model)(x, y).numpy()
    expected = np.square(mask * maps).sum(axis=(1, 2, 3))
    assert expected.max() > 0
    np.testing.assert_allclose(rows(loss, model, x, y, mask), expected, rtol=1e-4)
    slopes = weight_gradients(model, lambda: rows(loss, model, x, y, mask))
    first = next(s for v, s in zip(model.trainable_variables, slopes, strict=True) if v.path == "first/kernel")
    assert np.abs(first).max() > 0


def test_dict_inputs_sum_over_all_leaves(rng):
    model = dict_model()
    x = {"image": rng.normal(size=(5, 6, 6, 1)).astype("float32"), "age": rng.normal(size=(5, 2)).astype("float32")}
    both = {"image": np.ones((5, 6, 6, 1), "float32"), "age": np.ones((5, 2), "float32")}
    only = lambda name: {key: value if key == name else 0 * value for key, value in both.items()}
    value = lambda masks: rows(RightReasons(), model, x, irrelevant=masks).numpy()
    np.testing.assert_allclose(value(both), value(only("image")) + value(only("age")), rtol=1e-5)
    assert value(only("image")).min() > 0 and value(only("age")).min() > 0


@pytest.mark.parametrize("explainer", ["gradient", "gradient_input", "integrated_gradients", "expected_gradients"])
def test_gradient_by_finite_differences(explainer, x, mask):
    options = {"integrated_gradients": {"steps": 4}, "expected_gradients": {"samples": 4}}.get(explainer, {})
    model, loss = network("tanh"), RightReasons(xai.Explainer(explainer, **options))
    y = np.arange(6) % 3
    assert_gradients_by_finite_differences(model, lambda: rows(loss, model, x, y, mask))


@pytest.mark.parametrize("build", [binary, regression])
def test_gradient_by_finite_differences_of_one_unit(build, x, mask):
    model = build()
    y = np.zeros((6, 1), "float32")
    assert_gradients_by_finite_differences(model, lambda: rows(RightReasons(), model, x, y, mask))


def last_layer_linear(activation):
    """A regression: its last layer is linear, so that only the hidden activation bends it."""
    model = regression()
    model.layers[0].activation = keras.activations.get(activation)
    return model


@pytest.mark.parametrize(("activation", "moves"), [("relu", False), ("gelu", True), ("softplus", True)])
def test_hidden_biases(activation, moves, x):
    """The slope of a ReLU does not change with its bias: the penalty trains the kernels only."""
    model = last_layer_linear(activation)
    y = np.zeros((6, 1), "float32")
    slopes = weight_gradients(model, lambda: rows(RightReasons(), model, x, y, np.ones_like(x)))
    kernel, bias, out, _ = (np.abs(s).max() for s in slopes)
    assert kernel > 1e-3 and out > 1e-3
    assert (bias > 1e-4) if moves else (bias == 0)


def test_probabilities_that_nobody_declared_are_no_silent_zero(x):
    """A subclassed model and a loss of one's own: the sum of its softmax outputs would have a zero gradient."""
    model, y = subclassed(), np.arange(6) % 3
    model.compile("sgd", lambda y, p: -keras.ops.log(keras.ops.take_along_axis(p, y[:, None], 1))[:, 0])
    assert rows(RightReasons(), model, x, y, np.ones_like(x)).numpy().min() > 1e-6
    with pytest.raises(ValueError, match="from_logits"):
        rows(RightReasons(), model, x, np.eye(3, dtype="float32")[y], np.ones_like(x))
    declared = RightReasons(xai.Explainer("gradient", from_logits=False))
    assert rows(declared, model, x, np.eye(3, dtype="float32")[y], np.ones_like(x)).numpy().min() > 1e-6


def test_nothing_irrelevant_is_no_penalty(x):
    np.testing.assert_array_equal(rows(RightReasons(), mlp(), x, irrelevant=np.zeros_like(x)), np.zeros(6))


def test_constant_model_has_no_penalty(x):
    """A model that ignores its inputs: zero and a zero gradient, not NaN."""
    model = mlp()
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    penalty = lambda: rows(RightReasons(), model, x, irrelevant=np.ones_like(x))
    np.testing.assert_array_equal(penalty(), np.zeros(6))
    assert all(np.isfinite(slope).all() for slope in weight_gradients(model, penalty))


@pytest.mark.parametrize("explainer", ["gradient", "integrated_gradients"])
def test_token_ids_are_explained_at_their_embedding(explainer, rng):
    """The penalty is on the tokens that evidence forbids, and it trains the embedding."""
    ids, mask = rng.integers(0, 10, (6, 5)).astype("int32"), np.zeros(5, "float32")
    mask[:2] = 1
    base, loss = tokens(), RightReasons(explainer)
    model = xai.ExplainableModel(base)
    model.compile("sgd", "sparse_categorical_crossentropy", explanation_loss=loss)
    before = base.layers[1].get_weights()[0]
    history = model.fit(xai.with_evidence(ids, irrelevant=mask), np.zeros(6, int), verbose=0)
    assert history.history["xai_right_reasons_loss"][0] > 0
    assert np.abs(base.layers[1].get_weights()[0] - before).max() > 0


def test_float16_does_not_lose_small_gradients_in_large_batches(rng):
    """A score averaged over 256 rows would push gradients of 1e-5 below the smallest float16."""
    x = rng.normal(size=(256, 4)).astype("float32")
    kernel = np.full((4, 1), 1e-5, "float32")
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = linear(kernel)
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile("sgd", "mse")
    value = rows(RightReasons(), model, x, np.zeros((256, 1), "float32"), np.ones_like(x))
    assert value.dtype == tf.float32
    np.testing.assert_allclose(value, np.full(256, 4e-10), rtol=0.02)


def test_a_row_has_the_same_penalty_in_any_batch(x, mask):
    model, loss = network("tanh"), RightReasons()
    whole = rows(loss, model, x, irrelevant=mask)
    single = [rows(loss, model, x[i : i + 1], irrelevant=mask[i : i + 1])[0] for i in range(6)]
    np.testing.assert_allclose(whole, single, rtol=1e-5)


def test_wrong_masks_cost_a_part_of_the_gain(rng):
    """The first column is a shortcut, which lies in the test. Of every five masks one marks another column instead."""
    y = rng.integers(0, 2, 400)
    x = rng.normal(size=(400, 4)).astype("float32")
    x[:, 1:] += 0.7 * (2 * y[:, None] - 1)
    right = np.tile(np.array([1, 0, 0, 0], "float32"), (200, 1))
    wrong = right.copy()
    wrong[::5] = np.eye(4, dtype="float32")[rng.integers(1, 4, 40)]
    x[:, 0] = 3 * (2 * y - 1) * np.where(np.arange(400) < 200, 1, -1)

    def accuracy(masks, weight):
        keras.utils.set_random_seed(0)
        base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
        data = xai.with_evidence(x[:200], irrelevant=masks)
        trained(base, "sparse_categorical_crossentropy", data, y[:200], RightReasons(weight=weight), rate=0.1)
        return np.mean(base(x[200:]).numpy().argmax(axis=1) == y[200:])

    plain, guided, misguided = accuracy(right, 0.0), accuracy(right, 10.0), accuracy(wrong, 10.0)
    assert guided > plain + 0.5
    assert 0.5 < (misguided - plain) / (guided - plain) < 0.95
