"""EnergyGuidance on maps: Grad-CAM, inner layers, tokens, and masks on other grids."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.losses.energy import eights, outside
from tests.losses.models import rows, weight_gradients
from tests.models import cnn, tokens, vit
from tf_xai.core.resize import average

EnergyGuidance = xai.losses.EnergyGuidance


def averaging_model(kernel):
    """Feature maps that are the picture and its negative, averaged and weighed: Grad-CAM is known."""
    conv = keras.layers.Conv2D(2, 1, use_bias=False, name="conv")
    head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, use_bias=False)]
    model = keras.Sequential([keras.Input((4, 6, 1)), conv, keras.layers.AveragePooling2D(2, name="pool"), *head])
    model.set_weights([np.array([[[[1.0, -1.0]]]], "float32"), np.reshape(kernel, (2, 1)).astype("float32")])
    model.compile("sgd", "mse")
    return model


def pooled(pictures):
    return pictures.reshape(len(pictures), 2, 2, 3, 2, 1).mean(axis=(2, 4))


def test_grad_cam_on_the_native_grid(rng):
    """The mask is averaged over the area of every position: half covered counts half."""
    x = rng.normal(size=(5, 4, 6, 1)).astype("float32")
    irrelevant = rng.integers(0, 2, (5, 4, 6, 1)).astype("float32")
    loss = EnergyGuidance(xai.Explainer("grad_cam", resize=False))
    value = rows(loss, averaging_model([3, 1]), x, np.zeros((5, 1), "float32"), irrelevant)
    np.testing.assert_allclose(value, outside(pooled(x), pooled(irrelevant)), rtol=1e-4)


def test_grad_cam_in_the_size_of_the_picture(rng):
    """The positive part of the resized map, which keeps its sign until then."""
    x, y = rng.normal(size=(5, 4, 6, 1)).astype("float32"), np.zeros((5, 1), "float32")
    irrelevant, model = rng.integers(0, 2, (5, 4, 6, 1)).astype("float32"), averaging_model([3, 1])
    maps = xai.Explainer("grad_cam", relu=False).bind(model)(x).numpy()
    assert maps.shape == (5, 4, 6, 1) and maps.min() < 0
    for explainer in ("grad_cam", xai.Explainer("grad_cam", relu=True)):
        value = rows(EnergyGuidance(explainer), model, x, y, irrelevant)
        np.testing.assert_allclose(value, outside(maps, irrelevant), rtol=1e-4)


def test_a_map_that_is_all_negative_still_learns(rng):
    """Grad-CAM shows nothing at all there, whatever the weights: its ReLU has no slope."""
    model, (x, y, irrelevant) = cnn(activation="softplus"), eights(rng)
    kernel = np.array([[1.0, 0, 0], [1, 0, 0], [1, 0, 0]], "float32")
    model.layers[-1].set_weights([kernel, np.zeros(3, "float32")])
    y = np.ones_like(y)  # a class that every feature map speaks against
    assert (xai.Explainer("grad_cam", space="logit").bind(model)(x, y).numpy() == 0).all()
    penalty = lambda: rows(EnergyGuidance(), model, x, y, irrelevant)
    assert penalty().numpy().min() > 1
    slopes = dict(zip((v.path for v in model.trainable_variables), weight_gradients(model, penalty), strict=True))
    assert np.abs(slopes["first/kernel"]).max() > 1e-3 and np.abs(slopes["last/kernel"]).max() > 1e-3


def test_one_channel_of_the_mask_speaks_of_places(rng):
    """Channels are summed before the positive part is taken; a mask of all channels tells them apart."""
    x, kernel = rng.normal(size=(5, 2, 2, 3)).astype("float32"), rng.normal(size=(12, 1)).astype("float32")
    model = keras.Sequential([keras.Input((2, 2, 3)), keras.layers.Flatten(), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([kernel])
    model.compile("sgd", "mse")
    places = rng.integers(0, 2, (5, 2, 2, 1)).astype("float32")
    contributions, y = x * kernel.reshape(2, 2, 3), np.zeros((5, 1), "float32")
    value = lambda irrelevant: rows(EnergyGuidance("gradient_input"), model, x, y, irrelevant)
    np.testing.assert_allclose(value(places), outside(contributions.sum(axis=-1, keepdims=True), places), rtol=1e-4)
    every = np.repeat(places, 3, axis=-1)
    np.testing.assert_allclose(value(every), outside(contributions, every), rtol=1e-4)
    for_all_rows_alike = np.array([1, 0], "float32").reshape(1, 2, 1, 1)  # broadcast as evidence is
    expected = outside(contributions.sum(axis=-1, keepdims=True), for_all_rows_alike)
    np.testing.assert_allclose(value(np.repeat(for_all_rows_alike, 5, axis=0)), expected, rtol=1e-4)


def test_an_inner_layer(rng):
    """On its grid, channels summed, the mask averaged: the map that the explainer gives, by hand."""
    model, (x, y, irrelevant) = cnn(), eights(rng)
    irrelevant[:, 3:] = 1
    for layer, grid in (("first", 8), ("last", 4)):
        explainer = xai.Explainer("gradient_input", layer=layer)
        contrast = np.eye(3, dtype="float32")[y] - 1 / 3
        maps = explainer.replace(space="logit").bind(model)(x, contrast).numpy().sum(axis=-1, keepdims=True)
        seen = irrelevant.reshape(4, grid, 8 // grid, grid, 8 // grid, 1).mean(axis=(2, 4))
        value = rows(EnergyGuidance(explainer), model, x, y, irrelevant)
        np.testing.assert_allclose(value, outside(maps, seen), rtol=1e-4)


def test_an_inner_layer_of_tokens_is_on_the_grid_of_the_patches(rng):
    """Beside a class token, which is in no place."""
    model, (x, y, irrelevant) = vit(), eights(rng)
    explainer = xai.Explainer("gradient_input", layer="norm_1")
    contrast = np.eye(3, dtype="float32")[y] - 1 / 3
    maps = explainer.replace(space="logit").bind(model)(x, contrast).numpy()[:, 1:].sum(axis=-1).reshape(4, 4, 4)
    value = rows(EnergyGuidance(explainer), model, x, y, irrelevant)
    np.testing.assert_allclose(value, outside(maps, irrelevant[:, ::2, ::2, 0]), rtol=1e-4)


@pytest.mark.parametrize("explainer", ["gradient_input", "grad_cam", xai.Explainer("gradient_input", layer="conv")])
def test_token_ids(explainer, rng):
    """A mask over tokens: evidence on the first two, where a model trained on it comes to look."""
    ids, relevant = rng.integers(0, 10, (6, 5)).astype("int32"), np.array([1, 1, 0, 0, 0], "float32")
    base = tokens()
    model = xai.compile(
        base,
        keras.optimizers.Adam(0.03),
        "sparse_categorical_crossentropy",
        explanation_loss=EnergyGuidance(explainer),
    )
    history = model.fit(xai.with_evidence(ids, relevant=relevant), np.arange(6) % 2, epochs=25, verbose=0).history
    line = history["xai_energy_guidance_loss"]
    assert line[-1] < 0.6 * line[0]


def test_a_mask_of_unknown_size(rng):
    """As a pipeline gives it: the shape is known when it runs."""
    x, irrelevant = rng.normal(size=(5, 4, 6, 1)).astype("float32"), np.zeros((5, 4, 6, 1), "float32")
    irrelevant[:, :, :3] = 1
    model, loss = averaging_model([3, 1]), EnergyGuidance(xai.Explainer("grad_cam", resize=False))
    call = lambda irrelevant: rows(loss, model, x, np.zeros((5, 1), "float32"), irrelevant)
    traced = tf.function(call, input_signature=[tf.TensorSpec((None, None, None, 1))])
    np.testing.assert_allclose(traced(irrelevant), call(irrelevant), rtol=1e-5)


def test_two_halves_that_tell_the_same(rng):
    """Both halves of a picture have the class. Evidence decides which of them the model reads; accuracy is the same."""
    x, y, irrelevant = rng.normal(size=(128, 8, 8, 1)).astype("float32"), np.arange(128) % 2, np.zeros((8, 8, 1))
    x += np.where(y, 1.0, -1.0)[:, None, None, None]
    irrelevant[:, 4:] = 1
    mass = {}
    for weight in (0.0, 1.0):
        keras.utils.set_random_seed(0)
        base = cnn(classes=2, activation="relu")
        model = xai.compile(
            base,
            keras.optimizers.Adam(0.01),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
            explanation_loss=EnergyGuidance(weight=weight),
        )
        lines = model.fit(xai.with_evidence(x, irrelevant=irrelevant), y, epochs=30, verbose=0).history
        assert lines["accuracy"][-1] > 0.95
        maps = xai.explain(base, x, y, method="grad_cam", space="logit", verbose=0).values
        mass[weight] = maps[:, :, :4].sum() / maps.sum()
    assert mass[0.0] < 0.6 and mass[1.0] > 0.8


@pytest.mark.parametrize(("length", "wanted"), [(6, 3), (6, 4), (1, 5), (3, 6), (5, 5)])
def test_average_is_the_mean_over_the_area(length, wanted, rng):
    """Against means over a grid so fine that both lengths divide it."""
    leaf = rng.normal(size=(2, length, 3)).astype("float32")
    fine = np.repeat(leaf, 60 // length, axis=1)
    expected = fine.reshape(2, wanted, 60 // wanted, 3).mean(axis=2)
    np.testing.assert_allclose(average(tf.constant(leaf), wanted, 1), expected, atol=1e-5)
