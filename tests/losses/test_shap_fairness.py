"""SHAPFairness against NumPy on linear models, and its known properties."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.losses.models import assert_gradients_by_finite_differences, network, rows, weight_gradients
from tests.losses.shapley import EXPLAINERS, WEIGHTS, first_is_large, logistic, profile
from tests.models import binary, dict_model, linear, mlp, two_outputs

SHAPFairness = xai.losses.SHAPFairness


@pytest.fixture
def x(rng):
    return rng.normal(size=(6, 4)).astype("float32")


def value(loss, model, x, y=None):
    """The penalty, which all rows share."""
    found = rows(loss, model, x, np.zeros((len(model(x)), 1)) if y is None else y).numpy()
    assert found.dtype == np.float32 and np.ptp(found) == 0
    return found[0]


def share(attributions, columns):
    sizes = np.abs(attributions).sum(axis=0)
    return sizes[columns].sum() / sizes.sum()


@pytest.mark.parametrize(
    ("protected", "columns"),
    [
        (2, [2]),
        ([0, 3], [0, 3]),
        (range(2), [0, 1]),
        (np.int64(-1), [3]),
        (slice(1, 3), [1, 2]),
        (slice(2, None), [2, 3]),
        (np.array([1, 0, 0, 1]), [0, 3]),
        ([False, True, False, False], [1]),
    ],
)
def test_share_of_the_logit(protected, columns, x):
    """Of a linear logit the values are w x, against a baseline of zeros."""
    found = value(SHAPFairness(protected, explainer="deep_lift"), logistic(), x)
    np.testing.assert_allclose(found, share(x * WEIGHTS.T, columns), rtol=1e-5)


def test_half_a_mask(x):
    """A mask may weigh."""
    found = value(SHAPFairness(np.array([0.5, 0, 0, 0]), explainer="deep_lift"), logistic(), x)
    np.testing.assert_allclose(found, share(x * WEIGHTS.T, [0]) / 2, rtol=1e-5)


def test_expected_gradients(x):
    """Every reference drawn once: w (x - mean of the background)."""
    background = np.array([[1, 0, 2, 0], [3, 0, 0, -2]], "float32")
    explainer = xai.Explainer("expected_gradients", background=background, samples=2)
    found = value(SHAPFairness([1, 2], explainer=explainer), logistic(), x)
    np.testing.assert_allclose(found, share((x - background.mean(axis=0)) * WEIGHTS.T, [1, 2]), rtol=1e-4)


@pytest.mark.parametrize("budget", [0.1, 0.9])
def test_budget(budget, x):
    found = value(SHAPFairness([2], budget, explainer="deep_lift"), logistic(), x)
    np.testing.assert_allclose(found, max(share(x * WEIGHTS.T, [2]) - budget, 0), rtol=1e-4, atol=1e-7)


def test_within_the_budget_nothing_pulls(x):
    model, loss = logistic(), SHAPFairness([2], 0.95, explainer="deep_lift")
    slopes = weight_gradients(model, lambda: rows(loss, model, x, np.zeros((6, 1))))
    assert all(np.all(slope == 0) for slope in slopes)


@pytest.mark.parametrize(("groups", "rule"), [(1, lambda x: x[:, 1] > 0), (first_is_large, lambda x: x[:, 0] > 0.2)])
def test_groups(groups, rule, x):
    values, members = x * WEIGHTS.T, rule(x)
    expected = np.square(profile(values[members]) - profile(values[~members])).sum()
    assert expected > 1e-3
    loss = SHAPFairness(groups=groups, explainer="deep_lift")
    np.testing.assert_allclose(value(loss, logistic(), x), expected, rtol=1e-4)
    both = SHAPFairness([2], 0.1, groups, "deep_lift")
    np.testing.assert_allclose(value(both, logistic(), x), expected + share(values, [2]) - 0.1, rtol=1e-4)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_batch_of_one_group_asks_for_nothing(sign, x):
    model, loss = network("tanh"), SHAPFairness(groups=0, explainer="deep_lift")
    x = np.abs(x) * [[sign, 1, 1, 1]]
    penalty = lambda: rows(loss, model, x.astype("float32"))
    np.testing.assert_array_equal(penalty(), np.zeros(6))
    assert all(np.all(slope == 0) for slope in weight_gradients(model, penalty))


def test_a_row_without_attribution_counts_for_nothing(x):
    """The share is that of the batch: rows count by what there is to explain in them."""
    loss = SHAPFairness([2], explainer="deep_lift")
    padded = np.concatenate([x, np.zeros((2, 4), "float32")])
    np.testing.assert_allclose(value(loss, logistic(), padded), value(loss, logistic(), x), rtol=1e-6)


@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_flattening_the_model_earns_nothing(explainer, x):
    loss = SHAPFairness([2], groups=0, explainer=EXPLAINERS[explainer])
    np.testing.assert_allclose(value(loss, logistic(1e-3 * WEIGHTS), x), value(loss, logistic(), x), rtol=2e-3)


@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_constant_model(explainer, x):
    """Nothing is explained, so nothing by what is protected: zero and finite gradients, not NaN."""
    model = mlp(final=None)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([0 * kernel, bias])
    penalty = lambda: rows(SHAPFairness([2], groups=0, explainer=EXPLAINERS[explainer]), model, x)
    np.testing.assert_array_equal(penalty(), np.zeros(6))
    assert all(np.isfinite(slope).all() for slope in weight_gradients(model, penalty))


def test_a_number_added_to_all_logits_dilutes_nothing(x, rng):
    """Softmax does not see it, and neither does the share."""
    weights, common = rng.normal(size=(4, 3)).astype("float32"), rng.normal(size=(4, 1)).astype("float32")
    loss, y = SHAPFairness([2], explainer="deep_lift"), np.arange(6) % 3
    found = []
    for kernel in (weights, weights + 10 * common):
        model = linear(kernel)
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        found.append(value(loss, model, x, y))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)
    centred = weights - weights.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found[0], share(x * centred.T[y], [2]), rtol=1e-4)


def test_two_classes_are_a_sigmoid_unit(x, rng):
    weights = rng.normal(size=(4, 2)).astype("float32")
    model = linear(weights)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    unit, loss = logistic(weights[:, 1:] - weights[:, :1]), SHAPFairness([1], groups=0)
    np.testing.assert_allclose(value(loss, model, x, np.arange(6) % 2), value(loss, unit, x), rtol=1e-5)


@pytest.mark.parametrize("outputs", [1, 3])
def test_regression(outputs, x, rng):
    """The output, or the sum of several."""
    weights = rng.normal(size=(4, outputs)).astype("float32")
    model = linear(weights)
    model.compile("sgd", "mse")
    found = value(SHAPFairness([0], explainer="deep_lift"), model, x, np.zeros((6, outputs), "float32"))
    np.testing.assert_allclose(found, share(x * weights.sum(axis=1), [0]), rtol=1e-5)


def test_several_labels(x, rng):
    """The logits of the labels that a row has; a row without any is left out."""
    weights = rng.normal(size=(4, 3)).astype("float32")
    model, y = linear(weights), rng.integers(0, 2, (6, 3)).astype("float32")
    y[0] = 0
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    found = value(SHAPFairness([0], explainer="deep_lift"), model, x, y)
    np.testing.assert_allclose(found, share(x * (y @ weights.T), [0]), rtol=1e-5)


def test_one_of_two_outputs(x):
    model, y = two_outputs(), {"label": np.zeros(6, int), "amount": np.zeros((6, 1), "float32")}
    model.compile("sgd", {"label": "sparse_categorical_crossentropy", "amount": "mse"})
    alone = keras.Model(model.input, model.output["amount"])
    alone.compile("sgd", "mse")
    found = rows(SHAPFairness([1], output="amount"), model, x, y)
    np.testing.assert_allclose(found, rows(SHAPFairness([1]), alone, x, y["amount"]), rtol=1e-6)


@pytest.fixture
def nested(rng):
    return {
        "image": rng.normal(size=(5, 6, 6, 1)).astype("float32"),
        "age": rng.normal(size=(5, 2)).astype("float32"),
    }


def test_names_of_inputs(nested):
    """What is protected are all features of an input; a mask says the same, and the shares of all inputs sum to one."""
    model = dict_model()
    of = lambda protected: rows(SHAPFairness(protected), model, nested).numpy()[0]
    np.testing.assert_allclose(of("age"), of({"image": np.zeros((6, 6, 1)), "age": [1, 1]}), rtol=1e-6)
    np.testing.assert_allclose(of(["age"]) + of("image"), 1, rtol=1e-5)
    with pytest.raises(ValueError, match="which is everything"):
        of(["age", "image"])
    assert 0.01 < of("age") < 0.99


def test_a_group_by_name(rng):
    """An input with one number per row, which may be an integer that is not explained."""
    inputs = {"x": keras.Input((3,), name="x"), "sex": keras.Input((1,), dtype="int32", name="sex")}
    shift = keras.ops.cast(inputs["sex"], "float32")
    hidden = keras.layers.Dense(4, "tanh")(keras.layers.Concatenate()([inputs["x"], shift]))
    model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
    model.compile("sgd", "mse")
    x = {"x": rng.normal(size=(6, 3)).astype("float32"), "sex": np.array([[0], [1], [1], [0], [1], [0]], "int32")}
    of = lambda groups: rows(SHAPFairness(groups=groups, explainer="deep_lift"), model, x, np.zeros((6, 1))).numpy()[0]
    with pytest.warns(UserWarning, match="held fixed"):
        by_name, by_function = of("sex"), of(lambda inputs: inputs["sex"])
    assert by_name > 1e-4
    np.testing.assert_allclose(by_name, by_function, rtol=1e-6)


@pytest.mark.parametrize("explainer", EXPLAINERS)
@pytest.mark.parametrize("how", [{"protected": [0]}, {"groups": 1}])
def test_gradient_by_finite_differences(explainer, how, x):
    model, loss = network("tanh"), SHAPFairness(**how, explainer=EXPLAINERS[explainer])
    x += 0.7 * np.sign(x)  # away from the kink of |a|
    penalty = tf.function(lambda: rows(loss, model, x, np.arange(6) % 3))
    assert_gradients_by_finite_differences(model, penalty)


@pytest.mark.slow
@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_eager_graph_and_xla(explainer, x):
    model, loss = network("tanh"), SHAPFairness([0], groups=1, explainer=EXPLAINERS[explainer])
    call = lambda: rows(loss, model, x, np.arange(6) % 3)
    for compiled in (tf.function(call), tf.function(call, jit_compile=True)):
        np.testing.assert_allclose(compiled(), call(), atol=1e-5)


def test_mixed_precision(x):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = binary()
    finally:
        keras.config.set_dtype_policy("float32")
    plain = binary()
    plain.set_weights(model.get_weights())
    loss = SHAPFairness([0], groups=1, explainer=xai.Explainer("expected_gradients", samples=4))
    np.testing.assert_allclose(value(loss, model, x), value(loss, plain, x), rtol=0.02)
