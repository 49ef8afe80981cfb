"""EnergyGuidance against closed forms, and its known properties."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.losses.energy import eights, outside, regressor
from tests.losses.models import assert_gradients_by_finite_differences, network, rows, weight_gradients
from tests.models import binary, cnn, dict_model, mlp, regression, two_outputs

EnergyGuidance = xai.losses.EnergyGuidance


@pytest.fixture
def weights(rng):
    return rng.normal(size=(4, 3)).astype("float32")


@pytest.fixture
def x(rng):
    return rng.normal(size=(6, 4)).astype("float32")


@pytest.fixture
def mask(rng):
    """What is irrelevant: never all of a row."""
    mask = rng.integers(0, 2, (6, 4)).astype("float32")
    mask[:, 0] = 0
    return mask


def test_linear_regression(weights, x, mask):
    """Contributions are x * w."""
    kernel = weights[:, :1]
    value = rows(EnergyGuidance("gradient_input"), regressor(kernel), x, np.zeros((6, 1), "float32"), mask)
    np.testing.assert_allclose(value, outside(x * kernel.T, mask), rtol=1e-5)


@pytest.mark.parametrize("final", ["softmax", None])
def test_classes_are_explained_in_contrast(final, weights, x, mask):
    """The logit of the true class less the mean of all, whatever the probabilities."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, final)])
    model.layers[0].set_weights([weights, np.full(3, 0.3, "float32")])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=final is None))
    y = np.arange(6) % 3
    contributions = x * (weights.T[y] - weights.mean(axis=1))
    for labels in (y, np.eye(3, dtype="float32")[y]):
        value = rows(EnergyGuidance("gradient_input"), model, x, labels, mask)
        np.testing.assert_allclose(value, outside(contributions, mask), rtol=1e-4)


@pytest.mark.parametrize("label", [0, 1])
def test_sigmoid_units_are_explained_by_the_logit_of_their_class(label, x, mask):
    model = binary()
    logits = keras.Model(model.inputs, model.layers[-2].output @ model.layers[-1].kernel * (2.0 * label - 1))
    logits.compile("sgd", "mse")
    y = np.full((6, 1), label, "float32")
    expected = rows(EnergyGuidance("gradient_input"), logits, x, y, mask)
    np.testing.assert_allclose(rows(EnergyGuidance("gradient_input"), model, x, y, mask), expected, rtol=1e-4)


def test_several_labels(x, mask):
    """The sum of the logits of the labels that a row has."""
    model = mlp(final="sigmoid")
    y = np.array([[1, 0, 1]] * 6, "float32")
    logits = model.layers[-2].output @ model.layers[-1].kernel
    alone = keras.Model(model.inputs, keras.ops.sum(logits * y[:1], axis=1, keepdims=True))
    alone.compile("sgd", "mse")
    expected = rows(EnergyGuidance("gradient_input"), alone, x, y[:, :1], mask)
    np.testing.assert_allclose(rows(EnergyGuidance("gradient_input"), model, x, y, mask), expected, rtol=1e-4)


def test_a_space_of_the_explainer_stays(x, mask):
    """Log-probabilities of the true class, by hand: w_y - sum_k p_k w_k for a linear model."""
    model, x = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")]), np.abs(x)
    kernel = np.abs(model.layers[0].kernel) * np.array([1, 0, 0], "float32")
    model.layers[0].kernel.assign(kernel)
    loss = EnergyGuidance(xai.Explainer("gradient_input", space="log_probability"))
    value = rows(loss, model, x, np.zeros(6, int), mask)
    np.testing.assert_allclose(value, outside(x * (kernel[:, 0] - model(x).numpy() @ kernel.T), mask), rtol=1e-4)


@pytest.mark.parametrize("output", ["label", "amount"])
def test_one_of_two_outputs(output, x, mask):
    model = two_outputs()
    y = {"label": np.zeros(6, int), "amount": np.zeros((6, 1), "float32")}
    model.compile("sgd", {"label": "sparse_categorical_crossentropy", "amount": "mse"})
    alone = keras.Model(model.input, model.output[output])
    alone.compile("sgd", model.loss[output])
    value = rows(EnergyGuidance("gradient_input", output=output), model, x, y, mask)
    np.testing.assert_allclose(value, rows(EnergyGuidance("gradient_input"), alone, x, y[output], mask), rtol=1e-5)


def test_scaling_the_model_earns_nothing(weights, x, mask):
    y = np.zeros((6, 1), "float32")
    value = lambda factor: rows(EnergyGuidance("gradient_input"), regressor(factor * weights[:, :1]), x, y, mask)
    np.testing.assert_allclose(value(1e-4), value(1.0), rtol=1e-4)


