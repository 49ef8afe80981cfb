"""Any method at the output of a layer: `layer=` with a name or the layer itself."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Model, layers

import tf_xai as xai
from tests import models

METHODS = ["gradient", "gradient_input", "integrated_gradients", "expected_gradients", "smooth_grad", "deep_lift"]
METHODS += ["lrp", "guided_backprop", "occlusion", "kernel_shap"]
OPTIONS = {
    "kernel_shap": {"samples": 80},
    "occlusion": {"window": 2},
    "integrated_gradients": {"steps": 64},
}


def cut():
    """A convolutional network, and the part of it behind its first layer."""
    image = Input((4, 4, 1))
    seen = layers.Conv2D(2, 3, padding="same", activation="relu", name="seen")(image)
    whole = Model(image, models.dense(3, "softmax")(layers.Flatten()(layers.Conv2D(2, 3, activation="relu")(seen))))
    return whole, Model(seen, whole.output)


@pytest.fixture
def x(rng):
    return rng.normal(size=(3, 4, 4, 1)).astype("float32")


def _explain(model, x, method, **options):
    return xai.explain(model, x, np.array([0, 2, 1]), method=method, verbose=0, **options)


@pytest.mark.parametrize("method", METHODS)
def test_is_what_the_model_behind_the_layer_gives(method, x):
    """By name and by the layer itself; what is explained are the activations."""
    whole, behind = cut()
    options = OPTIONS.get(method, {})
    e = _explain(whole, x, method, layer="seen", **options)
    activations = whole.get_layer("seen")(x).numpy()
    np.testing.assert_allclose(e.inputs, activations, rtol=1e-5, atol=1e-7)
    if method == "smooth_grad":  # whose draws differ with the number of inputs
        assert e.values.shape == activations.shape and e.values.any()
        return
    expected = _explain(behind, activations, method, **options)
    np.testing.assert_allclose(e.values, expected.values, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(e.score, expected.score, rtol=1e-5)
    if e.baseline_score is not None:
        np.testing.assert_allclose(e.baseline_score, expected.baseline_score, rtol=1e-5)
    by_layer = _explain(whole, x, method, layer=whole.get_layer("seen"), **options)
    np.testing.assert_allclose(by_layer.values, e.values, rtol=1e-6)
    assert np.abs(e.values).max() > 1e-4


@pytest.mark.parametrize("method", ["integrated_gradients", "deep_lift", "kernel_shap"])
def test_values_add_up_where_the_layer_is_a_cut(method, x):
    e = _explain(cut()[0], x, method, layer="seen", space="logit", **OPTIONS.get(method, {}))
    assert np.abs(e.score - e.baseline_score).max() > 1e-2
    np.testing.assert_allclose(e.residual, np.zeros(3), atol=1e-3)


@pytest.mark.parametrize("method", ["deep_lift", "kernel_shap", "expected_gradients"])
def test_a_background_is_in_units_of_the_inputs(method, x, rng):
    whole, behind = cut()
    background, seen = rng.normal(size=(4, 4, 4, 1)).astype("float32"), whole.get_layer("seen")
    options = OPTIONS.get(method, {})
    e = _explain(whole, x, method, layer="seen", background=background, **options)
    expected = _explain(behind, seen(x).numpy(), method, background=seen(background).numpy(), **options)
    np.testing.assert_allclose(e.values, expected.values, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(e.baseline_score, expected.baseline_score, rtol=1e-5)


def test_so_are_baselines_but_names_and_numbers_are_meant_at_the_layer(x, rng):
    whole, behind = cut()
    seen = whole.get_layer("seen")
    per_row = rng.normal(size=x.shape).astype("float32")
    cases = [
        ("zeros", np.zeros((3, 4, 4, 2))),
        (0.5, np.full((3, 4, 4, 2), 0.5)),
        (per_row[0], np.broadcast_to(seen(per_row[:1]), (3, 4, 4, 2))),
        (per_row, seen(per_row).numpy()),
        (lambda x: -x, seen(-x).numpy()),
    ]
    for baseline, at_layer in cases:
        e = _explain(whole, x, "deep_lift", layer="seen", baseline=baseline, batch_size=2)
        scores = behind(at_layer).numpy()[np.arange(3), [0, 2, 1]]
        np.testing.assert_allclose(e.baseline_score, scores, rtol=1e-5)
        np.testing.assert_allclose(e.residual, np.zeros(3), atol=1e-5)


def test_beside_the_layer_everything_is_that_of_the_row(rng):
    """Where the layer is no cut, the rest of the model does not move, nor for the references of a background."""
    x = Input((3,))
    hidden = layers.Dense(4, "tanh", name="hidden")(x)
    model = Model(x, layers.Dense(1)(layers.Concatenate()([hidden, x])))
    rows, background = rng.normal(size=(2, 4, 3)).astype("float32")
    kernel = model.layers[-1].kernel.numpy()[:4, 0]
    activations = model.get_layer("hidden")(rows).numpy()
    references = model.get_layer("hidden")(background).numpy()
    for method in ("deep_lift", "exact_shap"):
        e = xai.explain(model, rows, method=method, layer="hidden", background=background, verbose=0)
        np.testing.assert_allclose(e.values, kernel * (activations - references.mean(axis=0)), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(e.residual, np.zeros(4), atol=1e-5)


def test_in_a_nested_model(rng):
    model, x = models.nested(), rng.normal(size=(2, 8, 8, 1)).astype("float32")
    e = xai.explain(model, x, method="deep_lift", layer="inner", verbose=0)
    inner = model.get_layer("backbone").get_layer("inner")
    np.testing.assert_allclose(e.inputs, inner(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(e.residual, np.zeros(2), atol=1e-5)
    assert e.values.shape == e.inputs.shape == (2, 8, 8, 4)


def test_a_layer_of_a_model_of_token_ids(rng):
    model, ids = models.tokens(), rng.integers(0, 10, size=(3, 5))
    e = xai.explain(model, ids, method="deep_lift", layer="conv", verbose=0)
    assert e.values.shape == (3, 5, 4)
    np.testing.assert_allclose(e.residual, np.zeros(3), atol=1e-5)


def test_graphs_batches_and_broken_rows(x):
    model, _ = cut()
    bound, target = xai.Explainer("integrated_gradients", layer="seen").bind(model), tf.constant([0, 2, 1])
    eager = bound.attribute(tf.constant(x), target)
    shapes = [tf.TensorSpec([None, 4, 4, 1]), tf.TensorSpec([None], tf.int32)]
    inside = tf.function(lambda x, t: bound(x, t), input_signature=shapes, autograph=False)
    np.testing.assert_allclose(inside(x, target), eager, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(_explain(model, x, bound.explainer, batch_size=1).values, eager, rtol=1e-4, atol=1e-6)
    x[1] = np.nan
    with pytest.warns(UserWarning, match="NaN or infinite inputs in row 1"):
        e = _explain(model, x, bound.explainer)
    assert np.isnan(e.values[1]).all() and np.isnan(e.inputs[1]).all()
    np.testing.assert_allclose(e.values[[0, 2]], tf.gather(eager, [0, 2]), rtol=1e-4, atol=1e-6)


def test_the_layer_is_part_of_the_configuration(x):
    explainer = xai.Explainer("deep_lift", layer="seen", baseline=0.5)
    assert "layer='seen'" in repr(explainer)
    again = xai.Explainer.from_config(explainer.get_config())
    assert repr(again) == repr(explainer)
    model, _ = cut()
    np.testing.assert_array_equal(_explain(model, x, again).values, _explain(model, x, explainer).values)
    assert _explain(model, x, explainer).info["options"]["layer"] == "seen"


def test_column_names_are_those_of_the_inputs_not_of_a_layer(rng):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(rng.normal(size=(3, 4)), columns=list("abcd"))
    model = models.mlp()
    e = xai.explain(model, frame, method="deep_lift", layer=model.layers[0], verbose=0)
    assert e.feature_names is None
    assert list(e.to_frame().columns[:8]) == [f"x{i}" for i in range(8)]


class Pair(layers.Layer):
    """Puts out two arrays."""

    def call(self, x):
        return x, x + 1


def test_layers_that_can_not_be_explained_are_errors(x):
    model, _ = cut()
    with pytest.raises(ValueError, match=r"Unknown `layer`.*Did you mean 'seen'"):
        _explain(model, x, "gradient", layer="sen")
    with pytest.raises(ValueError, match="Received: 'elsewhere', which is not called"):
        _explain(model, x, "gradient", layer=layers.Dense(2, name="elsewhere"))
    image = Input((4, 4, 1))
    first, _ = Pair(name="pair")(image)
    paired = Model(image, models.dense(3)(layers.Flatten()(first)))
    with pytest.raises(ValueError, match=r"one floating tensor.*'pair', which puts out something else"):
        _explain(paired, x, "gradient", layer="pair")


@pytest.mark.filterwarnings("ignore:All attributions")
def test_a_layer_off_the_way_to_the_score_is_not_silent(rng):
    model = models.two_outputs()
    x = rng.normal(size=(2, 4)).astype("float32")
    with pytest.warns(UserWarning, match="score does not depend on"):
        xai.explain(model, x, method="gradient", output="label", layer="amount", verbose=0)


def test_the_model_is_left_as_it_was(x):
    model, _ = cut()
    known = [sorted(vars(layer)) for layer in model.layers]
    outputs = model(x)
    _explain(model, x, "deep_lift", layer="seen")
    assert [sorted(vars(layer)) for layer in model.layers] == known
    np.testing.assert_array_equal(model(x), outputs)
    assert isinstance(model, keras.Model)
