"""Regressions that are no lines, whose local surrogates are known in closed form."""

import keras
import numpy as np


@keras.saving.register_keras_serializable("tests")
class Quadratic(keras.layers.Layer):
    """`factor * sum_d c_d x_d^2` for `c = 1, 2, ...`."""

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        return self.factor * keras.ops.sum(coefficients(inputs.shape[1]) * inputs**2, axis=1, keepdims=True)


def coefficients(features):
    return np.arange(1, features + 1, dtype="float32")


def quadratic(features=4, factor=1.0):
    return regression_by(Quadratic(factor), features)


@keras.saving.register_keras_serializable("tests")
class Wave(keras.layers.Layer):
    """A cosine so fast that to a line it is noise, of variance 1/2."""

    def call(self, inputs):
        return keras.ops.cos(100.0 * inputs[:, :1])


def regression_by(layer, features=4):
    """A model of one layer, compiled as a regression."""
    model = keras.Sequential([keras.Input((features,)), layer])
    model.compile("sgd", "mse")
    return model
