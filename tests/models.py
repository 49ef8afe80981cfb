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


def dict_model(classes=3, activation="tanh"):
    """`{"age": (2,), "image": (6, 6, 1)}` to class probabilities."""
    inputs = {"image": keras.Input((6, 6, 1), name="image"), "age": keras.Input((2,), name="age")}
    seen = layers.GlobalAveragePooling2D()(layers.Conv2D(3, 3, activation=activation, name="conv")(inputs["image"]))
    return keras.Model(inputs, dense(classes, "softmax")(layers.Concatenate()([seen, inputs["age"]])))


def list_model(classes=3, activation="tanh"):
    """`[(6, 1), (2,)]`, a series and a table, to class probabilities."""
    inputs = [keras.Input((6, 1)), keras.Input((2,))]
    seen = layers.GlobalAveragePooling1D()(layers.Conv1D(3, 3, activation=activation)(inputs[0]))
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


def masked_mean(vocabulary=10, length=4, classes=3):
    """Token ids to class probabilities; 0 is padding, of which there is no mean."""
    embedding = layers.Embedding(vocabulary, 4, mask_zero=True)
    return keras.Sequential(
        [keras.Input((length,), dtype="int32"), embedding, layers.GlobalAveragePooling1D(), dense(classes, "softmax")]
    )


@keras.saving.register_keras_serializable("tests")
class ClassToken(layers.Layer):
    """Puts a token of its own in front of others, and adds positions."""

    def build(self, shape):
        # Large enough that no token is near zero, where normalisation is steep.
        self.token = self.add_weight(shape=(1, 1, shape[-1]), initializer="ones", name="token")
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.places = self.add_weight(shape=(1, shape[1] + 1, shape[-1]), initializer=normal, name="places")

    def call(self, x):
        token = keras.ops.broadcast_to(self.token, (keras.ops.shape(x)[0], 1, x.shape[-1]))
        return keras.ops.concatenate([token, x], axis=1) + self.places


def encoder(x, blocks=2, attention=layers.MultiHeadAttention, heads=(2, 3), norm=layers.RMSNormalization):
    """Transformer blocks whose layers are called "norm_0", "attention_0", ...: attention that is far from uniform.

    Second derivatives of LayerNormalization are not exact: TensorFlow stops a gradient in its variance.
    """
    steep = keras.initializers.RandomNormal(stddev=0.5)
    for i in range(blocks):
        read = norm(name=f"norm_{i}")(x)
        x = layers.Add()([x, attention(*heads, kernel_initializer=steep, name=f"attention_{i}")(read, read)])
        x = layers.Add()([x, dense(x.shape[-1], "tanh")(norm()(x))])
    return x


def transformer(vocabulary=10, length=6, classes=3, mask_zero=False, **kwargs):
    """Token ids to class probabilities; id 0 is padding where `mask_zero`."""
    ids = keras.Input((length,), dtype="int32")
    x = encoder(layers.Embedding(vocabulary, 5, "random_normal", mask_zero=mask_zero)(ids), **kwargs)
    return keras.Model(ids, dense(classes, "softmax")(layers.GlobalAveragePooling1D()(x)))


def _patches(image, patch):
    """The tokens of an image, with a class token in front."""
    x = layers.Conv2D(5, patch, strides=patch, name="patches")(image)
    return ClassToken(name="tokens")(layers.Reshape((-1, 5))(x))


def vit(shape=(8, 8, 1), classes=3, patch=2, **kwargs):
    """Image to class probabilities, read from a class token."""
    image = keras.Input(shape)
    x = encoder(_patches(image, patch), **kwargs)
    return keras.Model(image, dense(classes, "softmax")(x[:, 0]))


def dict_vit(classes=3):
    """`{"age": (2,), "image": (6, 6, 1)}` to class probabilities, by attention."""
    inputs = {"image": keras.Input((6, 6, 1), name="image"), "age": keras.Input((2,), name="age")}
    x = encoder(_patches(inputs["image"], 2))
    return keras.Model(inputs, dense(classes, "softmax")(layers.Concatenate()([x[:, 0], inputs["age"]])))


def list_transformer(classes=3):
    """`[(6, 1), (2,)]`, a series and a table, to class probabilities, by attention."""
    inputs = [keras.Input((6, 1)), keras.Input((2,))]
    seen = layers.GlobalAveragePooling1D()(encoder(dense(5)(inputs[0])))
    return keras.Model(inputs, dense(classes, "softmax")(layers.Concatenate()([seen, inputs[1]])))


def same(model):
    """Another model with the same weights."""
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    return other
