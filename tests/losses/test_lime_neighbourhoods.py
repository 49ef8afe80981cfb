"""LIMEFidelity on neighbours that are resampled or partly hidden: tables, images, token ids."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.losses.curved import quadratic, regression_by
from tests.losses.models import assert_gradients_by_finite_differences, network, rows, weight_gradients
from tests.models import cnn, dict_model, mlp, regression, tokens
from tf_xai.attributions.lime import fit
from tf_xai.core import random

LIMEFidelity = xai.losses.LIMEFidelity
ZEROS = np.zeros((6, 1), "float32")
KINDS = ["resampled", "regions"]


@pytest.fixture
def x(rng):
    return rng.normal(size=(6, 4)).astype("float32")


@keras.saving.register_keras_serializable("tests")
class Product(keras.layers.Layer):
    """`x_0 x_1 + 3 x_2`."""

    def call(self, inputs):
        return inputs[:, :1] * inputs[:, 1:2] + 3 * inputs[:, 2:3]


def lime_r2(model, x, y, samples, ridge, step=0, **options):
    """The weighted R2 of lime's surrogate of the logits for the same draws."""
    score = xai.Score(model, space="logit") if y is not None else xai.Score(model)
    fitted = {"kernel_width": None, "features": None, "surrogate": "linear", "ridge": ridge}
    neighbourhood = {"background": None, "discretize": True, "sample_around_instance": False, "chunk": None}
    given = {"baseline": "zeros", "regions": None, **options, "seed": tf.constant([0, step])}
    y = tf.zeros(len(x), tf.int32) if y is None else tf.constant(y)
    return fit(score, tf.constant(x), y, samples=samples, **fitted, **neighbourhood, **given)[1].numpy()


def kept(samples, features, step=0):
    """What the neighbours of a training step keep of a row, 0 or 1."""
    return (random.uniform(tf.constant([0, step]), (samples, features)) > 0.5).numpy().astype("float64")


def adjusted(values, design, dof):
    """`1 - R^2` of an ordinary fit in NumPy, adjusted."""
    full = np.c_[design, np.ones(len(design))]
    rest = values - full @ np.linalg.lstsq(full, values, rcond=None)[0]
    return np.square(rest).sum() / dof / values.var(ddof=1)


def test_resampled_by_hand(x):
    """Half of the features come from one other row, the next but so many of the batch: another one at other steps."""
    shifts = set()
    for step in range(8):
        value = rows(LIMEFidelity(neighbourhood="resampled"), regression_by(Product()), x, ZEROS, step=step)
        keep = kept(20, 4, step)
        expected = {}
        for shift in range(1, 6):
            mixed = keep[:, None] * x + (1 - keep[:, None]) * np.roll(x, -shift, axis=0)
            scores = mixed[..., 0] * mixed[..., 1] + 3 * mixed[..., 2]
            expected[shift] = [adjusted(scores[:, n], keep, 15) for n in range(6)]
        found = [shift for shift, each in expected.items() if np.allclose(value, each, rtol=1e-3, atol=1e-5)]
        assert len(found) == 1
        shifts.add(found[0])
    assert len(shifts) > 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("normalize", [True, False])
def test_additive_models_are_explained_fully(kind, normalize, x):
    """Two values per feature, kept or not: whatever a model makes of each feature alone is linear in that."""
    loss = LIMEFidelity(neighbourhood=kind, normalize=normalize)
    for step in range(4):
        assert rows(loss, quadratic(), x, ZEROS, step=step).numpy().max() < 1e-6
    assert rows(loss, regression_by(Product()), x, ZEROS).numpy().max() > 1e-3


