"""Grad-CAM++, for several objects of a class."""

import tensorflow as tf

from tf_xai.core.maps import layer_maps, place
from tf_xai.core.score import resolve

# Keeps the weights finite where the score does not depend on a position.
TINY = 1e-6


def grad_cam_plus_plus(score, inputs, target=None, *, layer=None, relu=True, resize=True):
    """Where the feature maps of a layer speak for the score, positions weighted so that small objects count, too.

        w_c = sum over positions of g^2 / (2 g^2 + sum(A_c) g^3 + 1e-6) * relu(g),    g = d score / d A_c
        a = relu(sum_c w_c A_c)

    Args:
        score, inputs, target, layer, relu, resize: As for `grad_cam`.

    Returns: Tree like `inputs`, maps with one channel, as `grad_cam` gives them.
    Raises: ValueError where the layer has no spatial axes, or no input or several match them.
    Properties: class discriminative; not complete. Differentiable. Cost: as `grad_cam`.

    >>> import keras, tensorflow as tf
    >>> from tf_xai import Score
    >>> conv, head = keras.layers.Conv2D(1, 1, kernel_initializer="ones"), keras.layers.Dense(1)
    >>> model = keras.Sequential([keras.Input((1, 2, 1)), conv, keras.layers.Flatten(), head])
    >>> _ = head.kernel.assign([[1.0], [-2.0]])
    >>> grad_cam_plus_plus(Score(model), tf.fill((1, 1, 2, 1), 3.0), relu=False)[0, 0, :, 0].numpy().round(3).tolist()
    [0.375, 0.375]

    Reference: Chattopadhay et al., 2018, https://arxiv.org/abs/1710.11063
    """
    target = resolve(score, inputs, target)
    activations, slopes = layer_maps(score, inputs, target, layer)
    positions = range(1, slopes.shape.rank - 1)
    square, cube = slopes**2, slopes**3
    alpha = square / (2 * square + tf.reduce_sum(activations, positions, keepdims=True) * cube + TINY)
    weights = tf.reduce_sum(alpha * tf.nn.relu(slopes), positions, keepdims=True)
    maps = tf.reduce_sum(weights * activations, axis=-1)
    return place(maps, score, inputs, resize, relu)
