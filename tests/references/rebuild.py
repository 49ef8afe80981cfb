"""The networks of the stored references in Keras, with their inputs and what other packages say of them."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tests.references.nets import NETS, NORM_EPSILON, SHAPES
from tf_xai.core.score import Score

# What stands for a layer of a specification, in the order of the specification.
KINDS = {
    "dense": layers.Dense,
    "conv": lambda filters: layers.Conv2D(filters, 3, padding="same"),
    "norm": lambda: layers.BatchNormalization(epsilon=NORM_EPSILON),
    "relu": layers.ReLU,
    "max_pool": lambda: layers.MaxPooling2D(2),
    "average_pool": lambda: layers.AveragePooling2D(2),
    "global_average": layers.GlobalAveragePooling2D,
    "flatten": layers.Flatten,
    "residual": lambda inner: lambda x: layers.Add()([x, _apply(inner, x)]),
}


def _apply(specification, x):
    for kind, *options in specification:
        x = KINDS[kind](*options)(x)
    return x


class Reference:
    """One network of a package's file: `score`, `x`, `target`, and stored results as `reference[name]`."""

    def __init__(self, package, net):
        with np.load(Path(__file__).parent / f"{package}.npz") as file:
            self.arrays = {key.removeprefix(f"{net}/"): file[key] for key in file if key.startswith(f"{net}/")}
        x = keras.Input(SHAPES[net])
        self.model = keras.Model(x, _apply(NETS[net], x))
        variables = [variable for layer in self.model.layers for variable in layer.weights]
        for k, variable in enumerate(variables):
            variable.assign(self[f"weights/{k}"])
        self.score, self.x, self.target = Score(self.model), tf.constant(self["x"]), tf.constant(self["target"])

    def __getitem__(self, name):
        return self.arrays[name]

    def layer(self, kind, number):
        """The layer of a class with this number, in the order of the calls."""
        return [layer for layer in self.model.layers if isinstance(layer, kind)][number]

    def assert_agrees(self, values, name, tolerance=1e-5):
        """Asserts that values are the stored ones, to a share of the largest of these."""
        expected = self[name]
        np.testing.assert_allclose(values, expected, rtol=0, atol=tolerance * np.abs(expected).max())
