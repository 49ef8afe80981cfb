"""SHAPFairness against NumPy on linear models, and its known properties."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.losses.models import assert_gradients_by_finite_differences, network, rows, weight_gradients
from tests.models import binary, dict_model, linear, mlp, regression, two_outputs

SHAPFairness = xai.losses.SHAPFairness
WEIGHTS = np.array([[0.5], [-1.0], [2.0], [0.25]], "float32")
EXPLAINERS = {
    "expected_gradients": xai.Explainer("expected_gradients", samples=3),
    "deep_lift": xai.Explainer("deep_lift"),
    "kernel_shap": xai.Explainer("kernel_shap", samples=16),
}


@pytest.fixture
def x(rng):
    return rng.normal(size=(6, 4)).astype("float32")


def logistic(weights=WEIGHTS):
    """A sigmoid unit whose logit is linear."""
    model = keras.Sequential([keras.Input((len(weights),)), keras.layers.Dense(1, "sigmoid")])
    model.layers[0].set_weights([weights, np.array([0.3], "float32")])
    return model


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


def profile(attributions):
    sizes = np.abs(attributions).sum(axis=0)
    return sizes / sizes.sum()


@keras.saving.register_keras_serializable("tests")
def first_is_large(inputs):
    return inputs[:, 0] > 0.2


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


def skewed(rng, count=600):
    """Labels that follow the first two features; the second is protected, and the third says much of it."""
    x = rng.normal(size=(count, 4)).astype("float32")
    x[:, 2] = 0.8 * x[:, 1] + 0.6 * x[:, 2]
    return x, (x[:, 0] + x[:, 1] + 0.3 * rng.normal(size=count) > 0).astype("float32")[:, None]


def trained(x, y, losses, epochs=20):
    keras.utils.set_random_seed(3)
    base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(16, "gelu"), keras.layers.Dense(1, "sigmoid")])
    model = xai.compile(base, keras.optimizers.Adam(0.01), "binary_crossentropy", explanation_loss=losses)
    history = model.fit(x, y, batch_size=100, epochs=epochs, verbose=0).history
    return model, history


def exact_shares(model, x):
    """Shares of mean |SHAP| by enumeration: not by the explainer of the loss."""
    explain = xai.Explainer("exact_shap", background=x[:30], space="logit").bind(model)
    return profile(explain(x[30:130], np.ones(100, int)).numpy())


@functools.cache
def plain_share():
    """What the protected feature has without the loss, on the same data."""
    x, y = skewed(np.random.default_rng(1))
    return exact_shares(trained(x, y, [])[0], x)[1]


@pytest.mark.slow
@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_fit_takes_attribution_away_from_what_is_protected(explainer, rng):
    """A tenth at most; the model still predicts, by the other features, and its logit is no flatter."""
    x, y = skewed(rng)
    fair, history = trained(x, y, [SHAPFairness([1], explainer=EXPLAINERS[explainer], weight=3.0)])
    before, after = plain_share(), exact_shares(fair, x)[1]
    assert before > 0.3 and after < before / 10
    assert history["xai_shap_fairness_loss"][-1] < 0.05
    accuracy = np.mean((fair.predict(x, verbose=0) > 0.5) == (y > 0.5))
    assert accuracy > 0.75


def test_fit_stays_at_the_budget(rng):
    x, y = skewed(rng)
    fair, _ = trained(x, y, [SHAPFairness([1], 0.2, explainer=EXPLAINERS["expected_gradients"], weight=5.0)])
    assert 0.12 < exact_shares(fair, x)[1] < 0.25


def test_fit_explains_groups_alike(rng):
    """The label follows another feature in each group."""
    x = rng.normal(size=(600, 4)).astype("float32")
    x[:, 3] = np.sign(x[:, 3])
    y = (np.where(x[:, 3] > 0, x[:, 0], 0.7 * x[:, 0] + 0.7 * x[:, 1]) > 0).astype("float32")[:, None]
    distance = []
    for weight in (0.0, 30.0):
        loss = SHAPFairness(groups=3, explainer=EXPLAINERS["expected_gradients"], weight=weight)
        model, _ = trained(x, y, [loss])
        explain = xai.Explainer("exact_shap", background=x[:30], space="logit").bind(model)
        values = explain(x[30:130], np.ones(100, int)).numpy()
        members = x[30:130, 3] > 0
        distance.append(np.square(profile(values[members]) - profile(values[~members])).sum())
    assert distance[1] < distance[0] / 4


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


@pytest.mark.parametrize(
    "arguments",
    [
        {"protected": slice(1, 3), "budget": 0.1},
        {"protected": "age", "groups": "sex"},
        {"protected": [0, 2], "groups": 3, "weight": 2.0, "name": "mine"},
        {"protected": {"image": np.ones((2, 2, 1)), "age": np.zeros(2)}},
        {"groups": first_is_large, "explainer": xai.Explainer("kernel_shap", samples=20)},
    ],
)
def test_configuration_round_trip(arguments):
    loss = SHAPFairness(**arguments)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert repr(copy) == repr(loss)
    assert (copy.budget, copy.groups, copy.name) == (loss.budget, loss.groups, loss.name)
    keras.tree.map_structure(np.testing.assert_array_equal, copy.protected, loss.protected)


def test_saving(tmp_path, rng):
    x, y = skewed(rng, 100)
    model, _ = trained(
        x, y, [SHAPFairness(slice(1, 2), 0.05, first_is_large, EXPLAINERS["expected_gradients"])], epochs=1
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.evaluate(x, y, verbose=0), model.evaluate(x, y, verbose=0), rtol=1e-5)
    loaded.fit(x, y, verbose=0)


def test_nothing_asked_for():
    with pytest.raises(ValueError, match="needs `protected` features, `groups` to compare, or both"):
        SHAPFairness()


@pytest.mark.parametrize("budget", [-0.1, 1.0, float("nan")])
def test_budget_is_a_share(budget):
    with pytest.raises(ValueError, match="`budget` must be at least 0 and less than 1"):
        SHAPFairness([0], budget)


@pytest.mark.parametrize(
    "protected", [[], np.zeros(4), np.array([2.0, 0, 0, 0]), np.array([np.nan, 0, 0, 0]), ["age", 1], {"a": [0, 0]}]
)
def test_protected_is_something(protected):
    with pytest.raises(ValueError, match="`protected` must be columns, names of inputs, or masks"):
        SHAPFairness(protected)


@pytest.mark.parametrize("groups", [1.5, [1], True])
def test_groups_are_told_apart_by_a_column_a_name_or_a_function(groups):
    with pytest.raises(TypeError, match="`groups` must be a column, the name of an input or a function"):
        SHAPFairness(groups=groups)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"protected": [4]}, r"`protected` must name some of the 4 columns. Received: \[4\]"),
        ({"protected": slice(4, 9)}, "`protected` must name some of the 4 columns"),
        ({"protected": "age"}, r"`protected` must name inputs, some of \[\]. Received: 'age'"),
        (
            {"protected": np.array([1, 0, 1])},
            r"`protected` must broadcast to one row.*Expected: \(4,\). Received: \(3,\)",
        ),
        ({"protected": {"a": np.ones(4)}}, "`protected` must have the structure of `inputs`"),
        ({"groups": 7}, "`groups` must name some of the 4 columns"),
        ({"protected": slice(None)}, "`protected` must leave something that may be used instead"),
        ({"protected": np.array([1])}, "which is everything. A list of integers names columns; an array is a mask"),
    ],
)
def test_what_the_inputs_do_not_have(how, message, x):
    with pytest.raises(ValueError, match=message):
        rows(SHAPFairness(**how, explainer=EXPLAINERS["expected_gradients"]), regression(), x, np.zeros((6, 1)))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"protected": [0]}, "`protected` may be columns where there is one input"),
        ({"protected": "aeg"}, "Received: 'aeg'. Did you mean 'age'"),
        ({"groups": 0}, "`groups` may be columns where there is one input"),
        ({"groups": "age"}, r"`groups` must have one number per row. Received: 'age', of shape \(5, 2\)"),
    ],
)
def test_what_nested_inputs_do_not_have(how, message, nested):
    with pytest.raises(ValueError, match=message):
        rows(SHAPFairness(**how, explainer=EXPLAINERS["expected_gradients"]), dict_model(), nested)
