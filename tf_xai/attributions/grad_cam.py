"""Grad-CAM, on images, series and volumes."""

import tensorflow as tf

from tf_xai.core.maps import layer_maps, place
from tf_xai.core.score import resolve


def grad_cam(score, inputs, target=None, *, layer=None, relu=True, resize=True):
    """Where the feature maps of a layer speak for the score.

        w_c = mean over positions of d score / d A_c,    a = relu(sum_c w_c A_c)

    Args:
        score: A `Score`: the model is needed to find the layer.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        layer: Name or layer, also inside a nested model; None takes the last one with spatial axes, or what the last
            attention layer reads. The tokens of an image `(batch, tokens, channels)` lie on the grid of its patches;
            leading tokens that are no patch are left out.
        relu: Whether to drop what speaks against the score.
        resize: Whether to bring the map to the size of the input, linearly; False gives the grid of the layer.

    Returns: Tree like `inputs`. The input that the layer looks at gets its map, with one channel,
        `(batch, *spatial, 1)`; `(batch, length)` for token ids. Other inputs get zeros.
    Raises: ValueError where the layer has no spatial axes, or no input or several match them.
    Properties: class discriminative; not complete. Differentiable. Cost: 1 forward pass, and a backward pass down to
        the layer.

    >>> import keras, tensorflow as tf
    >>> from tf_xai import Score
    >>> ones = {"kernel_initializer": "ones"}
    >>> conv = keras.layers.Conv2D(1, 1, **ones)
    >>> head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, **ones)]
    >>> model = keras.Sequential([keras.Input((2, 2, 1)), conv, *head])
    >>> grad_cam(Score(model), tf.reshape(tf.range(4.0), (1, 2, 2, 1)))[0, ..., 0].numpy().tolist()
    [[0.0, 0.25], [0.5, 0.75]]

    Reference: Selvaraju et al., 2017, https://arxiv.org/abs/1610.02391
    """
    return place(native_maps(score, inputs, resolve(score, inputs, target), layer), score, inputs, resize, relu)


def native_maps(score, inputs, target, layer):
    """The maps on the grid of the layer, `(batch, *spatial)`."""
    activations, slopes = layer_maps(score, inputs, target, layer)
    weights = tf.reduce_mean(slopes, range(1, slopes.shape.rank - 1), keepdims=True)
    return tf.reduce_sum(weights * activations, axis=-1)
