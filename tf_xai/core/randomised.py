"""A model with other weights, for as long as somebody looks: the model itself is left alone."""

from itertools import groupby

import keras
import tensorflow as tf

from tf_xai.core import random


def layers(model):
    """The trainable variables of every layer, a list of lists, those near the output first."""
    owner = lambda variable: variable.path.rpartition("/")[0]
    return [list(group) for _, group in groupby(model.trainable_variables, owner)][::-1]


def draws(variables, seed):
    """Normal numbers with the mean and the spread of every variable as it is: pairs `(variable, values)`."""
    found = []
    for number, variable in enumerate(variables):
        values = tf.cast(tf.convert_to_tensor(variable), tf.float32)
        drawn = random.normal(random.fold(seed, number), tf.shape(values))
        drawn = tf.reduce_mean(values) + tf.math.reduce_std(values) * drawn
        found.append((variable, tf.cast(drawn, variable.dtype)))
    return found


def under(pairs, function):
    """What a function returns while these variables have these values.

    In a graph of its own, unless there is one already: what has been traced before has the variables themselves in it.
    """

    def call():
        with keras.StatelessScope(state_mapping=pairs):
            return function()

    return call() if tf.inside_function() else tf.function(call, autograph=False)()
