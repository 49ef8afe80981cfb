"""AttributionStability against closed forms, and that attributions stay where they are."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.losses.models import (
    assert_gradients_by_finite_differences,
    network,
    rough,
    rows,
    trained,
    weight_gradients,
)
from tests.models import cnn, dict_model, linear, mlp, regression, tokens
from tf_xai.losses.base import Batch

AttributionStability = xai.losses.AttributionStability


@pytest.fixture
def x(rng):
    return rng.normal(size=(6, 4)).astype("float32")


def quadratic(curvatures):
    """`sum_i c_i x_i^2`, whose gradient is `2 c x`: a regression."""
    x = keras.Input((len(curvatures),))
    square = keras.layers.Dense(1, use_bias=False)(x * x)
    model = keras.Model(x, square)
    model.layers[-1].set_weights([np.array(curvatures, "float32")[:, None]])
    model.compile("sgd", "mse")
    return model


def neighbours(loss, model, x, step=0):
    x = keras.tree.map_structure(tf.constant, x)
    bound, outputs = loss.bind(model), model(x)
    target = loss.target(bound.score, np.zeros(len(outputs), int), outputs)
    batch = Batch(x, target, None, tf.stack([0, step]), outputs)
    return loss._neighbours(bound, batch, loss.attributions(bound, batch))


def test_quadratic(x):
    """||c e||^2 / ||c x||^2."""
    curvatures, loss = np.array([1.0, -2.0, 0.5, 3.0], "float32"), AttributionStability(0.3)
    moves = neighbours(loss, quadratic(curvatures), x).numpy() - x
    expected = np.square(curvatures * moves).sum(axis=1) / np.square(curvatures * x).sum(axis=1)
    np.testing.assert_allclose(rows(loss, quadratic(curvatures), x), expected, rtol=1e-3)


def test_contributions_of_a_linear_model(x, rng):
    """Those of gradient times input move with the inputs: ||w e||^2 / ||w x||^2. Gradients do not move at all."""
    weights = rng.normal(size=(4, 3)).astype("float32")
    y, loss = np.arange(6) % 3, AttributionStability(0.2, "gradient_input")
    moves = neighbours(loss, linear(weights), x).numpy() - x
    expected = np.square(weights.T[y] * moves).sum(axis=1) / np.square(weights.T[y] * x).sum(axis=1)
    np.testing.assert_allclose(rows(loss, linear(weights), x, y), expected, rtol=1e-3)
    np.testing.assert_array_equal(rows(AttributionStability(), linear(weights), x, y), np.zeros(6))


def test_neighbourhood(rng):
    """Uniform on a cube, for every row and step its own."""
    x = rng.normal(size=(3000, 4)).astype("float32")
    loss, model = AttributionStability(0.5), regression()
    moves = neighbours(loss, model, x).numpy() - x
    assert np.abs(moves).max() <= 0.5 + 1e-6
    np.testing.assert_allclose(moves.std(axis=0), 0.5 / 3**0.5, rtol=0.05)
    np.testing.assert_allclose(np.corrcoef(moves.T), np.eye(4), atol=0.08)
    assert (neighbours(loss, model, x, step=1).numpy() - x != moves).mean() > 0.99


def test_scale_of_the_model_does_not_matter(x):
    """Nothing is won by making all gradients small."""
    model = regression()
    value = rows(AttributionStability(), model, x).numpy()
    *hidden, kernel, bias = model.get_weights()
    model.set_weights([*hidden, 1e-3 * kernel, bias])
    np.testing.assert_allclose(rows(AttributionStability(), model, x), value, rtol=1e-3)
    assert value.min() > 0


def test_adversarial_neighbours_are_corners_and_worse(x):
    model = network("tanh")
    near, far = AttributionStability(0.2), AttributionStability(0.2, adversarial=True)
    np.testing.assert_allclose(np.abs(neighbours(far, model, x) - x), np.full_like(x, 0.2), rtol=1e-4)
    random = np.mean([rows(near, model, x, step=step) for step in range(8)], axis=0)
    worst = np.mean([rows(far, model, x, step=step) for step in range(8)], axis=0)
    assert (worst > 1.5 * random).all()


def test_adversarial_on_a_quadratic(x):
    """The distance grows outwards: the corner in the direction of the draw, r^2 ||c||^2 / ||c x||^2."""
    curvatures = np.array([1.0, -2.0, 0.5, 3.0])
    value = rows(AttributionStability(0.3, adversarial=True), quadratic(curvatures), x)
    expected = 0.09 * np.square(curvatures).sum() / np.square(curvatures * x).sum(axis=1)
    np.testing.assert_allclose(value, expected, rtol=1e-3)


def test_where_the_distance_is_flat_the_draw_stays(x):
    """The gradient of a ReLU network is piecewise constant."""
    model = mlp(activation="relu", final=None)
    loss = AttributionStability(0.3, adversarial=True)
    np.testing.assert_allclose(neighbours(loss, model, x), neighbours(AttributionStability(0.3), model, x), rtol=1e-6)


def test_draws_of_the_method_are_the_same_at_both_places(x, rng):
    """On a linear model smoothed gradients are all alike, and so are expected ones up to the move."""
    weights = rng.normal(size=(4, 3)).astype("float32")
    loss = AttributionStability(0.1, xai.Explainer("smooth_grad", samples=2))
    np.testing.assert_allclose(rows(loss, linear(weights), x), np.zeros(6), atol=1e-10)
    background = rng.normal(size=(20, 4)).astype("float32")
    loss = AttributionStability(1e-3, xai.Explainer("expected_gradients", background=background, samples=1))
    assert rows(loss, linear(weights), x).numpy().max() < 1e-3


def test_nested_inputs_and_masks(rng):
    x = {"image": rng.normal(size=(3, 6, 6, 1)).astype("float32"), "age": np.ones((3, 2), "float32")}
    assert rows(AttributionStability(), dict_model(), x).numpy().min() > 0
    a, mask = keras.Input((3,), name="a"), keras.Input((3,), dtype="bool", name="mask")
    model = keras.Model({"a": a, "mask": mask}, keras.layers.Dense(1)(a * a * keras.ops.cast(mask, "float32")))
    x = {"a": np.ones((2, 3), "float32"), "mask": np.array([[True, False, True]] * 2)}
    for adversarial in (False, True):
        loss = AttributionStability(adversarial=adversarial)
        np.testing.assert_array_equal(neighbours(loss, model, x)["mask"], x["mask"])
        assert np.isfinite(rows(loss, model, x, np.zeros((2, 1), "float32"))).all()


def test_maps(rng):
    x = rng.normal(size=(3, 8, 8, 1)).astype("float32")
    assert rows(AttributionStability(explainer="grad_cam"), cnn(), x).numpy().max() > 0


@pytest.mark.parametrize("adversarial", [False, True])
@pytest.mark.parametrize("explainer", ["gradient", "gradient_input"])
def test_gradient_by_finite_differences(explainer, adversarial, x):
    """The corner of an adversarial neighbour does not move with the weights."""
    model, loss, y = network("tanh"), AttributionStability(0.3, explainer, adversarial), np.arange(6) % 3
    assert_gradients_by_finite_differences(model, tf.function(lambda: rows(loss, model, x, y)), tolerance=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("adversarial", [False, True])
def test_modes_agree(adversarial, x):
    model, loss, y = network("tanh"), AttributionStability(0.3, adversarial=adversarial), np.arange(6) % 3
    compute = lambda: rows(loss, model, x, y)
    for jit in (False, True):
        np.testing.assert_allclose(tf.function(compute, jit_compile=jit)(), compute(), rtol=1e-4)


@pytest.mark.parametrize("adversarial", [False, True])
def test_constant_model_has_no_penalty(adversarial, x):
    model = mlp()
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    penalty = lambda: rows(AttributionStability(adversarial=adversarial), model, x)
    np.testing.assert_array_equal(penalty(), np.zeros(6))
    assert all(np.isfinite(slope).all() for slope in weight_gradients(model, penalty))


@pytest.mark.parametrize("second_order", ["reverse", "forward"])
@pytest.mark.parametrize("adversarial", [False, True])
def test_a_training_step_logs_the_same_value(adversarial, second_order, x):
    """Gradients of the task's own forward pass serve at the rows, and not at their neighbours."""
    y, base, loss = np.arange(6) % 3, mlp(), AttributionStability(0.3, adversarial=adversarial)
    expected = rows(loss, base, x, y).numpy().mean()
    model = xai.compile(
        base,
        keras.optimizers.SGD(0.0),
        "sparse_categorical_crossentropy",
        explanation_loss=loss,
        second_order=second_order,
    )
    line = model.fit(x, y, batch_size=6, verbose=0, shuffle=False).history["xai_attribution_stability_loss"]
    np.testing.assert_allclose(line, [expected], rtol=1e-4)


def test_fit_makes_attributions_stable(rng):
    x = rng.uniform(-1, 1, size=(128, 3)).astype("float32")
    y = (x[:, 0] + 0.3 * np.sin(6 * x[:, 1]))[:, None].astype("float32")
    found = {}
    for weight in (0.0, 1.0):
        keras.utils.set_random_seed(4)
        base = rough(3)
        assert trained(base, "mse", x, y, AttributionStability(0.2, weight=weight)) < 0.1
        found[weight] = np.mean(rows(AttributionStability(0.2), base, x, y))
    assert found[1.0] < 0.5 * found[0.0]


def test_token_ids_can_not_be_moved():
    with pytest.raises(ValueError, match=r"`AttributionStability` changes floating inputs.*embedding"):
        rows(AttributionStability(), tokens(), np.zeros((2, 5), "int32"))


@pytest.mark.parametrize("radius", [0, -1.0])
def test_radius(radius):
    with pytest.raises(ValueError, match="`radius` must be larger than 0"):
        AttributionStability(radius)
