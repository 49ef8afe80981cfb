"""DeepLIFT against 100 references: shap's DeepExplainer, and the bare passes through the same pairs."""

import warnings

import keras
import numpy as np
import shap
import tensorflow as tf
from keras import layers
from timing import interleave, ratio, table

import tf_xai as xai

REFERENCES = 100

# References in one bare pass: the faster of these counts.
SIZES = (20, 100)


def mlp():
    """30 features, two hidden layers of 64, one output; 200 rows."""
    stack = [layers.Dense(64, "relu"), layers.Dense(64, "relu"), layers.Dense(1)]
    return keras.Sequential([keras.Input((30,)), *stack]), 200


def cnn():
    """Digits: two convolutions, pooling, two dense layers, the score of one class; 20 rows."""
    stack = [layers.Conv2D(32, 3, activation="relu"), layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(2)]
    stack += [layers.Flatten(), layers.Dense(128, "relu"), layers.Dense(1)]
    return keras.Sequential([keras.Input((28, 28, 1)), *stack]), 20


def passes(model, x, background, size):
    """Forward and backward passes of both rows of all pairs, so many references at a time."""

    @tf.function
    def gradient(references):
        starts = tf.repeat(references[:, None], len(x), axis=1)
        pairs = tf.reshape([tf.broadcast_to(x, starts.shape), starts], [-1, *x.shape[1:]])
        with tf.GradientTape() as tape:
            tape.watch(pairs)
            total = tf.reduce_sum(model(pairs, training=False))
        return tape.gradient(total, pairs)

    return lambda: [gradient(background[k : k + size]) for k in range(0, REFERENCES, size)]


def cases(model, rows, rng):
    shape = model.input_shape[1:]
    x, background = (rng.normal(size=(count, *shape)).astype("float32") for count in (rows, REFERENCES))
    bound = xai.Explainer("deep_lift", background=background).bind(model)
    inputs, target = tf.constant(x), tf.zeros(rows, tf.int32)
    peer = shap.DeepExplainer(model, background)
    return {
        **{f"bare passes, by {size}": passes(model, inputs, tf.constant(background), size) for size in SIZES},
        "deep_lift": lambda: bound(inputs, target),
        "shap.DeepExplainer": lambda: peer.shap_values(x, check_additivity=False),
    }


def report(rounds):
    warnings.filterwarnings("ignore", category=UserWarning)  # Keras's, of how DeepExplainer calls its models
    for make in (mlp, cnn):
        keras.utils.set_random_seed(0)
        seconds = interleave(cases(*make(), np.random.default_rng(0)), rounds, warmup=1)
        bare = [name for name in seconds if name.startswith("bare")]
        table(seconds, bare[0])
        print(f"{make.__name__}: deep_lift / bare passes: {ratio(seconds, 'deep_lift', bare):.2f}")
        over = ratio(seconds, "shap.DeepExplainer", "deep_lift")
        print(f"{make.__name__}: shap.DeepExplainer / deep_lift: {over:.1f} (aim: more than 1)")
