"""Tiny models of every kind of layer, by name, with weights and statistics under which nothing cancels."""

from functools import partial

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from tests import models


def sequential(shape, *stack, units=2):
    """A stack on inputs of this shape, flattened, with a dense layer at the end."""
    return keras.Sequential([keras.Input(shape), *stack, layers.Flatten(), layers.Dense(units)])


def scramble(model, rng):
    """Draws weights that keep the scale of what goes through them, shifts, and statistics of normalisation."""
    for variable in model.weights:
        if "variance" in variable.path:
            variable.assign(rng.uniform(0.5, 2, variable.shape))
        elif "float" in variable.dtype:
            fan = np.prod(variable.shape[:-1]) if len(variable.shape) > 1 else 4
            variable.assign(rng.normal(size=variable.shape) * 1.5 / np.sqrt(fan))
    return model


def draw(model, rng, rows=4):
    """Inputs of a model, and references of their own; masks are the same in both."""

    def leaf(tensor):
        shape = (rows, *tensor.shape[1:])
        if tensor.dtype == "bool":
            return (tf.constant(rng.random(shape) < 0.7),) * 2
        return [tf.constant(rng.normal(size=shape) * scale, tf.float32) for scale in (1, 0.3)]

    inputs, references = zip(*map(leaf, model.inputs), strict=True)
    return (list(inputs), list(references)) if len(inputs) > 1 else (inputs[0], references[0])


def _pooling(axes):
    """All ways to pool, overlapping windows among them, beside each other."""
    kind = lambda name: getattr(layers, f"{name}Pooling{axes}D")
    same = {"pool_size": 3, "strides": 2, "padding": "same"}
    x = keras.Input((5,) * axes + (2,))
    pools = [kind("Max")(**same), kind("Average")(**same), kind("GlobalMax")(), kind("GlobalAverage")()]
    pools += [kind("AdaptiveMax")(2), kind("AdaptiveAverage")(3)]
    return keras.Model(x, layers.Dense(2)(layers.Concatenate()([layers.Flatten()(pool(x)) for pool in pools])))


def _convolutions(axes):
    """Strided, grouped and dilated."""
    conv = getattr(layers, f"Conv{axes}D")
    stack = [conv(4, 3, 2, "same"), conv(4, 2, groups=2, activation="tanh"), conv(2, 2, dilation_rate=2)]
    return sequential((9,) * axes + (2,), *stack)


def _growth(axes):
    """Transposed convolution and larger grids."""
    stack = [
        getattr(layers, f"Conv{axes}DTranspose")(3, 2, 2, activation="relu"),
        getattr(layers, f"UpSampling{axes}D")(2),
    ]
    return sequential((2,) * axes + (2,), *stack)


def _gated():
    """Squeeze and excite: channels times what all positions say."""
    x = keras.Input((5, 5, 4))
    gate = layers.Dense(4, "sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    seen = layers.DepthwiseConv2D(3, activation="relu")(layers.Multiply()([x, gate]))
    return keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling2D()(seen)))


def _merged():
    """Two inputs, and every way to merge them."""
    inputs = [keras.Input((4,)), keras.Input((3,))]
    a, b = layers.Dense(4, "relu")(inputs[0]), layers.Dense(4, "tanh")(inputs[1])
    merges = (layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum)
    merged = [merge()([a, b]) for merge in (*merges, layers.Concatenate)] + [layers.Dot(1)([a, b])]
    return keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(merged)))


def _attentive(attend, *more):
    """What `attend` makes of a sequence, and of further inputs."""
    x = keras.Input((4, 4))
    seen = layers.Dense(2)(layers.Flatten()(attend(x, *more)))
    return keras.Model([x, *more] if more else x, seen)


def _masked():
    """Attention to the tokens that a mask does not leave out."""
    attention = layers.MultiHeadAttention(2, 3)
    return _attentive(lambda x, mask: attention(x, x, attention_mask=mask), keras.Input((4, 4), dtype="bool"))


def _recurrent(*stack):
    return sequential((3, 2), *stack)


def _shared():
    """One layer three times."""
    layer = layers.Dense(5, "tanh")
    return sequential((5,), layer, layer, layer)


class Operations(keras.Model):
    """Calls no layers, only operations of Keras and TensorFlow."""

    def __init__(self):
        super().__init__()
        self.w = self.add_weight(shape=(6, 5), name="w")

    def call(self, inputs):
        x = ops.clip(ops.matmul(inputs, self.w), -1.0, 1.5)
        y = ops.where(ops.logical_and(x > 0, ops.logical_not(x > 1)), x**3, 0.5 * ops.abs(x))
        outer = tf.einsum("ni,nj->nij", x, ops.softmax(y))
        known = tf.where([True, True, False, True, False], x, -np.inf)
        parts = [tf.nn.softmax(known), ops.max(outer, 2), ops.var(outer, 1), ops.top_k(x, 3)[0]]
        parts += [tf.gather(y, [0, 2, 2], axis=1), ops.minimum(x, y), ops.cumsum(y, 1), x / (1 + y**2)]
        flat = ops.concatenate(parts, axis=1)
        return ops.stack([ops.logsumexp(flat, 1), tf.norm(flat, axis=1)], axis=1)


