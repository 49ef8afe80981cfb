"""What ids there are among the inputs, and what may stand in for them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Model, layers, ops

import tf_xai as xai
from tests import models
from tests.token_models import LENGTH, VOCABULARY, Positions, build, draw_ids, embedding, explain
from tf_xai.core.baselines import Samples


@pytest.fixture
def ids(rng):
    """Four rows of ids, of which two end in padding."""
    return draw_ids(rng)


def _score(model, vectors, target):
    cut = Model(model.layers[1].output, model.output)
    return np.take_along_axis(cut(vectors).numpy(), target[:, None], 1)[:, 0]


def test_baselines(ids, rng):
    """Names are meant at the embedding; an id, ids for all rows or for every row, samples and functions are ids."""
    model = build()
    table, target = model.layers[1].get_weights()[0], np.array([0, 2, 1, 1])
    per_row = rng.integers(0, VOCABULARY, size=ids.shape)
    data = rng.integers(0, VOCABULARY, size=(7, LENGTH))
    drawn = np.concatenate([Samples(data)(tf.constant(ids[:2])), Samples(data)(tf.constant(ids[2:]))])
    cases = [
        ("zeros", np.zeros((4, LENGTH, 4))),
        (3, np.broadcast_to(table[3], (4, LENGTH, 4))),
        (per_row[0], np.broadcast_to(table[per_row[0]], (4, LENGTH, 4))),
        (per_row, table[per_row]),
        (Samples(data), table[drawn]),
        (lambda x: tf.ones_like(x), np.broadcast_to(table[1], (4, LENGTH, 4))),
    ]
    for baseline, vectors in cases:
        e = xai.explain(model, ids, target, baseline=baseline, batch_size=2, verbose=0, steps=64)
        np.testing.assert_allclose(e.baseline_score, _score(model, vectors, target), rtol=1e-5, err_msg=str(baseline))
        np.testing.assert_allclose(e.residual, np.zeros(4), atol=2e-3)


def test_a_baseline_of_ids_that_are_none_is_an_error(ids):
    for wrong in (0.5, np.ones((4, LENGTH), "float32"), np.ones((3,), int)):
        with pytest.raises(ValueError, match="`baseline` of token ids must be a name, an id or ids that broadcast to"):
            explain(build(), ids, "deep_lift", baseline=wrong)


@pytest.mark.parametrize("baseline", ["zeros", 2, np.arange(LENGTH)])
def test_ids_in_a_float_input(ids, baseline):
    """`keras.Input((T,))` without a dtype takes floats, and they may be ids all the same."""
    model = build(dtype="float32")
    whole = build()
    whole.set_weights(model.get_weights())
    values = explain(model, ids, "integrated_gradients", baseline=baseline).values
    np.testing.assert_allclose(values, explain(whole, ids, "integrated_gradients", baseline=baseline).values, rtol=1e-5)
    np.testing.assert_allclose(
        explain(model, ids, "grad_cam", relu=False).values, explain(whole, ids, "grad_cam", relu=False).values
    )


def test_two_inputs_may_share_an_embedding(ids):
    first, second, table = Input((LENGTH,), dtype="int32"), Input((2,), dtype="int32"), embedding()
    joined = layers.Concatenate()([layers.Flatten()(table(entry)) for entry in (first, second)])
    model = Model([first, second], layers.Dense(1)(joined))
    e = explain(model, [ids, ids[:, :2]], "deep_lift")
    kernel, vectors = model.layers[-1].kernel.numpy()[:, 0], table.get_weights()[0]
    terms = np.concatenate([vectors[ids], vectors[ids[:, :2]]], 1) * kernel.reshape(1, -1, 4)
    np.testing.assert_allclose(np.concatenate(e.values, 1), terms.sum(-1), rtol=1e-4, atol=1e-6)


def test_ids_that_are_looked_up_twice_are_one_player(rng):
    """User and item in a factorisation beside a network: one vector each, from two tables."""
    entries = [Input((1,), dtype="int32"), Input((1,), dtype="int32")]
    wide = layers.Multiply()([layers.Flatten()(embedding()(entry)) for entry in entries])
    deep = layers.Concatenate()([layers.Flatten()(embedding()(entry)) for entry in entries])
    model = Model(entries, layers.Dense(1)(layers.Concatenate()([wide, models.dense(3, "tanh")(deep)])))
    x = [rng.integers(0, VOCABULARY, size=(3, 1)) for _ in entries]
    e = explain(model, x, "exact_shap", baseline=0)
    score = lambda user, item: model([user, item]).numpy()
    none = [np.zeros((3, 1), int)] * 2
    alone = score(x[0], none[1]) - score(*none)
    user = (alone + score(*x) - score(none[0], x[1])) / 2
    np.testing.assert_allclose(e.values[0], user, rtol=1e-4, atol=1e-6)
    slopes = explain(model, x, "gradient").values
    assert [slope.shape for slope in slopes] == [(3, 1), (3, 1)]


def _mixed(mask="bool"):
    """Ids and their mask, and two numbers."""
    inputs = {"ids": Input((LENGTH,), dtype="int32", name="ids"), "mask": Input((LENGTH,), dtype=mask, name="mask")}
    inputs["table"] = Input((2,), name="table")
    seen = embedding()(inputs["ids"]) * layers.Lambda(lambda m: ops.cast(m, "float32")[..., None])(inputs["mask"])
    seen = layers.Conv1D(4, 3, padding="same", activation="relu")(seen)
    joined = layers.Concatenate()([layers.GlobalAveragePooling1D()(seen), inputs["table"]])
    return Model(inputs, models.dense(3, "softmax")(joined))


def _mixed_rows(ids, rng, mask="bool"):
    return {"ids": ids, "mask": (ids > 0).astype(mask), "table": rng.normal(size=(4, 2)).astype("float32")}


@pytest.mark.parametrize("method", ["integrated_gradients", "deep_lift", "exact_shap", "expected_gradients"])
def test_ids_numbers_and_a_mask(method, ids, rng):
    x = _mixed_rows(ids, rng)
    options = {"regions": {"ids": np.array([0, 0, 1, 1, 2, 2]), "mask": None, "table": "columns"}}
    e = explain(_mixed(), x, method, **(options if method == "exact_shap" else {}))
    assert {name: leaf.shape for name, leaf in e.values.items()} == {"ids": (4, 6), "mask": (4, 6), "table": (4, 2)}
    assert not e.values["mask"].any()
    assert np.abs(e.values["ids"]).max() > 1e-3 and np.abs(e.values["table"]).max() > 1e-3
    np.testing.assert_allclose(e.values["ids"].reshape(4, 3, 2)[[1, 3], 2], np.zeros((2, 2)), atol=1e-7)
    if method != "expected_gradients":
        np.testing.assert_allclose(e.residual, np.zeros(4), atol=1e-3)


def test_a_baseline_for_every_input(ids, rng):
    x, model = _mixed_rows(ids, rng), _mixed()
    mean = x["table"].mean(axis=0)
    e = explain(model, x, "integrated_gradients", baseline={"ids": 2, "mask": "zeros", "table": mean}, steps=64)
    origin = x | {"ids": np.full_like(ids, 2), "table": np.broadcast_to(mean, (4, 2))}
    expected = np.take_along_axis(model(origin).numpy(), e.target[:, None], 1)[:, 0]
    np.testing.assert_allclose(e.baseline_score, expected, rtol=1e-5)
    with pytest.raises(ValueError, match="`baseline` must have the structure of `inputs`"):
        explain(model, x, "integrated_gradients", baseline={"ids": 2})


def test_integers_beside_are_held_and_a_warning_says_so(ids, rng):
    model, x = _mixed("int32"), _mixed_rows(ids, rng, "int32")
    with pytest.warns(UserWarning, match=r"no `Embedding` looks up are held fixed.*int32 of shape \(.*6\)"):
        e = explain(model, x, "deep_lift")
    assert not e.values["mask"].any() and e.values["ids"].any()


@pytest.mark.parametrize("method", ["grad_cam", "grad_cam_plus_plus", "hires_cam", "layer_cam"])
def test_maps_are_placed_at_the_ids_not_at_an_integer_mask(method, ids, rng):
    model, x = _mixed("int32"), _mixed_rows(ids, rng, "int32")
    boolean = _mixed()
    boolean.set_weights(model.get_weights())
    explainer = xai.Explainer(method, relu=False)
    values = explainer.bind(model)(x)
    assert values["ids"].shape == (4, LENGTH) and np.any(values["ids"]) and not np.any(values["mask"])
    same = explainer.bind(boolean)(x | {"mask": ids > 0})
    np.testing.assert_allclose(values["ids"], same["ids"], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("method", ["attention_rollout", "attention_relevance"])
def test_so_is_attention(method, ids):
    tokens, mask = Input((LENGTH,), dtype="int32"), Input((LENGTH,), dtype="int32")
    x = embedding()(tokens)
    x = layers.MultiHeadAttention(2, 3)(x, x, attention_mask=ops.cast(mask, "bool")[:, None])
    model = Model([tokens, mask], models.dense(3)(layers.GlobalAveragePooling1D()(x)))
    values = explain(model, [ids, (ids > 0).astype("int32")], method).values
    assert values[0].shape == (4, LENGTH) and values[0].any() and not values[1].any()


def test_layers_and_models_of_the_users_own(ids):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.look_up, self.head = Positions(), layers.Dense(1)

        def call(self, ids):
            return self.head(ops.mean(ops.tanh(self.look_up(ids)), axis=1))

    model = Net()
    model(ids)
    e = explain(model, ids, "deep_lift")
    np.testing.assert_allclose(e.residual, np.zeros(4), atol=1e-6)
    # Positions are looked up too, but of no id: they are part of the model.
    places = np.tanh(model.look_up.positions.get_weights()[0])
    expected = places.mean(axis=0) @ model.head.kernel.numpy()[:, 0] + model.head.bias.numpy()
    np.testing.assert_allclose(e.baseline_score, np.full(4, expected), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_column_of_ids(shape, rng):
    ids = Input(shape, dtype="int32")
    number = Input((2,))
    vector = layers.Reshape((4,))(embedding()(ids))
    model = Model([ids, number], layers.Dense(1)(layers.Concatenate()([vector, number])))
    x = [rng.integers(0, VOCABULARY, size=(3, *shape)), rng.normal(size=(3, 2)).astype("float32")]
    kernel, table = model.layers[-1].kernel.numpy()[:, 0], model.get_weights()[0]
    expected = (table[x[0]] @ kernel[:4]).reshape(x[0].shape)
    for method in ("deep_lift", "exact_shap", "integrated_gradients"):
        values = explain(model, x, method).values
        np.testing.assert_allclose(values[0], expected, rtol=1e-4, atol=1e-6, err_msg=method)
        np.testing.assert_allclose(values[1], x[1] * kernel[4:], rtol=1e-4, atol=1e-6, err_msg=method)


def test_ids_that_are_taken_apart_are_an_error(rng):
    ids = Input((3,), dtype="int32")
    model = Model(ids, layers.Dense(1)(embedding()(ids[:, 0])))
    with pytest.raises(ValueError, match=r"taken apart before .* looks them.*inputs of their own"):
        explain(model, rng.integers(0, 5, size=(2, 3)), "deep_lift")


def test_integers_that_nothing_looks_up_are_an_error(rng):
    x = Input((3,), dtype="int32")
    model = Model(x, layers.Dense(1)(ops.cast(x, "float32")))
    with pytest.raises(TypeError, match=r"Only floating inputs can be explained.*astype\('float32'\)"):
        explain(model, rng.integers(0, 5, size=(2, 3)), "integrated_gradients")