def test_constant_model_has_the_penalty_of_no_energy_at_all(x, mask):
    """Nothing lies on the evidence: 1, with a gradient that is zero and not NaN."""
    model = mlp()
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    penalty = lambda: rows(EnergyGuidance("gradient_input"), model, x, irrelevant=mask)
    np.testing.assert_array_equal(penalty(), np.ones(6))
    assert all((slope.numpy() == 0).all() for slope in weight_gradients(model, penalty))


def test_rows_without_evidence_have_no_penalty(x, mask):
    """Nothing is known about them; all the same whether everything or nothing is relevant. Others are as they were."""
    model, loss = mlp(), EnergyGuidance("gradient_input")
    some = mask.copy()
    some[0], some[1] = 1, 0
    value, before = rows(loss, model, x, irrelevant=some).numpy(), rows(loss, model, x, irrelevant=mask).numpy()
    np.testing.assert_array_equal(value[0], 0)
    np.testing.assert_allclose(value[1], 0, atol=1e-6)
    np.testing.assert_array_equal(value[2:], before[2:])
    nothing = lambda: rows(loss, model, x, irrelevant=np.ones_like(x))
    np.testing.assert_array_equal(nothing(), np.zeros(6))
    assert all((slope.numpy() == 0).all() for slope in weight_gradients(model, nothing))


@pytest.mark.parametrize("elsewhere", [-1.0, 1.0])
def test_evidence_without_energy_is_lifted(elsewhere, x):
    """Negative on the evidence, whatever is elsewhere: a penalty of more than 1, and a slope on the evidence only."""
    x, irrelevant = np.abs(x), np.array([[1, 1, 0, 0]], "float32")
    model = regressor(np.array([[elsewhere], [2 * elsewhere], [-3], [-4]], "float32"))
    penalty = lambda: rows(EnergyGuidance("gradient_input"), model, x, np.zeros((6, 1), "float32"), irrelevant)
    size = (x * [1, 2, 3, 4]).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(penalty(), 1 + (x * [0, 0, 3, 4] / size).sum(axis=1), rtol=1e-5)
    pull = np.minimum(size / np.sort(size, axis=0)[2], 1)
    expected = -(pull * x * [0, 0, 1, 1] / size).mean(axis=0)
    np.testing.assert_allclose(weight_gradients(model, penalty)[0][:, 0], expected, rtol=1e-4)


def test_next_to_no_energy_is_none(x):
    """A ratio of two tiny numbers would have a gradient as steep as they are small."""
    model, y = regressor(np.array([[1e-6], [-1], [-1], [-1]], "float32")), np.zeros((6, 1), "float32")
    irrelevant = np.array([[0, 1, 1, 1]], "float32")
    penalty = lambda: rows(EnergyGuidance("gradient_input"), model, 1 + np.abs(x), y, irrelevant)
    np.testing.assert_allclose(penalty(), np.ones(6), rtol=1e-4)
    assert 0.1 < np.abs(weight_gradients(model, penalty)[0]).max() < 1


def test_a_layer_without_places(x, mask):
    model = mlp()
    with pytest.raises(ValueError, match=r"layer with spatial axes.*Received.*\(6, 8\)"):
        rows(EnergyGuidance(xai.Explainer("gradient_input", layer=model.layers[0])), model, x, irrelevant=mask)


def test_dict_inputs_have_one_energy(rng):
    """Numbers of all inputs together: what is positive in one may be evidence in another."""
    model = dict_model()
    x = {"image": rng.normal(size=(5, 6, 6, 1)).astype("float32"), "age": rng.normal(size=(5, 2)).astype("float32")}
    irrelevant = {"image": np.ones((5, 6, 6, 1), "float32"), "age": np.zeros((5, 2), "float32")}
    y = np.arange(5) % 3
    explain = xai.Explainer("gradient_input", space="logit").bind(model)
    values = explain(x, np.eye(3, dtype="float32")[y] - 1 / 3)
    positive = {name: np.maximum(leaf, 0).reshape(5, -1).sum(axis=1) for name, leaf in values.items()}
    value = rows(EnergyGuidance("gradient_input"), model, x, y, irrelevant)
    np.testing.assert_allclose(value, positive["image"] / (positive["image"] + positive["age"]), rtol=1e-4)
    assert 0 < value.numpy().min() < value.numpy().max() < 1


@pytest.mark.parametrize("explainer", ["gradient", "gradient_input", "integrated_gradients"])
def test_gradient_by_finite_differences(explainer, x, mask):
    model, loss, y = network("tanh"), EnergyGuidance(explainer), np.arange(6) % 3
    assert_gradients_with_energy(loss, model, x, y, np.broadcast_to(mask, x.shape))


def test_gradient_of_grad_cam_by_finite_differences():
    """Of weights and pictures whose maps are not near zero anywhere, as those of other seeds are."""
    keras.utils.set_random_seed(2)
    assert_gradients_with_energy(EnergyGuidance(), cnn(), *eights(np.random.default_rng(2)))