def _operations():
    x = keras.Input((6,))
    return keras.Model(x, Operations()(x))


def _transformer(norm=layers.LayerNormalization):
    return _attentive(lambda x: models.encoder(x, blocks=1, norm=norm))


def _normalised(make):
    return lambda: sequential((6,), layers.Dense(8), make(), layers.Activation("tanh"))


def _nested():
    inner = keras.Sequential([keras.Input((5, 5, 1)), layers.Conv2D(3, 3), layers.BatchNormalization()])
    return sequential((5, 5, 1), keras.Sequential([inner, layers.Activation("silu")]))


def _mha(x, **options):
    return layers.MultiHeadAttention(2, 3)(x, x, **options)


MODELS = {
    "relu_with_all_arguments": lambda: sequential((6,), layers.Dense(8), layers.ReLU(1.5, 0.1, 0.2)),
    "leaky_relu": lambda: sequential((6,), layers.Dense(8), layers.LeakyReLU(0.2)),
    "elu": lambda: sequential((6,), layers.Dense(8), layers.ELU(0.7)),
    "prelu": lambda: sequential((6,), layers.Dense(8), layers.PReLU()),
    "softmax_along_another_axis": lambda: sequential((3, 4), layers.Dense(3), layers.Softmax(axis=1)),
    "batch_normalization": _normalised(layers.BatchNormalization),
    "layer_normalization": _normalised(layers.LayerNormalization),
    "group_normalization": _normalised(lambda: layers.GroupNormalization(4)),
    "rms_normalization": _normalised(layers.RMSNormalization),
    "unit_normalization": _normalised(layers.UnitNormalization),
    "normalization": _normalised(lambda: layers.Normalization(mean=[0.5] * 8, variance=[2.0] * 8)),
    "spectral_normalization": lambda: sequential((6,), layers.SpectralNormalization(layers.Dense(8, "tanh"))),
    **{f"pooling_{axes}d": partial(_pooling, axes) for axes in (1, 2, 3)},
    **{f"convolutions_{axes}d": partial(_convolutions, axes) for axes in (1, 2, 3)},
    **{f"growth_{axes}d": partial(_growth, axes) for axes in (1, 2, 3)},
    "causal": lambda: sequential((6, 2), layers.Conv1D(3, 3, padding="causal", activation="relu")),
    "separable_1d": lambda: sequential((6, 2), layers.SeparableConv1D(3, 2, activation="relu")),
    "separable_2d": lambda: sequential((5, 5, 2), layers.SeparableConv2D(3, 2, dilation_rate=2, activation="relu")),
    "depthwise_1d": lambda: sequential((6, 2), layers.DepthwiseConv1D(3, activation="relu")),
    "depthwise_2d": lambda: sequential((5, 5, 2), layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu")),
    "bilinear": lambda: sequential((3, 3, 2), layers.UpSampling2D(2, interpolation="bilinear"), layers.ReLU()),
    "bicubic": lambda: sequential((3, 3, 2), layers.Resizing(5, 4, "bicubic"), layers.ReLU()),
    "moved": lambda: sequential(
        *[(4, 4, 2), layers.ZeroPadding2D(1), layers.Cropping2D(((2, 0), (0, 1))), layers.Permute((3, 1, 2))],
        *[layers.Reshape((5, 8)), layers.TimeDistributed(layers.Dense(3, "tanh")), layers.Flatten()],
        *[layers.RepeatVector(2), layers.EinsumDense("abc,cd->abd", (2, 3), bias_axes="d", activation="relu")],
    ),
    "simple_rnn": lambda: _recurrent(layers.SimpleRNN(3)),
    "lstm": lambda: _recurrent(layers.LSTM(3, return_sequences=True)),
    "gru": lambda: _recurrent(layers.GRU(3)),
    "gru_reset_before": lambda: _recurrent(layers.GRU(3, reset_after=False, go_backwards=True)),
    "bidirectional": lambda: _recurrent(layers.Bidirectional(layers.GRU(2, return_sequences=True))),
    "stacked_cells": lambda: _recurrent(layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)])),
    "masking": lambda: _recurrent(layers.Masking(), layers.LSTM(3)),
    "conv_lstm_1d": lambda: sequential((3, 4, 2), layers.ConvLSTM1D(2, 2)),
    "conv_lstm_2d": lambda: sequential((2, 3, 3, 1), layers.ConvLSTM2D(2, 2)),
    "attention_causal": lambda: _attentive(partial(_mha, use_causal_mask=True)),
    "attention_masked": _masked,
    "attention_grouped": lambda: _attentive(lambda x: layers.GroupQueryAttention(2, 4, 2)(x, x)),
    "attention_dot": lambda: _attentive(lambda x: layers.Attention(use_scale=True)([x, x])),
    "attention_additive": lambda: _attentive(lambda x: layers.AdditiveAttention()([x, x])),
    "transformer": _transformer,
    "squeeze_and_excite": _gated,
    "merged": _merged,
    "shared": _shared,
    "nested": _nested,
    "operations": _operations,
}
