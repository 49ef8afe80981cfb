"""Data, models and a hand-written training step for the tests of `ExplainableModel`."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import tf_xai as xai
from tests.models import dense, mlp

RATE = 0.1  # of the SGD that all comparisons of weights use
CROSSENTROPY = "sparse_categorical_crossentropy"


def table(rng, rows=12, features=4, classes=3):
    """Standard normal columns and random classes."""
    return rng.normal(size=(rows, features)).astype("float32"), rng.integers(0, classes, rows)


def masks_like(rng, x):
    """Random masks of zeros and ones, one per row."""
    return keras.tree.map_structure(lambda leaf: rng.integers(0, 2, leaf.shape).astype("float32"), x)


def compiled(base, explanation_loss, loss=CROSSENTROPY, **options):
    """An `ExplainableModel` with SGD."""
    model = xai.ExplainableModel(base)
    options = {"optimizer": keras.optimizers.SGD(RATE), **options}
    model.compile(loss=loss, explanation_loss=explanation_loss, **options)
    return model


def fit(model, x, y=None, batch_size=32, **options):
    """The history of a quiet fit in the order of the rows."""
    return model.fit(x, y, batch_size=batch_size, shuffle=False, verbose=0, **options).history


def trained(base, explanation_loss, x, y, fit_options=None, **options):
    """Weights and history after a fit from the present weights of `base`, which are put back."""
    start = base.get_weights()
    history = fit(compiled(base, explanation_loss, **options), x, y, **(fit_options or {}))
    end = base.get_weights()
    base.set_weights(start)
    return end, history


def assert_close(weights, expected, tolerance=1e-5):
    for w, e in zip(weights, expected, strict=True):
        np.testing.assert_allclose(w, e, rtol=tolerance, atol=tolerance)


def assert_identical(weights, expected):
    for w, e in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(w, e)


def squared_gradients(base, score, x, masks):
    """Per row, `sum_d (mask_d * d score / d x_d)^2`, in a forward pass of its own."""
    x = keras.tree.map_structure(tf.constant, x)
    leaves = keras.tree.flatten(x)
    with tf.GradientTape() as tape:
        tape.watch(leaves)
        total = tf.reduce_sum(score(base(x, training=False)))
    slopes = tape.gradient(total, leaves)
    wrong = [tf.reshape(m * s, (len(s), -1)) for m, s in zip(keras.tree.flatten(masks), slopes, strict=True)]
    return tf.add_n([tf.reduce_sum(tf.square(w), axis=1) for w in wrong])


def log_probabilities(probabilities):
    """The score of the paper: the sum of the log-probabilities of all classes."""
    return tf.reduce_sum(tf.math.log(probabilities), axis=-1)


def step_by_hand(base, x, y, task, penalty):
    """The trainable weights after one step of SGD on `task(y, outputs) + penalty()`; the model is not changed."""
    start = base.get_weights()
    with tf.GradientTape() as tape:
        loss = task(y, base(x, training=True)) + penalty()
    base.set_weights(start)  # BatchNorm has moved its statistics
    gradients = tape.gradient(loss, base.trainable_variables)
    return [(w - RATE * g).numpy() for w, g in zip(base.trainable_variables, gradients, strict=True)]


class Hidden(xai.losses.ExplanationLoss):
    """The squared activations of the first layer: the others have no gradient."""

    def __init__(self, base, **common):
        super().__init__(**common)
        self.first = base.layers[0]

    def bind(self, model):
        return xai.Score(model)

    def call(self, explain, batch):
        return self.of(batch.inputs)

    def of(self, x):
        return tf.reduce_sum(tf.square(self.first(x)), axis=1)


def trainable(base):
    return [w.numpy() for w in base.trainable_variables]


def mean_crossentropy(y, probabilities):
    return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, probabilities))


def functional(inputs=4, classes=3):
    x = keras.Input((inputs,))
    return keras.Model(x, dense(classes, "softmax")(dense(6, "tanh")(x)))


def unbuilt():
    """A Sequential that does not know its input shape yet."""
    return keras.Sequential([dense(6, "tanh"), dense(3, "softmax")])


def with_batch_norm(inputs=4, classes=3):
    hidden = [dense(6, "tanh"), layers.BatchNormalization()]
    return keras.Sequential([keras.Input((inputs,)), *hidden, dense(classes, "softmax")])


def with_dropout(inputs=4, classes=3):
    return keras.Sequential([keras.Input((inputs,)), dense(8, "tanh"), layers.Dropout(0.5), dense(classes, "softmax")])


def with_own_losses(inputs=4, classes=3):
    """A base that regularises its activations and its kernel, and adds a loss of its own."""
    options = {"activity_regularizer": keras.regularizers.L2(0.1), "kernel_regularizer": keras.regularizers.L2(0.1)}
    hidden = [dense(6, "tanh", **options), AddsLoss()]
    return keras.Sequential([keras.Input((inputs,)), *hidden, dense(classes, "softmax")])


class AddsLoss(layers.Layer):
    """Adds a tenth of the mean absolute activation to the loss."""

    def call(self, inputs):
        self.add_loss(0.1 * keras.ops.mean(keras.ops.abs(inputs)))
        return inputs


def with_separate_pass(inputs=4, classes=3):
    """Like `mlp`, with a layer that takes `training` and ignores it: the losses can not share its forward pass."""
    model = mlp(inputs, classes)
    return keras.Sequential([keras.Input((inputs,)), *model.layers[:1], TakesTraining(), *model.layers[1:]])


class TakesTraining(layers.Layer):
    def call(self, inputs, training=None):
        return inputs
