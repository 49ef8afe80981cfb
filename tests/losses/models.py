"""How the tests of the losses ask one for its value, and what they check on every one."""

import keras
import numpy as np
import tensorflow as tf

import tf_xai as xai
from tests.models import mlp, regression
from tf_xai.losses.base import Batch


def rows(loss, model, x, y=None, irrelevant=None, step=0, weights=None):
    """The penalty of every row, for a training step of this number, with these sample weights."""
    x = keras.tree.map_structure(tf.convert_to_tensor, x)
    bound = loss.bind(model)
    score = loss.score(bound)
    outputs = model(x)
    y = np.zeros(len(outputs), int) if y is None else y
    target = loss.target(score, score.select(y), outputs)
    return loss.call(bound, Batch(x, target, irrelevant, tf.stack([0, step]), outputs, weights))


def weight_gradients(model, penalty):
    """The gradients of the mean penalty with respect to the trainable weights, zero where there is none."""
    with tf.GradientTape() as tape:
        mean = tf.reduce_mean(penalty())
    slopes = tape.gradient(mean, model.trainable_variables)
    return [
        tf.zeros_like(v) if s is None else tf.convert_to_tensor(s)
        for v, s in zip(model.trainable_variables, slopes, strict=True)
    ]


def assert_gradients_by_finite_differences(model, penalty, tolerance=0.02, step=5e-3):
    """Central differences of the mean penalty along one random direction per weight; steps that meet no kink."""
    rng = np.random.default_rng(0)
    mean = lambda: float(tf.reduce_mean(penalty()))
    for variable, slope in zip(model.trainable_variables, weight_gradients(model, penalty), strict=True):
        start = variable.numpy()
        direction = rng.normal(size=start.shape)
        ends = []
        for sign in (1, -1):
            variable.assign(start + sign * step * direction)
            ends.append(mean())
        variable.assign(start)
        numeric = (ends[0] - ends[1]) / (2 * step)
        exact = float(np.sum(slope.numpy() * direction))
        np.testing.assert_allclose(exact, numeric, rtol=tolerance, atol=1e-4, err_msg=variable.path)


def assert_a_constant_model_is_harmless(loss):
    """Penalty 0, and finite gradients, where there is nothing to explain."""
    model, x = regression(), np.random.default_rng(1).normal(size=(6, 4)).astype("float32")
    model.set_weights([np.zeros_like(w) for w in model.get_weights()[:2]] + model.get_weights()[2:])
    penalty = lambda: rows(loss, model, x, np.zeros((6, 1), "float32"))
    np.testing.assert_allclose(penalty(), np.zeros(6), atol=1e-6)
    assert all(np.isfinite(slope).all() for slope in weight_gradients(model, penalty))


def network(activation):
    """Table to logits of three classes, compiled so that they are known as such; wide weights make it curved."""
    model = mlp(activation=activation, final=None)
    model.set_weights([2 * w for w in model.get_weights()])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def rough(inputs):
    """Table to one number, over wide weights: a model that is far from linear before it has learnt anything."""
    base = regression(inputs, units=24)
    kernel, *others = base.get_weights()
    base.set_weights([4 * kernel, *others])
    base.compile("sgd", "mse")
    return base


def trained(base, task, x, y, explanation_loss, steps=100, rate=0.02):
    """The task loss after so many steps, each with all rows."""
    model = xai.compile(base, keras.optimizers.Adam(rate), task, explanation_loss=explanation_loss)
    # In one epoch: Keras takes longer to begin one than small models for a step.
    x, y = keras.tree.map_structure(lambda leaf: np.concatenate([leaf] * steps), (x, y))
    model.fit(x, y, batch_size=len(y) // steps, shuffle=False, verbose=0)
    return model.evaluate(x, y, batch_size=len(y), verbose=0, return_dict=True)["loss"]
