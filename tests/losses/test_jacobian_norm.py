"""JacobianNorm against exact Jacobians."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.losses.models import assert_gradients_by_finite_differences, network, rows, trained, weight_gradients
from tests.models import binary, cnn, dict_model, linear, mlp, regression, tokens, two_outputs

JacobianNorm = xai.losses.JacobianNorm
MANY = 4000


@pytest.fixture
def weights(rng):
    return rng.normal(size=(4, 3)).astype("float32")


@pytest.fixture
def x(rng):
    return rng.normal(size=(3, 4)).astype("float32")


def half_square(model, x):
    """1/2 ||J||^2 of a model that puts out logits."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = model(x)
    jacobian = tape.batch_jacobian(outputs, x).numpy()
    return np.square(jacobian).sum(axis=tuple(range(1, jacobian.ndim))) / 2


@pytest.mark.parametrize("outputs", [2, 3])
def test_mean_of_many_draws_is_exact(outputs, weights, x):
    """Linear: 1/2 ||W||^2, whatever the row."""
    weights = weights[:, :outputs]
    value = rows(JacobianNorm(draws=MANY), linear(weights), x)
    np.testing.assert_allclose(value, np.full(3, np.square(weights).sum() / 2), rtol=0.1)


def test_unbiased_on_a_curved_network(x):
    model = network("tanh")
    np.testing.assert_allclose(rows(JacobianNorm(draws=MANY), model, x), half_square(model, x), rtol=0.1)


def test_single_output_needs_no_average(x):
    model = regression()
    model.compile("sgd", "mse")
    np.testing.assert_allclose(rows(JacobianNorm(), model, x), half_square(model, x), rtol=1e-4)


def test_sigmoid_unit_has_one_logit(x):
    """That of the probabilities, which depend on how sure the model is, plays no part."""
    model = binary()
    logits = keras.models.clone_model(model)
    logits.set_weights(model.get_weights())
    logits.layers[-1].activation = keras.activations.linear
    expected = half_square(logits, x)
    np.testing.assert_allclose(rows(JacobianNorm(), model, x), expected, rtol=1e-4)
    logits.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    np.testing.assert_allclose(rows(JacobianNorm(), logits, x), expected, rtol=1e-4)


def test_softmax_counts_by_its_logits(x):
    model = mlp()
    logits = keras.models.clone_model(model)
    logits.set_weights(model.get_weights())
    logits.layers[-1].activation = keras.activations.linear
    np.testing.assert_allclose(rows(JacobianNorm(draws=MANY), model, x), half_square(logits, x), rtol=0.1)


def test_several_labels(x):
    """Each of several sigmoid units has its logit."""
    model = mlp(final="sigmoid")
    logits = keras.models.clone_model(model)
    logits.set_weights(model.get_weights())
    logits.layers[-1].activation = keras.activations.linear
    value = rows(JacobianNorm(draws=MANY), model, x, np.ones((3, 3), "float32"))
    np.testing.assert_allclose(value, half_square(logits, x), rtol=0.1)


def test_segmentation(rng):
    """All outputs of all places: of a 1x1 convolution, as often 1/2 ||W||^2 as there are places."""
    model = keras.Sequential([keras.Input((3, 3, 2)), keras.layers.Conv2D(2, 1)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = rng.normal(size=(2, 3, 3, 2)).astype("float32")
    value = rows(JacobianNorm(draws=MANY), model, x, np.zeros((2, 3, 3, 2), "float32"))
    np.testing.assert_allclose(value, np.full(2, 9 * np.square(model.get_weights()[0]).sum() / 2), rtol=0.1)


def test_images_and_nested_inputs(rng):
    image = rng.normal(size=(2, 8, 8, 1)).astype("float32")
    assert rows(JacobianNorm(), cnn(), image).numpy().min() > 0
    x = {"image": rng.normal(size=(2, 6, 6, 1)).astype("float32"), "age": np.zeros((2, 2), "float32")}
    assert rows(JacobianNorm(), dict_model(), x).numpy().min() > 0


def test_one_of_two_outputs(x):
    model = two_outputs()
    model.compile("sgd", {"label": "sparse_categorical_crossentropy", "amount": "mse"})
    y = {"label": np.zeros(3, int), "amount": np.zeros((3, 1), "float32")}
    value = rows(JacobianNorm(output="amount"), model, x, y)
    np.testing.assert_allclose(value, half_square(keras.Model(model.input, model.output["amount"]), x), rtol=1e-4)


def test_token_ids_have_the_jacobian_of_their_embedding(rng):
    model, ids = tokens(classes=2), rng.integers(0, 10, (3, 5)).astype("int32")
    rest = keras.Sequential([keras.Input((5, 4)), *model.layers[2:-1], keras.layers.Dense(2)])
    rest.layers[-1].set_weights(model.layers[-1].get_weights())
    expected = half_square(rest, model.layers[1](ids))
    np.testing.assert_allclose(rows(JacobianNorm(draws=MANY), model, ids), expected, rtol=0.1)


def test_new_directions_at_every_step(x):
    loss, model = JacobianNorm(), mlp()
    first, again, second = (rows(loss, model, x, step=step).numpy() for step in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (np.abs(first - second) > 1e-4).all()


@pytest.mark.parametrize("draws", [1, 3])
def test_gradient_by_finite_differences(draws, x):
    model = network("tanh")
    assert_gradients_by_finite_differences(model, tf.function(lambda: rows(JacobianNorm(draws), model, x)))


@pytest.mark.slow
def test_modes_agree(x):
    model, loss = network("tanh"), JacobianNorm(draws=2)
    compute = lambda: rows(loss, model, x)
    for jit in (False, True):
        np.testing.assert_allclose(tf.function(compute, jit_compile=jit)(), compute(), rtol=1e-5)


def test_constant_model(x):
    model = mlp()
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    penalty = lambda: rows(JacobianNorm(), model, x)
    np.testing.assert_array_equal(penalty(), np.zeros(3))
    assert all(np.isfinite(slope).all() for slope in weight_gradients(model, penalty))


def test_fit_makes_slopes_small_where_the_task_allows_it(rng):
    """Few rows, many columns: the task is solved either way."""
    x = rng.normal(size=(64, 20)).astype("float32")
    y = (x[:, 0] > 0).astype(int)
    found = {}
    for weight in (0.0, 0.01):
        keras.utils.set_random_seed(2)
        base = mlp(20, classes=2, units=16)
        trained(base, "sparse_categorical_crossentropy", x, y, JacobianNorm(weight=weight))
        assert np.mean(base(x).numpy().argmax(axis=1) == y) > 0.95
        found[weight] = np.mean(rows(JacobianNorm(draws=50), base, x))
    assert found[0.01] < 0.5 * found[0.0]


@pytest.mark.parametrize("draws", [0, -1, 1.5, True])
def test_draws_are_a_number(draws):
    with pytest.raises(ValueError, match="`draws` must be an integer"):
        JacobianNorm(draws)
