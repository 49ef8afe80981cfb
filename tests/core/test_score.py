"""Scores: one number per row, in every space, from every kind of output."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests import models
from tf_xai.core.gradients import gradients
from tf_xai.core.score import Score, narrow

SPACES = ["output", "logit", "log_probability", "probability"]


@pytest.fixture
def x(rng):
    """Three rows of four numbers."""
    return tf.constant(rng.normal(size=(3, 4)), tf.float32)


def _twins(build, activation):
    """The same network with and without its last activation."""
    model = build(final=activation)
    bare = build(final=None)
    bare.set_weights(model.get_weights())
    return model, bare


def _softmax(logits, space, output):
    e = np.exp(logits.astype("float64"))
    p = e / e.sum(axis=1, keepdims=True)
    return {"output": output, "logit": logits, "log_probability": np.log(p), "probability": p}[space]


def _sigmoid(logits, space, output):
    both = np.concatenate([-logits, logits], axis=1).astype("float64")
    p = 1 / (1 + np.exp(-both))
    return {"output": output, "logit": both, "log_probability": np.log(p), "probability": p}[space]


def _columns(score, x):
    """The score of every class in turn."""
    model_outputs = score.model(x)
    classes = score.values(model_outputs).shape[-1]
    return np.stack([score(x, tf.fill([len(x)], k)) for k in range(classes)], axis=1)


@pytest.mark.parametrize("space", SPACES)
def test_softmax(x, space):
    model, bare = _twins(models.mlp, "softmax")
    logits = bare(x).numpy()
    expected = _softmax(logits, space, model(x).numpy())
    np.testing.assert_allclose(_columns(Score(model, space=space), x), expected, rtol=1e-5, atol=1e-6)
    expected = _softmax(logits, space, logits)
    np.testing.assert_allclose(_columns(Score(bare, space=space, from_logits=True), x), expected, rtol=1e-5, atol=1e-6)
    bare.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    np.testing.assert_allclose(_columns(Score(bare, space=space), x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("space", SPACES)
def test_a_sigmoid_unit_knows_two_classes(x, space):
    one = lambda final: models.mlp(classes=1, final=final)
    model, bare = _twins(one, "sigmoid")
    logits, p = bare(x).numpy(), model(x).numpy()
    expected = _sigmoid(logits, space, np.concatenate([1 - p, p], axis=1))
    np.testing.assert_allclose(_columns(Score(model, space=space), x), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(Score(model, space=space)(x), expected[:, 1], rtol=1e-5, atol=1e-6)
    bare.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True))
    expected = _sigmoid(logits, space, np.concatenate([-logits, logits], axis=1))
    np.testing.assert_allclose(_columns(Score(bare, space=space), x), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(_columns(Score(bare, space=space, from_logits=True), x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("space", SPACES)
def test_several_sigmoid_units_are_classes_of_their_own(x, space):
    model, bare = _twins(models.mlp, "sigmoid")
    z = bare(x).numpy().astype("float64")
    p = 1 / (1 + np.exp(-z))
    expected = {"output": p, "logit": z, "log_probability": np.log(p), "probability": p}[space]
    np.testing.assert_allclose(_columns(Score(model, space=space), x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("space", SPACES)
def test_a_subclassed_model_is_known_by_its_loss(x, space):
    model = models.subclassed()
    if space != "output":
        with pytest.raises(ValueError, match=f"`space='{space}'` needs to know what the outputs are"):
            Score(model, space=space)(x)
    model.compile(loss="sparse_categorical_crossentropy")
    logits = keras.ops.matmul(model.hidden(x), model.head.kernel) + model.head.bias
    expected = _softmax(logits.numpy(), space, model(x).numpy())
    np.testing.assert_allclose(_columns(Score(model, space=space), x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "build", [lambda: models.mlp(final="softmax"), models.binary, lambda: models.nested((4, 4, 1))]
)
def test_logits_stay_exact_where_probabilities_saturate(build, rng):
    model = build()
    model.layers[-1].kernel.assign(model.layers[-1].kernel * 1e3)
    x = tf.constant(rng.normal(size=(3, *model.input_shape[1:])), tf.float32)
    slope = gradients(Score(model, space="logit"), x, tf.zeros(3, tf.int32))
    assert np.all(np.abs(tf.reshape(slope, [3, -1])).max(axis=1) > 1)


def test_two_outputs(x):
    model = models.two_outputs()
    outputs = model(x)
    for output in ("label", model.output_names.index("label")):
        np.testing.assert_allclose(Score(model, output=output)(x), np.max(outputs["label"], axis=1), rtol=1e-6)
    np.testing.assert_allclose(Score(model, output="amount")(x), outputs["amount"][:, 0], rtol=1e-6)
    with pytest.raises(ValueError, match=r"several outputs. Pass `output=`, one of \['label', 'amount'\]"):
        Score(model)(x)
    with pytest.raises(ValueError, match=r"Unknown `output`. .*'lable'. Did you mean 'label'"):
        Score(model, output="lable")(x)


def test_the_loss_of_each_output_tells_its_link(x):
    model = models.two_outputs()
    model.compile(loss={"label": "sparse_categorical_crossentropy", "amount": "mse"})
    assert Score(model, output="label").is_classifier
    assert not Score(model, output="amount").is_classifier
    expected = np.log(model(x)["label"][:, 1])
    score = Score(model, output="label", space="log_probability")
    np.testing.assert_allclose(score(x, tf.ones(3, tf.int32)), expected, rtol=1e-4)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_scores_of_half_precision_models_are_float32(x, policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = models.mlp()
    finally:
        keras.config.set_dtype_policy("float32")
    full = models.mlp()
    full.set_weights(model.get_weights())
    for space in SPACES:
        half, single = Score(model, space=space), Score(full, space=space)
        assert half(x).dtype == tf.float32
        np.testing.assert_allclose(half(x), single(x), rtol=0.05, atol=0.02)
        slope = gradients(half, x, tf.zeros(3, tf.int32))
        np.testing.assert_allclose(slope, gradients(single, x, tf.zeros(3, tf.int32)), rtol=0.1, atol=0.05)


def test_no_target_is_the_predicted_class(x):
    model = models.mlp()
    np.testing.assert_allclose(Score(model)(x), np.max(model(x), axis=1), rtol=1e-6)
    np.testing.assert_array_equal(Score(model).resolve(x, None), np.argmax(model(x), axis=1))


def test_weights_combine_the_outputs(x, rng):
    model, weights = models.mlp(), rng.normal(size=(3, 3)).astype("float32")
    np.testing.assert_allclose(Score(model)(x, weights), (model(x) * weights).numpy().sum(axis=1), rtol=1e-5)


def test_outputs_with_positions_take_weights(rng):
    image = keras.Input((4, 4, 1))
    model = keras.Model(image, keras.layers.Conv2D(2, 3, padding="same", activation="softmax")(image))
    x, weights = tf.ones((2, 4, 4, 1)), np.zeros((2, 4, 4, 2), "float32")
    weights[:, 1, 2, 0] = 1
    np.testing.assert_allclose(Score(model)(x, weights), model(x)[:, 1, 2, 0], rtol=1e-6)
    with pytest.raises(ValueError, match=r"`target` must be given for outputs of shape \(2, 4, 4, 2\)"):
        Score(model)(x)


@pytest.mark.parametrize("target", [np.zeros((3, 2)), np.zeros(3), np.zeros((3, 1), int), np.zeros((2, 3, 3))])
def test_a_target_of_another_shape_is_an_error(target):
    with pytest.raises(ValueError, match="`target` must hold integer classes"):
        narrow(tf.zeros((3, 3)), target)


@pytest.mark.parametrize("wrong", [-1, 3])
def test_classes_that_do_not_exist(x, wrong):
    score = Score(models.mlp())
    score(x)
    with pytest.raises(ValueError, match=f"`target` must be one of 3 classes, 0 to 2. Received: {wrong}"):
        score.check([0, wrong, 1])


@pytest.mark.parametrize(
    ("build", "space", "warns"),
    [
        (models.mlp, "output", True),
        (models.mlp, "probability", True),
        (models.mlp, "log_probability", False),
        (models.mlp, "logit", False),
        (lambda: models.mlp(final="sigmoid"), "output", False),
        (lambda: models.mlp(final=None), "output", False),
    ],
)
def test_a_sum_of_softmax_outputs_is_a_warning(x, build, space, warns, recwarn):
    score = Score(build(), space=space)
    score(x)
    score.check(np.ones((3, 3)))
    assert [("always sum to one" in str(entry.message)) for entry in recwarn] == [True] * warns


def test_labels_as_targets(x):
    classes, numbers = Score(models.mlp()), Score(models.regression())
    outputs = classes.model(x)
    for labels in (np.array([0, 2, 1]), np.array([[0], [2], [1]]), np.array([0.0, 2.0, 1.0])):
        np.testing.assert_array_equal(classes.from_labels(labels, outputs), [0, 2, 1])
    np.testing.assert_array_equal(classes.from_labels(np.eye(3), outputs), np.eye(3))
    only_output = numbers.from_labels(np.array([0.3, 0.5, 1.7]), numbers.model(x))
    np.testing.assert_array_equal(only_output, [0, 0, 0])


def test_an_unknown_space_is_named_with_the_nearest():
    with pytest.raises(ValueError, match=r"Unknown `space`.*Did you mean 'logit'"):
        Score(models.mlp(), space="logits")


def test_only_our_own_wrapper_is_looked_through(x):
    class Transfer(models.Subclassed):
        """The usual class for transfer learning has a `base` too."""

        def __init__(self):
            super().__init__()
            self.base = models.mlp(3)

    model, wrapped = Transfer(), xai.ExplainableModel(models.mlp(3))
    assert Score(model).model is model
    assert Score(wrapped).model is wrapped.base