def assert_gradients_with_energy(loss, model, *data):
    """Of rows with energy on their evidence: for others no size is differentiated. One by one: see the next test."""
    found = np.flatnonzero(rows(loss, model, *data).numpy() < 0.99)
    assert len(found) > 1
    penalty = lambda: [rows(loss, model, *(array[row : row + 1] for array in data)) for row in found]
    assert_gradients_by_finite_differences(model, tf.function(penalty), step=5e-4)


def test_faint_rows_do_not_lead(x, mask):
    """In the gradient of a batch a row counts as much as it has energy over the median, at most 1; none is outshone."""
    model, y = network("tanh"), np.arange(6) % 3
    x[3], x[4] = 3 * x[3], 0.01 * x[4]
    mask[:, 0], mask[5] = 0, 1  # the last row has no evidence: it counts nowhere
    loss = EnergyGuidance("gradient_input")
    alone = lambda row: rows(loss, model, x[row : row + 1], y[row : row + 1], mask[row : row + 1])
    values = xai.Explainer("gradient_input", space="logit").bind(model)(x, np.eye(3, dtype="float32")[y] - 1 / 3)
    energy = np.where((1 - mask) @ np.ones(4) > 0, np.maximum(values, 0).sum(axis=1), 0)
    inside = ((1 - mask) * np.maximum(values, 0)).sum(axis=1)
    whole = np.where(inside > 1e-3 * np.abs(values).sum(axis=1), energy, np.abs(values).sum(axis=1))[:5]
    pull = np.append(np.minimum(whole / np.median(whole), 1), 0)
    assert pull[3] == 1 and pull[4] < 0.1
    together = weight_gradients(model, lambda: rows(loss, model, x, y, mask))
    each = [weight_gradients(model, lambda row=row: alone(row)) for row in range(6)]
    for found, slopes in zip(together, zip(*each, strict=True), strict=True):
        expected = sum(share * slope for share, slope in zip(pull, slopes, strict=True)) / 6
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("weights", [None, np.array([1, 1, 0, 1, 0, 1], "float32")])
def test_rows_without_attribution_do_not_silence_the_others(weights, x, mask):
    """Half the images are blank, or of weight zero and large: the gradient of the rest stays as it is."""
    model, y = network("tanh"), np.arange(6) % 3
    loss, kept = EnergyGuidance("gradient_input"), np.array([0, 1, 3, 5])
    x[[2, 4]] = 0 if weights is None else 100 * x[[2, 4]]
    share = np.isin(np.arange(6), kept).astype("float32")
    whole = weight_gradients(model, lambda: share * rows(loss, model, x, y, mask, weights=weights))
    rest = weight_gradients(model, lambda: rows(loss, model, x[kept], y[kept], mask[kept]))
    assert max(np.abs(slope).max() for slope in rest) > 1e-3
    for found, expected in zip(whole, rest, strict=True):
        np.testing.assert_allclose(found, expected * 4 / 6, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "explainer", ["grad_cam", xai.Explainer("grad_cam", resize=False), "lrp", xai.Explainer("gradient", layer="first")]
)
def test_eager_graph_and_xla(explainer, rng):
    model, (x, y, irrelevant) = cnn(), eights(rng)
    call = lambda x, irrelevant: rows(EnergyGuidance(explainer), model, x, y, irrelevant)
    eager = call(x, irrelevant)
    assert eager.numpy().max() > 0
    for jit_compile in (False, True):
        traced = tf.function(call, jit_compile=jit_compile)
        np.testing.assert_allclose(traced(x, irrelevant), eager, rtol=1e-4, atol=1e-5)


def test_float16(rng):
    """A penalty in float32 on what half precision computes."""
    x, y, irrelevant = eights(rng)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = cnn()
    finally:
        keras.config.set_dtype_policy("float32")
    full = cnn()
    full.set_weights(half.get_weights())
    value = rows(EnergyGuidance(), half, x, y, irrelevant)
    assert value.dtype == tf.float32
    np.testing.assert_allclose(value, rows(EnergyGuidance(), full, x, y, irrelevant), rtol=0.03)


def test_regression_of_one_number_needs_no_classes(x, mask):
    model = regression()
    model.compile("sgd", "mse")
    explain = xai.Explainer("gradient_input").bind(model)
    value = rows(EnergyGuidance("gradient_input"), model, x, np.zeros((6, 1), "float32"), mask)
    np.testing.assert_allclose(value, outside(explain(x).numpy(), mask), rtol=1e-5)


def test_evidence_is_needed(x):
    model = xai.compile(mlp(), "sgd", "sparse_categorical_crossentropy", explanation_loss=EnergyGuidance("gradient"))
    with pytest.raises(ValueError, match="`EnergyGuidance` needs evidence"):
        model.fit(x, np.zeros(6, int), verbose=0)
