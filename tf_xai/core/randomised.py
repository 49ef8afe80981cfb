"""A model with other weights, for as long as somebody looks: the model itself is left alone."""

from itertools import groupby

import keras
import tensorflow as tf

from tf_xai.core import random, trees


def weights(model):
    """What a training may change, or may have changed before layers were frozen: all that can have been learnt.

    Statistics, as those of BatchNorm, seeds and constants were never there to be trained, and stay.
    """
    made = {id(variable) for layer in model._flatten_layers() for variable in layer._trainable_variables}
    return [each for each in model.weights if id(each) in made and trees.is_float(each)]


def layers(model):
    """The `weights` of every layer, a list of lists, those near the output first."""
    owner = lambda variable: variable.path.rpartition("/")[0]
    return [list(group) for _, group in groupby(weights(model), owner)][::-1]


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
