"""LayerCAM: maps that stay sharp in early layers."""

import tensorflow as tf

from tf_xai.core.maps import layer_maps, place
from tf_xai.core.score import resolve


def layer_cam(score, inputs, target=None, *, layer=None, relu=True, resize=True):
    """Where the feature maps of a layer speak for the score, by positive slopes only.

        a = relu(sum_c relu(d score / d A_c) * A_c)

    Args:
        score, inputs, target, layer, relu, resize: As for `grad_cam`.

    Returns: Tree like `inputs`, maps with one channel, as `grad_cam` gives them.
    Raises: ValueError where the layer has no spatial axes, or no input or several match them.
    Properties: class discriminative; fine at early layers, too. Differentiable. Cost: as `grad_cam`.

    >>> import keras, tensorflow as tf
    >>> from tf_xai import Score
    >>> conv, head = keras.layers.Conv2D(1, 1, kernel_initializer="ones"), keras.layers.Dense(1)
    >>> model = keras.Sequential([keras.Input((1, 2, 1)), conv, keras.layers.Flatten(), head])
    >>> _ = head.kernel.assign([[1.0], [-2.0]])
    >>> layer_cam(Score(model), tf.fill((1, 1, 2, 1), 3.0), relu=False)[0, 0, :, 0].numpy().tolist()
    [3.0, 0.0]

    Reference: Jiang et al., 2021, https://doi.org/10.1109/TIP.2021.3089943
    """
    target = resolve(score, inputs, target)
    activations, slopes = layer_maps(score, inputs, target, layer)
    maps = tf.reduce_sum(tf.nn.relu(slopes) * activations, axis=-1)
    return place(maps, score, inputs, resize, relu)
