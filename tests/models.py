"""Small Keras models that the tests share: smooth, so that finite differences apply. No seed is set here."""

import keras
import numpy as np
from keras import layers

# The weights of the linear model: three features, two outputs.
WEIGHTS = np.array([[1.0, -1.0], [2.0, 0.5], [-3.0, 0.0]], "float32")


def dense(units, activation=None, **kwargs):
    """A dense layer whose bias is not zero, so that the origin is nothing special."""
    return layers.Dense(units, activation, bias_initializer=keras.initializers.RandomNormal(stddev=0.5), **kwargs)


def mlp(inputs=4, classes=3, units=8, activation="tanh", final="softmax"):
    """Table to class probabilities."""
    return keras.Sequential([keras.Input((inputs,)), dense(units, activation), dense(classes, final)])


def cnn(shape=(8, 8, 1), classes=3, activation="tanh", final="softmax"):
    """Grid (one, two or three spatial axes) to class probabilities, with BatchNorm and Dropout on the way."""
    conv, pool = _spatial_layers(len(shape) - 1)
    image = keras.Input(shape)
    x = conv(4, 3, padding="same", activation=activation, name="first")(image)
    x = layers.BatchNormalization()(x)
    x = conv(3, 3, strides=2, padding="same", activation=activation, name="last")(x)
    x = layers.Dropout(0.5)(x)
    return keras.Model(image, dense(classes, final)(pool()(x)))


def _spatial_layers(axes):
    """The convolution and the global pooling for so many spatial axes."""
    return {
        1: (layers.Conv1D, layers.GlobalAveragePooling1D),
        2: (layers.Conv2D, layers.GlobalAveragePooling2D),
        3: (layers.Conv3D, layers.GlobalAveragePooling3D),
    }[axes]


def dict_model(classes=3):
    """`{"age": (2,), "image": (6, 6, 1)}` to class probabilities."""
    inputs = {"image": keras.Input((6, 6, 1), name="image"), "age": keras.Input((2,), name="age")}
    seen = layers.GlobalAveragePooling2D()(layers.Conv2D(3, 3, activation="tanh", name="conv")(inputs["image"]))
    return keras.Model(inputs, dense(classes, "softmax")(layers.Concatenate()([seen, inputs["age"]])))


def list_model(classes=3):
    """`[(6, 1), (2,)]`, a series and a table, to class probabilities."""
    inputs = [keras.Input((6, 1)), keras.Input((2,))]
    seen = layers.GlobalAveragePooling1D()(layers.Conv1D(3, 3, activation="tanh")(inputs[0]))
    return keras.Model(inputs, dense(classes, "softmax")(layers.Concatenate()([seen, inputs[1]])))


def two_outputs(inputs=4, classes=3):
    """Table to `{"label": class probabilities, "amount": one number}`."""
    x = keras.Input((inputs,))
    hidden = dense(6, "tanh")(x)
    return keras.Model(
        x, {"label": dense(classes, "softmax", name="label")(hidden), "amount": dense(1, name="amount")(hidden)}
    )


def nested(shape=(8, 8, 1), classes=3):
    """A head on a convolutional backbone that is a model of its own."""
    image = keras.Input(shape)
    x = layers.Conv2D(4, 3, padding="same", activation="tanh", name="inner")(image)
    backbone = keras.Model(image, layers.AveragePooling2D(2, name="inner_pool")(x), name="backbone")
    head = [layers.GlobalAveragePooling2D(), dense(classes, "softmax")]
    return keras.Sequential([keras.Input(shape), backbone, *head])


class Subclassed(keras.Model):
    """Two dense layers and a call."""

    def __init__(self, classes=3, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.head = dense(6, "tanh"), dense(classes, "softmax")

    def call(self, inputs):
        return self.head(self.hidden(inputs))


def subclassed(inputs=4, classes=3):
    """Table to class probabilities, built."""
    model = Subclassed(classes)
    model(keras.ops.zeros((1, inputs)))
    return model


def binary(inputs=4):
    """Table to the probability of the positive class, one sigmoid unit."""
    return mlp(inputs, classes=1, final="sigmoid")


def regression(inputs=4, units=8):
    """Table to one number."""
    return mlp(inputs, classes=1, units=units, final=None)


def linear(weights=WEIGHTS, bias=0.0):
    """`x @ weights + bias`, where the exact attributions are known; `weights` is `(features, outputs)`."""
    model = keras.Sequential([keras.Input(weights.shape[:1]), layers.Dense(weights.shape[1])])
    model.layers[0].set_weights([weights, np.full(weights.shape[1], bias)])
    return model


def tokens(vocabulary=10, length=5, classes=2):
    """Token ids to class probabilities."""
    ids = keras.Input((length,), dtype="int32")
    x = layers.Embedding(vocabulary, 4)(ids)
    x = layers.Conv1D(4, 3, padding="same", activation="tanh", name="conv")(x)
    return keras.Model(ids, dense(classes, "softmax")(layers.GlobalAveragePooling1D()(x)))


def same(model):
    """Another model with the same weights."""
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    return other
