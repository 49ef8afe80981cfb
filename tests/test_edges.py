"""Edges that users meet: labels of every form, models edited after they were explained, calls in any order."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from keras import layers

import tf_xai as xai
from tests import models
from tf_xai.core import random
from tf_xai.core.score import Score
from tf_xai.training.evidence import split_evidence
from tf_xai.training.term import same_in_training


@pytest.fixture
def x(rng):
    return rng.normal(size=(6, 4)).astype("float32")


def explain(model, x, target=None, method="gradient", **options):
    return xai.explain(model, x, target, method=method, verbose=0, **options)


def test_targets_of_every_form_in_any_order(x):
    model, y = models.mlp(), np.arange(6) % 3
    expected = explain(model, x, y).values
    for target in (
        np.eye(3, dtype="float32")[y],
        y,
        np.eye(3, dtype=int)[y],
        y[:, None],
        y.astype("float32"),
        y.tolist(),
    ):
        np.testing.assert_allclose(explain(model, x, target).values, expected, rtol=1e-5, atol=1e-7)
    bound = xai.Explainer("gradient").bind(model)
    np.testing.assert_allclose(bound(x, target=1), explain(model, x, np.ones(6, int)).values, rtol=1e-5, atol=1e-7)


def test_fractions_and_regressions_have_no_class(x):
    with pytest.raises(ValueError, match="fractions"):
        explain(models.mlp(), x, np.full(6, 0.5))
    with pytest.raises(ValueError, match="regression has no classes"):
        explain(models.regression(), x, np.ones((6, 1)))


@pytest.mark.parametrize("labels", [[[0.25], [1.0]], [0.25, 1.0]])
def test_soft_labels_of_a_sigmoid_unit_weigh_both_classes(labels):
    score = Score(models.binary())
    outputs = tf.constant([[0.7], [0.6]])
    np.testing.assert_allclose(score.from_labels(np.float32(labels), outputs), [[0.75, 0.25], [0.0, 1.0]])


def test_labels_of_a_regression_on_several_counts_are_no_weights():
    model = models.mlp(final="exponential")
    model.compile("sgd", "poisson")
    labels = np.array([[5, 0, 2], [1, 1, 0]])
    np.testing.assert_array_equal(Score(model).from_labels(labels, tf.ones((2, 3))), np.ones((2, 3)))


def test_a_last_activation_swapped_after_explaining(x):
    model = models.mlp()
    before = explain(model, x, 0).score
    model.layers[-1].activation = keras.activations.linear
    after = explain(model, x, 0).score
    np.testing.assert_allclose(after, model.predict(x, verbose=0)[:, 0], rtol=1e-5)
    assert np.abs(after - before).max() > 0.01


def test_outputs_whose_keys_are_not_layer_names(x):
    inputs = keras.Input((4,))
    model = keras.Model(
        inputs, {"label": layers.Dense(3, name="a")(inputs), "amount": layers.Dense(1, name="b")(inputs)}
    )
    model.compile("sgd", {"label": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "amount": "mse"})
    e = explain(model, x, 1, output="label")
    np.testing.assert_allclose(e.score, model.predict(x, verbose=0)["label"][:, 1], rtol=1e-5)
    assert Score(model, output="label").link == ("softmax", True)
    assert Score(model, output="amount").link.kind == "identity"


def test_integers_beside_floats_are_held_fixed_and_named(rng):
    ids, amount = keras.Input((1,), dtype="int32", name="job"), keras.Input((2,), name="amount")
    merged = layers.Concatenate()([layers.CategoryEncoding(5, "one_hot")(ids), amount])
    model = keras.Model({"job": ids, "amount": amount}, models.dense(2, "softmax")(merged))
    x = {"job": rng.integers(0, 5, (4, 1)), "amount": rng.normal(size=(4, 2)).astype("float32")}
    with pytest.warns(UserWarning, match="held fixed"):
        e = explain(model, x, 0, method="integrated_gradients")
    assert not e.values["job"].any() and e.values["amount"].any(axis=1).all()
    assert e.info["notes"]
    assert {"job", "amount0", "amount1"} <= set(e.to_frame().columns)
    held = {**x, "amount": np.zeros((4, 2), "float32")}
    np.testing.assert_allclose(e.baseline_score, model.predict(held, verbose=0)[:, 0], rtol=1e-5)


def _of_strings():
    job, amount = keras.Input((1,), dtype="string", name="job"), keras.Input((2,), name="amount")
    numbers = layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")(job)
    model = keras.Model([job, amount], models.dense(2, "softmax")(layers.Concatenate()([numbers, amount])))
    return model, [tf.constant([["a"], ["b"], ["c"]]), np.ones((3, 2), "float32")]


@pytest.mark.parametrize("method", ["gradient", "gradient_input", "integrated_gradients", "smooth_grad", "exact_shap"])
def test_strings_are_held_fixed_and_a_warning_says_so_at_every_call(method):
    model, x = _of_strings()
    bound = xai.Explainer(method).bind(model)
    for call in (lambda: explain(model, x, 0, method).values, lambda: bound(x, 0)):
        for _ in range(2):
            with pytest.warns(UserWarning, match="Strings that no `Embedding` looks up.*Encode categories") as caught:
                job, amount = call()
            assert len(caught) == 1 and caught[0].filename == __file__
            assert not np.any(job) and np.any(amount)


def test_byte_images_are_not_held_fixed():
    flat = np.full((2, 8, 8, 1), 7, "uint8")
    with pytest.warns(UserWarning, match="All attributions of all rows are zero"):
        e = explain(models.cnn(), flat, 0, "integrated_gradients", baseline="mean")
    assert not e.info["notes"]


def test_frames_keep_their_row_labels_and_read_mixed_columns(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0], "owner": [True, False], "score": [0.5, 1.5]}, index=[18711, 23293])
    model = models.linear()
    e = explain(model, frame, 0, method="integrated_gradients")
    table = e.to_frame()
    assert table.index.tolist() == [18711, 23293]
    assert {"a", "owner", "score", "xai_score"} <= set(table.columns)
    e.save(tmp_path / "e")
    assert xai.Explanation.load(tmp_path / "e").to_frame().equals(table)


def test_masks_of_batches_of_unknown_size_keep_their_rows():
    masks = np.eye(4, dtype="float32")
    data = tf.data.Dataset.zip(
        tf.data.Dataset.from_tensor_slices(np.ones((4, 4), "float32")).batch(4),
        tf.data.Dataset.from_tensor_slices(masks).batch(4, drop_remainder=True),
    ).map(lambda x, m: xai.with_evidence(x, irrelevant=m))
    np.testing.assert_array_equal(split_evidence(next(iter(data)))[1], masks)


@pytest.mark.parametrize("value", [np.nan, 7.0, -1.0])
def test_masks_hold_shares(x, value):
    with pytest.raises(ValueError, match="from 0 to 1"):
        xai.with_evidence(x, irrelevant=np.full(x.shape, value))


def test_draws_of_successive_steps_are_different():
    first, second = (random.normals(tf.constant([0, step]), tf.range(8), (3,)).numpy() for step in (4, 5))
    assert not np.isin(first, second).any()


@pytest.mark.parametrize("layer", [layers.RandomFlip(), layers.RandomContrast(0.5), layers.BatchNormalization()])
def test_layers_that_draw_or_normalise_are_not_shared(layer):
    build = lambda extra: keras.Sequential([keras.Input((6, 6, 1)), *extra, layers.Flatten(), layers.Dense(2)])
    assert same_in_training(build([]))
    assert not same_in_training(build([layer]))


def test_automatic_weights_survive_another_compilation(x, tmp_path):
    model, y = xai.ExplainableModel(models.mlp()), np.arange(6) % 3
    for loss in (xai.losses.RightReasons(weight="auto"), xai.losses.LIMEFidelity(weight="auto")):
        model.compile("adam", "sparse_categorical_crossentropy", explanation_loss=loss)
        history = model.fit(xai.with_evidence(x, irrelevant=np.ones_like(x)), y, verbose=0).history
    assert history["xai_lime_fidelity_weight"][0] > 0
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    weights = {weight.name: float(weight) for weight in loaded.training_state.weights}
    assert weights["lime_fidelity"] == pytest.approx(history["xai_lime_fidelity_weight"][0])


def test_grad_cam_looks_at_the_branch_of_the_explained_output(rng):
    image = keras.Input((8, 8, 1))
    seen = layers.Conv2D(3, 3, activation="tanh", padding="same", strides=2)(image)
    label = layers.Dense(2, name="label")(layers.GlobalAveragePooling2D()(seen))
    decoded = layers.Conv2DTranspose(1, 2, strides=2, name="decoded")(layers.Conv2D(2, 1)(seen))
    model = keras.Model(image, [label, decoded])
    e = explain(model, rng.random((2, 8, 8, 1)), 1, method="grad_cam", output="label", relu=False, resize=False)
    assert e.values.shape == (2, 4, 4, 1) and np.abs(e.values).max() > 0


def test_grad_cam_takes_the_last_layer_also_where_the_head_has_none(rng):
    class Head(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.last = layers.Conv2D(3, 3), layers.Conv2D(2, 3)

        def call(self, inputs):
            return keras.ops.mean(self.last(self.first(inputs)), axis=(1, 2))

    e = explain(Head(), rng.random((2, 8, 8, 1)), 1, method="grad_cam", relu=False, resize=False)
    assert e.values.shape == (2, 4, 4, 1)


def test_a_row_alone_has_no_others_to_compare_with(x):
    bound = xai.Explainer("expected_gradients", samples=2).bind(models.mlp())
    for rows in (4, 3):
        bound(x[:rows])
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="Pass `background=`"):
        bound(x[:1])


def test_two_explainers_of_two_outputs_have_targets_of_their_own(x):
    model = models.two_outputs()
    model.compile("adam", {"label": "sparse_categorical_crossentropy", "amount": "mse"})
    y = {"label": np.arange(6) % 3, "amount": x[:, :1]}
    explainers = {name: xai.Explainer("integrated_gradients", output=name) for name in y}
    callback = xai.callbacks.ExplanationMetrics(x, y, explainers=explainers, metrics=["completeness"], control=False)
    history = model.fit(x, y, verbose=0, callbacks=[callback]).history
    assert max(history["xai_label_completeness"][0], history["xai_amount_completeness"][0]) < 0.05
    with pytest.raises(ValueError, match="an entry for every row"):
        xai.callbacks.ExplanationMetrics(x, y["label"][:5])


def test_being_sure_does_not_pass_for_being_linear(x):
    """A saturated softmax: its logits are as curved as before, and the penalty says so."""
    model = models.mlp()
    penalty = lambda: xai.losses.LIMEFidelity(samples=200).call(
        xai.losses.LIMEFidelity().bind(model), _batch(tf.constant(x), tf.zeros(6, tf.int32))
    )
    before = penalty().numpy()
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, bias + np.array([30.0, 0.0, 0.0])])
    assert model.predict(x, verbose=0)[:, 0].min() > 0.999
    np.testing.assert_allclose(penalty(), before, rtol=0.05)


def _batch(inputs, target):
    return xai.losses.base.Batch(inputs, target, None, tf.constant([0, 1]), None)