@pytest.mark.parametrize("samples", [6, 30])
@pytest.mark.parametrize(("variant", "ridge"), [("linear", 0.0), ("ridge", 1.0)])
def test_regions_are_those_of_lime(variant, ridge, samples, x):
    """What lime's R2 leaves, by its degrees of freedom."""
    model, y = network("tanh"), np.arange(6) % 3
    samples += variant == "linear"
    r2 = lime_r2(model, x, y, samples, ridge, baseline=0.5)
    loss = LIMEFidelity(variant, samples, neighbourhood="regions", baseline=0.5)
    expected = (1 - r2) * (samples - 1) / (samples if ridge else samples - 5)
    np.testing.assert_allclose(rows(loss, model, x, y), expected, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("regions", ["cells", xai.regions.Patches(2), np.arange(64).reshape(8, 8, 1) // 16])
def test_regions_of_images(regions, rng):
    """Patches, or segments that the labels tell; a grid of them where nothing is said."""
    image, y = rng.normal(size=(3, 8, 8, 1)).astype("float32"), np.arange(3)
    model = cnn()
    players = {"cells": 64, "Patches(size=2)": 16}.get(str(regions), 4)
    samples = max(20, 2 * players)
    r2 = lime_r2(model, image, y, samples, 0.0, regions=regions, baseline="mean")
    value = rows(LIMEFidelity(neighbourhood="regions", regions=regions, baseline="mean"), model, image, y)
    np.testing.assert_allclose(value, (1 - r2) * (samples - 1) / (samples - 1 - players), rtol=0.01, atol=1e-4)


@pytest.mark.parametrize("baseline", ["zeros", 3])
@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_token_ids(baseline, dtype, rng):
    """A hidden token is that of the baseline where it is embedded: the surrogate is the one that lime has there."""
    model, ids = tokens(), rng.integers(1, 10, (4, 5))
    options = {"samples": 24, "ridge": 0.0, "seed": 0, "baseline": baseline, "regions": "tokens"}
    lime = xai.Explainer("lime", space="logit", **options).bind(model)
    y = np.array([0, 1, 1, 0])
    r2 = lime.report(ids.astype("int32"), y)["fidelity"]
    if dtype == "float32":  # as `keras.Input` has it where nobody says otherwise
        given = keras.Input((5,))
        embedded = model.layers[1](given)
        for layer in model.layers[2:]:
            embedded = layer(embedded)
        model = keras.Model(given, embedded)
    value = rows(LIMEFidelity(samples=24, neighbourhood="regions", baseline=baseline), model, ids.astype(dtype), y)
    np.testing.assert_allclose(value, (1 - r2) * 23 / 18, rtol=2e-3, atol=1e-5)


def test_resampled_token_ids(rng):
    """Tokens of another text take the place of a row's: a bag of words is additive, a convolution is not."""
    ids = keras.Input((5,), dtype="int32")
    words = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(10, 4)(ids))
    bag = keras.Model(ids, keras.layers.Dense(2)(words))
    bag.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = rng.integers(0, 10, (6, 5)).astype("int32"), np.arange(6) % 2
    loss = LIMEFidelity(neighbourhood="resampled")
    assert rows(loss, bag, x, y).numpy().max() < 1e-6
    convolution = tokens()
    convolution.set_weights([5 * w for w in convolution.get_weights()])
    penalty = lambda: rows(loss, convolution, x, y)
    assert penalty().numpy().max() > 1e-3
    slopes = weight_gradients(convolution, penalty)[:3]
    assert all(np.abs(tf.convert_to_tensor(slope)).max() > 0 for slope in slopes)


def test_nested_inputs(rng):
    """Columns and the cells of an image beside each other, all players of one game."""
    x = {"age": rng.normal(size=(3, 2)), "image": rng.normal(size=(3, 6, 6, 1))}
    x = {name: leaf.astype("float32") for name, leaf in x.items()}
    for kind in KINDS:
        value = rows(LIMEFidelity(neighbourhood=kind), dict_model(), x, np.arange(3)).numpy()
        assert value.shape == (3,) and np.isfinite(value).all() and value.max() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_few_neighbours_that_look_alike(kind, rng):
    """Columns of zeros and ones are often the same where there are few samples: finite all the same."""
    model, x = mlp(8), rng.normal(size=(3, 8)).astype("float32")
    loss = LIMEFidelity(samples=10, neighbourhood=kind)
    call = tf.function(lambda step: rows(loss, model, x, np.zeros(3, int), step=step), autograph=False)
    values = np.stack([call(tf.constant(step)) for step in range(40)])
    assert np.isfinite(values).all() and values.min() >= 0


@pytest.mark.parametrize("kind", KINDS)
def test_constant_model_has_a_defined_penalty(kind, x):
    model = regression()
    model.set_weights([np.zeros_like(w) for w in model.get_weights()[:2]] + model.get_weights()[2:])
    penalty = lambda: rows(LIMEFidelity(neighbourhood=kind), model, x, ZEROS)
    np.testing.assert_array_equal(penalty(), np.zeros(6))
    assert all(np.isfinite(slope).all() for slope in weight_gradients(model, penalty))


def test_a_batch_of_one_row_has_no_other(x):
    model = network("tanh")
    penalty = lambda: rows(LIMEFidelity(neighbourhood="resampled"), model, x[:1])
    np.testing.assert_array_equal(penalty(), [0.0])
    assert all(np.isfinite(slope).all() for slope in weight_gradients(model, penalty))


@pytest.mark.parametrize("kind", KINDS)
def test_flattening_the_model_earns_nothing(kind, x):
    model, penalties = regression(), []
    for factor in (1.0, 0.01):
        *hidden, kernel, bias = model.get_weights()
        model.set_weights([*hidden, factor * kernel, factor * bias])
        penalties.append(rows(LIMEFidelity(neighbourhood=kind), model, x, ZEROS))
    assert penalties[0].numpy().max() > 1e-3
    np.testing.assert_allclose(*penalties, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variant", ["linear", "ridge"])
def test_gradient_by_finite_differences(kind, variant, x):
    model, loss = network("tanh"), LIMEFidelity(variant, neighbourhood=kind)
    assert_gradients_by_finite_differences(model, lambda: rows(loss, model, x, np.arange(6) % 3))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("build", ["table", "tokens"])
def test_eager_graph_and_xla(kind, build, x, rng):
    model = network("tanh") if build == "table" else tokens()
    x = x if build == "table" else rng.integers(1, 10, (6, 5)).astype("int32")
    call = lambda: rows(LIMEFidelity(neighbourhood=kind), model, x, np.zeros(6, int))
    for options in ({}, {"jit_compile": True}):
        np.testing.assert_allclose(tf.function(call, autograph=False, **options)(), call(), rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_training_removes_interactions(kind, rng):
    """On a product: the same network, with and without, on the same draws at the end."""
    x = rng.normal(size=(64, 3)).astype("float32")
    y = (2 * x[:, :1] * x[:, 1:2] + x[:, 2:]).astype("float32")
    base = regression(3, units=16)
    start = base.get_weights()
    steps, after = tf.data.Dataset.from_tensors((x, y)).repeat(60), {}
    for weight in (0.0, 10.0):
        base.set_weights(start)
        loss = LIMEFidelity(neighbourhood=kind, weight=weight)
        xai.compile(base, keras.optimizers.Adam(0.02), "mse", explanation_loss=loss).fit(
            steps, shuffle=False, verbose=0
        )
        after[weight] = np.mean([rows(loss, base, x, y, step=step) for step in range(-3, 0)])
    assert after[10.0] < 0.5 * after[0.0]


def test_options_that_contradict_each_other():
    with pytest.raises(ValueError, match="`variant='one_coordinate'` needs the noise of `neighbourhood='gaussian'`"):
        LIMEFidelity("one_coordinate", neighbourhood="regions")
    with pytest.raises(ValueError, match="`regions` are what `neighbourhood='regions'` hides"):
        LIMEFidelity(regions="patches")
    with pytest.raises(ValueError, match=r"Unknown `neighbourhood`.*Did you mean 'resampled'"):
        LIMEFidelity(neighbourhood="resample")


def test_too_many_and_too_few(rng):
    image = rng.normal(size=(2, 28, 28, 1)).astype("float32")
    each_pixel = np.arange(784).reshape(28, 28, 1)
    with pytest.raises(ValueError, match=r"there are 784 features. Pass `regions=` of more features, or `samples="):
        rows(LIMEFidelity(neighbourhood="regions", regions=each_pixel), cnn((28, 28, 1)), image)
    with pytest.raises(ValueError, match=r"needs more than 5 samples for 4 features. Received: samples=5"):
        rows(LIMEFidelity(samples=5, neighbourhood="resampled"), mlp(), image[:, :4, 0, 0])


def test_numbers_and_ids_are_told_apart(rng):
    """Noise on ids would make other ids of them, also where a model takes them as floats."""
    ids = keras.Input((5,))
    words = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(10, 4)(ids))
    model = keras.Model(ids, keras.layers.Dense(2, "softmax")(words))
    x = rng.integers(0, 10, (4, 5))
    with pytest.raises(ValueError, match="For token ids, pass `neighbourhood='regions'`"):
        rows(LIMEFidelity(), model, x.astype("float32"))
    with pytest.raises(ValueError, match="For token ids, pass `neighbourhood='regions'`"):
        rows(LIMEFidelity(), tokens(), x.astype("int32"))
    with pytest.raises(ValueError, match="For token ids, train the model from the output of its embedding on"):
        rows(xai.losses.LIMEStability(), tokens(), x.astype("int32"))


def test_strings_that_the_model_looks_up_are_resampled(rng):
    """Words and numbers that act together: with either from another row the surrogate is off."""
    number, word = keras.Input((1,)), keras.Input((1,), dtype="string")
    looked_up = keras.layers.Embedding(3, 1, "uniform")(keras.layers.StringLookup(vocabulary=["a", "b"])(word))
    model = keras.Model([number, word], number * keras.layers.Flatten()(looked_up))
    x = [rng.normal(size=(6, 1)).astype("float32"), rng.choice(["a", "b"], (6, 1)).astype(object)]
    assert np.max(rows(LIMEFidelity(neighbourhood="resampled"), model, x, ZEROS)) > 0.01
