"""DeepLIFT: by hand, against enumeration, and how it behaves; `test_deep_lift_architectures` covers the layers."""

import itertools

import keras
import numpy as np
import pytest
import shap
import tensorflow as tf
from keras import layers
from tensorflow.python.framework.ops import gradient_registry

import tf_xai as xai
from tests import models
from tests.architectures import scramble, sequential
from tests.derivatives import along
from tf_xai.attributions import deep_lift, gradient
from tf_xai.core.score import Score


def _draw(rng, *shape):
    return tf.constant(rng.normal(size=shape), tf.float32)


def _sum(values):
    return tf.reduce_sum(values, range(1, values.shape.rank))


def test_is_the_rescale_rule_on_a_network_of_relus(rng):
    model = models.mlp(activation="relu", final=None)
    hidden, head = model.layers
    x, start = rng.normal(size=(2, 5, 4))
    before, after = (tree @ hidden.kernel.numpy() + hidden.bias.numpy() for tree in (start, x))
    slopes = (np.maximum(after, 0) - np.maximum(before, 0)) / (after - before)
    assert np.any((slopes > 0) & (slopes < 1))
    expected = (x - start) * ((slopes * head.kernel.numpy()[:, 1]) @ hidden.kernel.numpy().T)
    inputs, baseline = tf.constant(x, tf.float32), start.astype("float32")
    values = deep_lift(Score(model), inputs, tf.ones(5, tf.int32), baseline=baseline)
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-6)


def _shapley(score, x, start):
    """Shapley values of one row, over all orders of its features."""
    values, orders = np.zeros(len(x)), list(itertools.permutations(range(len(x))))
    for order in orders:
        point = np.array(start)
        for feature in order:
            before = score(point)
            point[feature] = x[feature]
            values[feature] += (score(point) - before) / len(orders)
    return values


@pytest.mark.parametrize(
    "score",
    [lambda x: x[..., 0] * x[..., 1] + x[..., 2], lambda x: (x[..., 0] - 2 * x[..., 1]) * (x[..., 2] + 1)],
    ids=["product", "product of sums"],
)
def test_a_product_of_two_inputs_is_shared_as_by_shapley(score, rng):
    x, start = rng.normal(size=(2, 4, 3))
    values = deep_lift(lambda x, target: score(x), tf.constant(x, tf.float32), baseline=start.astype("float32"))
    expected = [_shapley(score, *rows) for rows in zip(x, start, strict=True)]
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)


# Of Keras, whose models DeepExplainer calls with a list.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("size", [2, 3])
def test_equals_the_deep_explainer_of_shap(size, rng):
    pool = layers.MaxPooling2D(size, strides=2)
    model = sequential(
        (7, 7, 2), layers.Conv2D(4, 3, activation="relu"), pool, layers.Flatten(), layers.Dense(5), layers.ReLU()
    )
    background, x = np.array(_draw(rng, 3, 7, 7, 2)), np.array(_draw(rng, 2, 7, 7, 2))
    expected = shap.DeepExplainer(scramble(model, rng), background).shap_values(x)
    values = deep_lift(Score(model), tf.constant(x), tf.constant([0, 1]), background=background)
    np.testing.assert_allclose(values, [expected[0, ..., 0], expected[1, ..., 1]], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 2, None])
def test_a_background_is_the_mean_over_its_rows(chunk, rng):
    model, x, target = models.mlp(), _draw(rng, 2, 4), tf.constant([0, 2])
    background = rng.normal(size=(5, 4)).astype("float32")
    single = [deep_lift(Score(model), x, target, baseline=row) for row in background]
    values = deep_lift(Score(model), x, target, background=background, chunk=chunk)
    np.testing.assert_allclose(values, tf.reduce_mean(single, axis=0), rtol=1e-4, atol=1e-7)
    assert np.std(single, axis=0).max() > 1e-3


def test_every_row_may_have_a_reference_of_its_own(rng):
    model, x, target = models.mlp(), _draw(rng, 3, 4), tf.constant([0, 2, 1])
    starts = rng.normal(size=(3, 4)).astype("float32")
    together = deep_lift(Score(model), x, target, baseline=starts)
    for row in range(3):
        part = slice(row, row + 1)
        alone = deep_lift(Score(model), x[part], target[part], baseline=starts[part])
        np.testing.assert_allclose(together[part], alone, rtol=1e-4, atol=1e-6)


def test_masks_are_those_of_the_explained_rows(rng):
    score = lambda inputs, target: tf.reduce_sum(tf.where(inputs["mask"], inputs["x"] ** 2, 0.0), axis=1)
    inputs = {"x": _draw(rng, 2, 3), "mask": tf.constant([[True, False, True], [False, True, True]])}
    background = {"x": np.zeros((4, 3), "float32"), "mask": np.zeros((4, 3), bool)}
    for options in ({}, {"background": background}):
        values = deep_lift(score, inputs, **options)
        np.testing.assert_allclose(values["x"], tf.where(inputs["mask"], inputs["x"] ** 2, 0.0), rtol=1e-5)
        np.testing.assert_array_equal(values["mask"], np.zeros((2, 3)))


def test_nearly_equal_runs_have_multipliers_near_the_gradient(rng):
    score = lambda x, target: tf.reduce_sum(tf.tanh(x) + tf.exp(x[:, :1]) ** [0.5, 2.0, -1.0] + tf.nn.softplus(x), 1)
    x = _draw(rng, 4, 3)
    # Of powers of two, so that the steps are exact.
    step = tf.sign(_draw(rng, 4, 3)) * 2**-14
    values = deep_lift(score, x, baseline=x - step)
    np.testing.assert_allclose(values / step, gradient(score, x - step / 2), rtol=2e-3, atol=1e-3)


