"""Small models of token ids, that the tests of tokens share."""

import keras
from keras import Input, Model, layers, ops

import tf_xai as xai
from tests import models

VOCABULARY, LENGTH = 9, 6


def embedding(**kwargs):
    """Vectors large enough that tokens matter."""
    return layers.Embedding(VOCABULARY, 4, keras.initializers.RandomNormal(stddev=1.0), **kwargs)


class Positions(layers.Layer):
    """Tokens and their positions looked up in one layer of the user's own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.tokens, self.positions = embedding(), layers.Embedding(LENGTH, 4, "random_normal")

    def call(self, ids):
        return self.tokens(ids) + self.positions(ops.arange(ops.shape(ids)[1]))


def _convolution(x):
    return layers.GlobalAveragePooling1D()(layers.Conv1D(5, 3, padding="same", activation="relu")(x))


BODIES = {
    "dense": (embedding, lambda x: layers.Dense(4, "tanh")(layers.Flatten()(x))),
    "conv": (embedding, _convolution),
    "lstm": (lambda: embedding(mask_zero=True), layers.LSTM(5)),
    "gru": (embedding, lambda x: layers.Bidirectional(layers.GRU(3))(x)),
    "transformer": (Positions, lambda x: layers.GlobalAveragePooling1D()(models.encoder(x))),
}


def build(kind="conv", dtype="int32"):
    """Ids to three classes."""
    look_up, body = BODIES[kind]
    ids = Input((LENGTH,), dtype=dtype)
    return Model(ids, models.dense(3, "softmax")(body(look_up()(ids))))


def draw_ids(rng):
    """Four rows of ids, of which two end in padding."""
    ids = rng.integers(1, VOCABULARY, size=(4, LENGTH))
    ids[1, 4:], ids[3, 2:] = 0, 0
    return ids


def explain(model, x, method, **options):
    """An explanation, without a progress bar."""
    return xai.explain(model, x, method=method, verbose=0, **options)
