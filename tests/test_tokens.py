"""Token ids are explained where they are looked up, one number per token, by every method."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Model, layers

import tf_xai as xai
from tests.token_models import LENGTH, VOCABULARY, build, draw_ids, embedding, explain
from tf_xai import attributions
from tf_xai.core.trees import length


@pytest.fixture
def ids(rng):
    """Four rows of ids, of which two end in padding."""
    return draw_ids(rng)


@pytest.mark.parametrize(
    ("kind", "method", "options"),
    [
        *[(kind, "deep_lift", {}) for kind in ("conv", "lstm", "gru", "transformer")],
        *[(kind, "integrated_gradients", {"steps": 64}) for kind in ("conv", "lstm")],
        *[(kind, "exact_shap", {}) for kind in ("conv", "lstm")],
    ],
)
def test_values_are_one_number_per_token_and_add_up(kind, method, options, ids):
    e = explain(build(kind), ids, method, space="logit", **options)
    assert e.values.shape == ids.shape and e.values.dtype == "float32"
    assert np.abs(e.score - e.baseline_score).min() > 1e-3
    np.testing.assert_array_less(np.abs(e.residual), 1e-4 * np.abs(e.score).max())


@pytest.mark.parametrize(("kind", "method"), [("lstm", "exact_shap"), ("transformer", "deep_lift")])
def test_values_against_a_background_of_ids_add_up(kind, method, ids, rng):
    """Padding is that of the explained row, also where references are scored."""
    background = rng.integers(0, VOCABULARY, size=(5, LENGTH))
    e = explain(build(kind), ids, method, background=background, space="logit")
    np.testing.assert_allclose(e.residual, np.zeros(4), atol=2e-5)
    assert np.abs(e.score - e.baseline_score).max() > 1e-2


SMALL = {"integrated_gradients": {"steps": 8}, "guided_integrated_gradients": {"steps": 4}, "lime": {"samples": 60}}
SMALL |= {"kernel_shap": {"samples": 64}, "permutation_shap": {"samples": 40}}

GENERAL = ["gradient", "gradient_input", "integrated_gradients", "expected_gradients", "smooth_grad", "lime"]
GENERAL += ["guided_integrated_gradients", "deep_lift", "lrp", "guided_backprop", "deconvnet", "occlusion"]
GENERAL += ["exact_shap", "kernel_shap", "permutation_shap"]

# Their draws, or the size of their groups, differ with the number of inputs.
DRAWN = {"smooth_grad", "guided_integrated_gradients"}


@pytest.mark.parametrize("method", sorted(set(GENERAL) - DRAWN))
def test_is_what_the_model_behind_the_embedding_gives(method, ids):
    """By hand: cut the model behind its embedding, explain the vectors, make one number of each."""
    model = build()
    cut = Model(model.layers[1].output, model.output)
    options = dict(SMALL.get(method, {}))
    pool = tf.reduce_mean if method == "occlusion" else tf.reduce_sum
    pool = length if method in ("gradient", "guided_backprop", "deconvnet") else pool
    by_hand = options | ({"regions": "tokens"} if xai.Explainer(method).has("regions") else {})
    vectors = model.layers[1](ids).numpy()
    expected = pool(explain(cut, vectors, method, **by_hand).values, axis=-1)
    values = explain(model, ids, method, **options).values
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-6)
    assert np.abs(values).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("method", GENERAL)
def test_every_method_serves_unknown_batch_sizes_and_xla(method, ids):
    model, options = build(), SMALL.get(method, {})
    bound, x, target = (
        xai.Explainer(method, **options).bind(model),
        tf.constant(ids, tf.int32),
        tf.constant([0, 1, 2, 0]),
    )
    eager = bound.attribute(x, target)
    shapes = [tf.TensorSpec([None, LENGTH], tf.int32), tf.TensorSpec([None], tf.int32)]
    inside = tf.function(lambda x, t: bound(x, t), input_signature=shapes, autograph=False)
    np.testing.assert_allclose(inside(x, target), eager, rtol=1e-4, atol=1e-6)
    if method in ("integrated_gradients", "deep_lift", "exact_shap"):
        compiled = tf.function(bound.attribute, jit_compile=True, autograph=False)
        np.testing.assert_allclose(compiled(x, target), eager, rtol=1e-4, atol=1e-5)


def test_a_row_does_not_depend_on_its_batch(ids):
    model, options = build("dense"), {"method": "kernel_shap", "samples": 64, "verbose": 0, "target": 1}
    whole = xai.explain(model, ids, **options).values
    parts = xai.explain(model, ids, batch_size=1, **options).values
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-6)


def test_tokens_are_players_however_many_there_are(rng):
    """Not the sixteen cells that a series is cut into."""
    ids = Input((20,), dtype="int32")
    model = Model(ids, layers.Dense(1, use_bias=False)(layers.Flatten()(embedding()(ids))))
    x = rng.integers(0, VOCABULARY, size=(2, 20))
    exact = explain(model, x, "gradient_input").values
    np.testing.assert_allclose(explain(model, x, "kernel_shap", samples=100).values, exact, rtol=1e-3, atol=1e-5)


def test_regions_are_those_of_the_ids(ids):
    """Labels of words, one per token; or groups of positions, or labels of every row's own."""
    model = build("dense")
    words = np.array([0, 0, 1, 2, 2, 2])
    values = lambda regions, **options: explain(model, ids, "exact_shap", regions=regions, **options).values
    labels = values(words)
    assert np.all(np.ptp(labels[:, 3:], axis=1) < 1e-7), "equal parts of the word's value"
    np.testing.assert_allclose(values([[0, 1], [2], [3, 4, 5]]), labels, rtol=1e-5, atol=1e-7)
    own = np.stack([words, words, words, words[::-1]])
    each = values(own, batch_size=3)
    np.testing.assert_allclose(each[:3], labels[:3], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(each[3:], explain(model, ids[3:], "exact_shap", regions=words[::-1]).values, atol=1e-6)
    for name in ("tokens", "columns", "features", "cells"):
        np.testing.assert_allclose(values(name), values(None), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("method", ["guided_grad_cam", "score_cam"])
def test_methods_that_multiply_the_input_name_another_that_works(method, ids):
    model = build()
    with pytest.raises(TypeError, match=r"token ids can not be multiplied.*Use '\w+' or '\w+'") as error:
        explain(model, ids, method)
    for other in str(error.value).split("Use ")[1].split("'")[1::2]:
        assert explain(model, ids, other).values.shape == ids.shape


def test_the_model_is_left_as_it_was(ids):
    model = build("transformer")
    before, known = model.get_weights(), [sorted(vars(layer)) for layer in model._flatten_layers(include_self=False)]
    outputs = model(ids)
    explain(model, ids, "exact_shap")
    assert [sorted(vars(layer)) for layer in model._flatten_layers(include_self=False)] == known
    np.testing.assert_array_equal(model(ids), outputs)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_mixed_precision(ids):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = build()
    finally:
        keras.config.set_dtype_policy("float32")
    whole = build()
    whole.set_weights(model.get_weights())
    values = explain(model, ids, "integrated_gradients").values
    assert values.dtype == "float32"
    np.testing.assert_allclose(values, explain(whole, ids, "integrated_gradients").values, atol=5e-3)


@pytest.mark.slow
def test_training_on_tokens_with_padding_has_finite_slopes(ids):
    """Vectors of padding are zero, and so are their slopes: the length of zero has a slope of zero."""
    model = build("lstm")
    table = model.layers[1].get_weights()[0]
    table[0] = 0
    model.layers[1].set_weights([table])
    bound, target = xai.Explainer("gradient").bind(model), tf.constant([0, 1, 2, 0])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(bound.attribute(tf.constant(ids, tf.int32), target)))
    slopes = tape.gradient(loss, [weight.value for weight in model.trainable_weights], unconnected_gradients="zero")
    slopes = [np.asarray(tf.convert_to_tensor(slope)) for slope in slopes]
    assert all(np.isfinite(slope).all() for slope in slopes) and np.abs(slopes[0]).max() > 0
    trained = xai.ExplainableModel(model)
    trained.compile("adam", "sparse_categorical_crossentropy", explanation_loss=xai.losses.RightReasons())
    evidence = xai.with_evidence(ids, irrelevant=(ids == 0).astype("float32"))
    history = trained.fit(evidence, np.array([0, 1, 2, 0]), epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_every_token_method_is_covered_here():
    own_layer = {name for name in attributions.METHODS if xai.Explainer(name).has("layer")}
    assert set(GENERAL) == set(attributions.METHODS) - own_layer - {"rise"}
