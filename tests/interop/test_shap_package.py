"""The explainers of the shap package, live on small models, against the enumeration of all coalitions."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import models
from tf_xai import interop

shap = pytest.importorskip("shap")

# shap warns of TensorFlow's version, and of its own labels.
pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning:shap", "ignore::FutureWarning", "ignore::DeprecationWarning"
)

MODELS = {"softmax": models.mlp, "sigmoid": models.binary, "regression": models.regression}


@pytest.fixture
def table(rng):
    return rng.normal(size=(12, 4)).astype("float32")


def _gap(model, x, background, classes):
    """What values have to add up to: score less the mean score of the background."""
    score = lambda rows: np.asarray(model(rows))
    values, base = score(x), score(background).mean(axis=0)
    if values.shape[1] == 1:
        return (values - base)[:, 0]
    return (values - base)[np.arange(len(x)), classes]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("function", "tolerance", "options"),
    [
        ("shap_kernel", 1e-5, {}),
        ("shap_permutation", 0.02, {}),
        ("shap_partition", None, {}),
        ("shap_gradient", None, {"nsamples": 50, "rseed": 0}),
        ("shap_deep", None, {}),
    ],
)
def test_tables(name, function, tolerance, options, table):
    model, x = MODELS[name](), table[:3]
    exact = interop.shap_exact(model, x, table)
    found = getattr(interop, function)(model, x, table, **options)
    assert isinstance(found, shap.Explanation)
    assert found.values.shape == (3, 4)
    np.testing.assert_allclose(found.base_values, exact.base_values, rtol=1e-4)
    np.testing.assert_array_equal(found.data, x)
    if tolerance:
        np.testing.assert_allclose(found.values, exact.values, atol=tolerance * np.abs(exact.values).max())
    if function != "shap_gradient":
        gap = _gap(model, x, table, np.argmax(model(x), axis=1))
        np.testing.assert_allclose(found.values.sum(axis=1), gap, rtol=1e-3, atol=1e-5)
    else:
        assert np.corrcoef(found.values.ravel(), exact.values.ravel())[0, 1] > 0.8


@pytest.mark.parametrize("function", ["shap_exact", "shap_kernel", "shap_gradient", "shap_deep"])
def test_targets_outputs_and_spaces(function, table):
    model = models.two_outputs()
    options = {"output": "label", "space": "logit"}
    options |= {"nsamples": 200, "rseed": 0} if function == "shap_gradient" else {}
    found = getattr(interop, function)(model, table[:3], table, target=[2, 0, 1], **options)
    last = model.get_layer("label")
    hidden = keras.Model(model.input, last.input)
    score = lambda rows: hidden(rows).numpy() @ last.kernel.numpy() + last.bias.numpy()
    gap = (score(table[:3]) - score(table).mean(axis=0))[range(3), [2, 0, 1]]
    np.testing.assert_allclose(found.values.sum(axis=1), gap, atol=0.3 if function == "shap_gradient" else 1e-4)


@pytest.mark.parametrize("function", ["shap_kernel", "shap_gradient", "shap_deep"])
def test_several_inputs_are_columns_side_by_side(function, rng):
    model = models.dict_model()
    x = {"image": rng.random((3, 6, 6, 1)).astype("float32"), "age": rng.random((3, 2)).astype("float32")}
    options = {"shap_kernel": {"nsamples": 100}, "shap_gradient": {"nsamples": 10}, "shap_deep": {}}[function]
    found = getattr(interop, function)(model, x, x, target=1, **options)
    assert found.values.shape == found.data.shape == (3, 38)
    assert found.feature_names[:3] == ["age0", "age1", "image[0,0,0]"]
    np.testing.assert_array_equal(found.data[:, :2], x["age"])
    if function != "shap_gradient":
        scores = model(x).numpy()[:, 1]
        np.testing.assert_allclose(found.values.sum(axis=1), scores - scores.mean(), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("function", ["shap_partition", "shap_gradient", "shap_deep"])
def test_images(function, rng):
    model, x = models.cnn(), rng.random((2, 8, 8, 1)).astype("float32")
    options = {"shap_partition": {"max_evals": 60}, "shap_gradient": {"nsamples": 10}, "shap_deep": {}}[function]
    background = 0.5 if function == "shap_partition" else x
    found = getattr(interop, function)(model, x, background, target=[0, 2], **options)
    assert found.values.shape == x.shape
    if function == "shap_partition":
        grey = model(np.full_like(x, 0.5)).numpy()
        np.testing.assert_allclose(found.base_values, grey[[0, 1], [0, 2]], rtol=1e-5)


def test_what_hides_a_region_is_one_image(rng):
    model, x = models.cnn(), rng.random((2, 8, 8, 1)).astype("float32")
    with pytest.raises(ValueError, match=r"`background` of images must be one image.*\(2, 8, 8, 1\).*mean"):
        interop.shap_partition(model, x, x, max_evals=60)
    found = interop.shap_partition(model, x[:1], x.mean(axis=0), target=0, max_evals=60)
    np.testing.assert_allclose(found.base_values, model(x.mean(axis=0, keepdims=True)).numpy()[:, 0], rtol=1e-5)


def test_strings():
    encode = lambda texts: np.array([[len(word) for word in [*text.split(), *([""] * 5)][:5]] for text in texts])
    texts, model = ["a good film", "bad film"], models.tokens()
    found = interop.shap_partition(model, texts, encode=encode, target=[0, 1], max_evals=50)
    assert [len(values) for values in found.values] == [3, 2]
    assert [word.strip() for word in found.data[0]] == ["a", "good", "film"]
    scores = model(encode(texts)).numpy()[[0, 1], [0, 1]]
    total = [values.sum() for values in found.values] + found.base_values
    np.testing.assert_allclose(total, scores, rtol=1e-4)
    assert "film" in shap.plots.text(found[0], display=False)


@pytest.mark.parametrize("function", ["shap_gradient", "shap_deep", "shap_kernel"])
def test_subclassed_models(function, table):
    model = models.subclassed()
    before = sorted(vars(model))
    found = getattr(interop, function)(model, table[:2], table)
    assert found.values.shape == (2, 4)
    assert sorted(vars(model)) == before


def test_after_a_failure_of_deep_explainer_training_works(table):
    build = lambda: keras.Sequential([keras.layers.Dense(4), keras.layers.LeakyReLU(), keras.layers.Dense(1)])
    model, other = build(), build()
    with pytest.raises(RuntimeError, match=r"DeepExplainer can not explain this model .*LeakyRelu.*method='deep_lift'"):
        interop.shap_deep(model, table[:1], table)
    other = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(4), keras.layers.LeakyReLU(), keras.layers.Dense(1)]
    )
    other.compile("adam", "mse")
    before = other.get_weights()
    other.fit(table, table[:, :1], verbose=0)
    assert any(np.any(a != b) for a, b in zip(before, other.get_weights(), strict=True))
    with tf.GradientTape() as tape:
        x = tf.constant([2.0])
        tape.watch(x)
        y = tf.math.divide_no_nan(x, 4.0)
    assert float(tape.gradient(y, x)[0]) == 0.25


def test_gradients_are_those_of_tensorflow_after_a_success_too(table):
    from tensorflow.python.framework import ops

    registry = ops._gradient_registry._registry
    before = {name: dict(entry) for name, entry in registry.items()}
    interop.shap_deep(models.mlp(), table[:1], table)
    assert registry == before


def test_token_ids_have_no_gradient():
    ids = np.ones((2, 5), "int32")
    with pytest.raises(RuntimeError, match="GradientExplainer can not explain this model"):
        interop.shap_gradient(models.tokens(), ids, ids, nsamples=2)


def test_wrong_arguments(table):
    model = models.mlp()
    with pytest.raises(TypeError, match=r"`shap_kernel` has no option 'nsample'.*Did you mean 'nsamples'"):
        interop.shap_kernel(model, table[:1], table, nsample=3)
    with pytest.raises(ValueError, match="`background` must have the structure of `inputs`"):
        interop.shap_kernel(model, table[:1], {"x": table})
    with pytest.raises(ValueError, match="needs a `background` for tables"):
        interop.shap_partition(model, table[:1])