def test_a_row_without_any_change_gets_zeros(rng):
    model, x = models.cnn(activation="relu"), _draw(rng, 2, 8, 8, 1)
    values = deep_lift(Score(model), x, baseline=tf.concat([x[:1], x[1:] / 2], axis=0))
    np.testing.assert_array_equal(values[0], np.zeros((8, 8, 1)))
    assert np.any(values[1] != 0)


class Odd(layers.Layer):
    """Calls a function."""

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function

    def call(self, x):
        return self.function(x)


def _loop(x):
    return tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.tanh(2 * y)), (0, x))[1]


def _by_indices(x):
    return tf.gather(x, tf.argsort(x), batch_dims=1)[:, :2]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (tf.math.lgamma, "no rule for the operation 'Lgamma' in '.*odd.*Replace it"),
        (lambda x: x**x, "no rule for the operation 'Pow'"),
        (_by_indices, "no rule for the operation 'GatherV2'"),
        (lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: x, lambda: x**2), "no rule for the operation 'StatelessIf'"),
        (_loop, "no rule for the operation 'StatelessWhile' in '.*odd.*fixed number of time steps"),
    ],
    ids=["lgamma", "power", "indices", "condition", "loop"],
)
def test_an_operation_without_a_rule_is_an_error(function, message, rng):
    model = sequential((3,), layers.Dense(3, "sigmoid"), Odd(function, name="odd"))
    with pytest.raises(ValueError, match=message):
        deep_lift(Score(model), _draw(rng, 2, 3))


def test_leaves_no_trace_in_tensorflow(rng):
    before = sorted(gradient_registry.list())
    deep_lift(Score(models.cnn(activation="relu")), _draw(rng, 2, 8, 8, 1))
    with pytest.raises(ValueError, match="no rule"):
        deep_lift(Score(sequential((3,), Odd(tf.math.lgamma))), _draw(rng, 2, 3))
    assert sorted(gradient_registry.list()) == before
    x = tf.constant([-1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.nn.relu(x)
    np.testing.assert_array_equal(tape.gradient(y, x), [0, 1])
    model, rows = models.regression(), rng.normal(size=(32, 4))
    model.compile("adam", "mse")
    losses = model.fit(rows, rows[:, 0], epochs=3, verbose=0).history["loss"]
    assert losses[2] < losses[0]


def test_recurrent_layers_are_unrolled_only_meanwhile(rng):
    stack = [layers.Bidirectional(layers.SimpleRNN(2, return_sequences=True)), layers.GRU(2, unroll=True)]
    model, x = sequential((3, 2), *stack), _draw(rng, 2, 3, 2)
    flags = lambda: [layer.unroll for layer in model._flatten_layers() if hasattr(layer, "unroll")]
    before = flags()
    assert {True, False} <= set(before)
    values = deep_lift(Score(model), x, tf.zeros(2, tf.int32))
    np.testing.assert_allclose(_sum(values), model(x)[:, 0] - model(0 * x)[:, 0], rtol=1e-4, atol=1e-6)
    assert flags() == before
    with pytest.raises(ValueError, match="Dimensions must be equal"):
        deep_lift(Score(model), _draw(rng, 2, 3, 5))
    assert flags() == before


def test_steps_of_unknown_number_are_an_error(rng):
    model = keras.Sequential([keras.Input((None, 2)), layers.LSTM(3), layers.Dense(2)])
    inside = tf.function(
        lambda x: deep_lift(Score(model), x), input_signature=[tf.TensorSpec([None, None, 2])], autograph=False
    )
    with pytest.raises(ValueError, match=r"fixed number of time steps.*integrated_gradients"):
        inside(_draw(rng, 2, 4, 2))
    assert not model.layers[0].unroll
    bound = xai.Explainer("deep_lift").bind(model)
    assert [bound(_draw(rng, 2, steps, 2)).shape[1] for steps in (4, 3, 5)] == [4, 3, 5]


def test_eager_graph_xla_and_loop_agree(rng):
    model, x = models.mlp(activation="gelu"), _draw(rng, 3, 4)
    target, background = tf.constant([0, 1, 2]), rng.normal(size=(3, 4)).astype("float32")
    explain = lambda: deep_lift(Score(model), x, target, background=background)
    repeat = lambda: (
        tf.while_loop(lambda i, total: i < 2, lambda i, total: (i + 1, total + explain()), (0, 0 * x))[1] / 2
    )
    expected = explain()
    for function in (tf.function(explain), tf.function(explain, jit_compile=True), tf.function(repeat)):
        np.testing.assert_allclose(function(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("activation", ["gelu", "silu"])
def test_second_order_gradients_match_finite_differences(activation, rng):
    model, x = models.mlp(activation=activation), _draw(rng, 4, 4)
    weight, direction = model.layers[0].kernel, _draw(rng, 4, 8)
    explain = lambda: deep_lift(Score(model), x, tf.constant([0, 2, 1, 1]), baseline=x - tf.sign(x) * 1.5)
    loss = lambda: tf.reduce_sum(tf.square(explain()))
    exact, difference = along(loss, weight, direction)
    # Richardson's combination is of fourth order in the step, which leaves room for float32.
    expected = (4 * difference(0.01) - difference(0.02)) / 3
    assert abs(expected) > 1e-2
    np.testing.assert_allclose(exact, expected, rtol=1e-3)
