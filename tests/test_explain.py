"""`explain` on everything that users pass; what goes wrong is in test_trouble.py."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests import models
from tests.models import WEIGHTS

# Two batches for five rows, few steps.
_explain = partial(xai.explain, batch_size=3, verbose=0, steps=4)


@pytest.mark.parametrize("as_input", [np.asarray, tf.constant, lambda x: x.astype("float64"), lambda x: x.tolist()])
def test_arrays(linear, x, as_input):
    e = _explain(linear, as_input(x), target=1)
    assert len(e) == 5
    np.testing.assert_allclose(e.values, x * WEIGHTS[:, 1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(e.score, x @ WEIGHTS[:, 1], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(e.baseline_score, np.zeros(5), atol=1e-6)
    np.testing.assert_allclose(e.residual, np.zeros(5), atol=1e-5)
    np.testing.assert_allclose(e.inputs, x, rtol=1e-6)
    np.testing.assert_array_equal(e.target, np.ones(5))


def test_data_frames(linear, x):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(x, columns=["age", "income", "rooms"])
    e = _explain(linear, frame, target=0)
    assert e.feature_names == ["age", "income", "rooms"]
    np.testing.assert_allclose(e.values, x * WEIGHTS[:, 0], rtol=1e-5, atol=1e-6)
    table = e.to_frame()
    assert list(table.columns) == ["age", "income", "rooms", "target", "score", "baseline_score", "residual"]
    np.testing.assert_allclose(table["income"], 2 * x[:, 1], rtol=1e-5)


@pytest.mark.parametrize("structure", ["list", "dict"])
def test_nested_inputs_whatever_the_batches(structure, rng):
    draw = lambda *shape: rng.normal(size=(5, *shape)).astype("float32")
    if structure == "list":
        model, inputs = models.list_model(), [draw(6, 1), draw(2)]
    else:
        model, inputs = models.dict_model(), {"image": draw(6, 6, 1), "age": draw(2)}
    parts, whole = _explain(model, inputs), _explain(model, inputs, batch_size=32)
    keras.tree.assert_same_structure(parts.values, inputs)
    for part, full, leaf in zip(*map(keras.tree.flatten, (parts.values, whole.values, inputs)), strict=True):
        assert part.shape == leaf.shape
        np.testing.assert_allclose(part, full, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("labelled", [False, True])
def test_datasets(linear, x, labelled):
    dataset = tf.data.Dataset.from_tensor_slices((x, np.zeros(5)) if labelled else x).batch(2)
    e = _explain(linear, dataset)
    expected = _explain(linear, x)
    for name in ("values", "score", "target", "inputs"):
        np.testing.assert_allclose(getattr(e, name), getattr(expected, name), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="`target` can not be given with a dataset"):
        _explain(linear, dataset, target=[0, 1, 0, 1, 0])


def test_targets(linear, x, rng):
    values = lambda target: _explain(linear, x, target).values
    classes, weights = np.array([0, 1, 1, 0, 1]), rng.normal(size=(5, 2)).astype("float32")
    np.testing.assert_allclose(values(classes), x * WEIGHTS.T[classes], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(values(classes.tolist()), x * WEIGHTS.T[classes], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(values(weights), x * (weights @ WEIGHTS.T), rtol=1e-4, atol=1e-5)
    predicted = np.argmax(x @ WEIGHTS, axis=1)
    np.testing.assert_allclose(values(None), x * WEIGHTS.T[predicted], rtol=1e-5, atol=1e-6)


def test_an_explainer_as_method(linear, x):
    e = xai.explain(linear, x, 0, xai.Explainer("gradient"))
    np.testing.assert_allclose(e.values, np.tile(WEIGHTS[:, 0], (5, 1)), rtol=1e-5)
    assert e.residual is None
    with pytest.raises(TypeError, match="Options belong to the `Explainer`"):
        xai.explain(linear, x, method=xai.Explainer("gradient"), steps=3)


def test_baselines_with_a_row_for_every_row(linear, rng, x):
    baseline = rng.normal(size=(5, 3)).astype("float32")
    e = _explain(linear, x, target=0, baseline=baseline)
    np.testing.assert_allclose(e.values, (x - baseline) * WEIGHTS[:, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(e.baseline_score, baseline @ WEIGHTS[:, 0], rtol=1e-5, atol=1e-5)


AGE = np.array([0.5, -0.5], "float32")


@pytest.mark.parametrize(
    ("age", "meant"),
    [(np.outer(range(5), AGE), None), (AGE, AGE), (AGE[None], AGE), ("zeros", 0.0), (0.5, 0.5)],
    ids=["rows", "one", "one row", "name", "number"],
)
def test_baselines_of_nested_inputs_may_differ_in_kind(age, meant, rng):
    draw = lambda: {"image": rng.normal(size=(5, 6, 6, 1)), "age": rng.normal(size=(5, 2))}
    inputs, baseline = (keras.tree.map_structure(np.float32, draw()) for _ in range(2))
    full = {"image": baseline["image"], "age": np.broadcast_to(np.float32(age if meant is None else meant), (5, 2))}
    model = models.dict_model()
    e = _explain(model, inputs, baseline={"image": baseline["image"], "age": age})
    expected = _explain(model, inputs, baseline=full, batch_size=5)
    for value, other in zip(keras.tree.flatten(e.values), keras.tree.flatten(expected.values), strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(e.baseline_score, expected.baseline_score, rtol=1e-5)


def test_a_nest_of_names(rng):
    inputs = {
        "image": rng.normal(size=(2, 6, 6, 1)).astype("float32"),
        "age": rng.normal(size=(2, 2)).astype("float32"),
    }
    e = _explain(models.dict_model(), inputs, baseline={"image": "blur", "age": 0.5}, steps=16)
    np.testing.assert_allclose(e.residual, np.zeros(2), atol=1e-3)


def test_a_background_has_rows_of_its_own(linear, x, rng):
    background = rng.normal(size=(5, 3)).astype("float32")
    e = xai.explain(linear, x, 0, "expected_gradients", samples=5, background=background, batch_size=3, verbose=0)
    np.testing.assert_allclose(e.values, (x - background.mean(axis=0)) * WEIGHTS[:, 0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(e.baseline_score, np.full(5, (background @ WEIGHTS[:, 0]).mean()), rtol=1e-4)


@pytest.mark.parametrize(
    "build", [models.cnn, lambda: keras.Sequential([keras.Input((8, 8, 1)), *models.cnn().layers[1:]])]
)
def test_byte_images_are_read_as_floats(build, rng):
    model, images = build(), rng.integers(0, 256, size=(3, 8, 8, 1)).astype("uint8")
    model.layers[-1].kernel.assign(model.layers[-1].kernel / 100)
    e, expected = _explain(model, images), _explain(model, images.astype("float32"))
    np.testing.assert_allclose(e.values, expected.values, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(e.target, expected.target)


@pytest.mark.parametrize("build", [models.subclassed, models.binary, models.regression])
def test_kinds_of_models(build, rng):
    model, x = build(), rng.normal(size=(5, 4)).astype("float32")
    e = _explain(model, x, steps=16)
    np.testing.assert_allclose(e.score, np.max(model(x), axis=1), rtol=1e-5)
    np.testing.assert_allclose(e.residual, np.zeros(5), atol=1e-3)


def test_one_of_several_outputs(rng):
    model, x = models.two_outputs(), rng.normal(size=(5, 4)).astype("float32")
    e = _explain(model, x, output="amount", steps=16)
    np.testing.assert_allclose(e.score, model(x)["amount"][:, 0], rtol=1e-5)
    np.testing.assert_allclose(e.residual, np.zeros(5), atol=1e-3)


def test_a_sigmoid_unit_explains_either_class(rng):
    model, x = models.binary(), rng.normal(size=(5, 4)).astype("float32")
    positive, negative = _explain(model, x, target=1), _explain(model, x, target=0)
    np.testing.assert_allclose(positive.values, -negative.values, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(positive.values, _explain(model, x).values, rtol=1e-6)


def test_integer_columns_are_read_as_floats():
    table = np.arange(8).reshape(2, 4)
    model = models.mlp()
    np.testing.assert_array_equal(_explain(model, table).values, _explain(model, table.astype("float32")).values)


def test_masks_are_carried(rng):
    x, mask = rng.normal(size=(5, 3)).astype("float32"), np.eye(3, dtype=bool)[[0, 1, 2, 0, 1]]
    inputs = [keras.Input((3,)), keras.Input((3,), dtype="bool")]
    model = keras.Model(inputs, models.dense(1)(keras.ops.where(inputs[1], inputs[0], 0.0)))
    e = _explain(model, [x, mask])
    np.testing.assert_allclose(e.values[0], x * mask * model.layers[-1].kernel.numpy()[:, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(e.values[1], np.zeros((5, 3)))


@pytest.mark.parametrize(
    "options", [{"baseline": "blur", "steps": 2}, {"method": "grad_cam", "relu": False}], ids=["blur", "grad_cam"]
)
def test_series_of_several_lengths(options, rng):
    series = keras.Input((None, 2))
    seen = keras.layers.Conv1D(3, 2, strides=2, activation="tanh")(series)
    model = keras.Model(series, models.dense(2)(keras.layers.GlobalAveragePooling1D()(seen)))
    for length in (9, 7, 8, 10):
        x = rng.normal(size=(2, length, 2)).astype("float32")
        assert xai.explain(model, x, verbose=0, **options).values.shape[:2] == (2, length)


def test_a_progress_bar_only_where_it_is_asked_for(linear, x, capsys):
    _explain(linear, x)
    _explain(linear, x, verbose="auto", batch_size=5)
    assert not capsys.readouterr().out
    _explain(linear, x, verbose="auto")
    assert "2/2" in capsys.readouterr().out
