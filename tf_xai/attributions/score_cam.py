"""Score-CAM: maps weighted by scores, not by gradients."""

import tensorflow as tf

from tf_xai.core import trees
from tf_xai.core.maps import layer_maps, no_tokens, place
from tf_xai.core.resize import resize as resize_maps
from tf_xai.core.score import resolve
from tf_xai.core.variants import map_variants


def score_cam(score, inputs, target=None, *, layer=None, relu=True, resize=True, chunk=None):
    """Where the feature maps of a layer speak for the score, by what is left of it when they mask the input.

        w = softmax over c of score(x * H_c),    a = relu(sum_c w_c A_c)

    `H_c` is `A_c` at the size of the input, scaled to [0, 1]. The paper's score is the increase over that of a
    baseline, which is the same for all channels and drops out of the softmax.

    Args:
        score, inputs, target, layer, relu, resize: As for `grad_cam`.
        chunk: Channels in one forward pass; None bounds the memory.

    Returns: Tree like `inputs`, maps with one channel, as `grad_cam` gives them.
    Raises: TypeError where the layer looks at token ids, which can not be masked by degrees; ValueError where the layer
        has no spatial axes, or no input or several match them.
    Properties: no slope of the score is in the values: it only tells whether the score depends on the layer. Not
        complete. Differentiable. Cost: a forward pass for every channel of the layer, and 1 forward and backward pass.

    >>> import keras, tensorflow as tf
    >>> from tf_xai import Score
    >>> conv, head = keras.layers.Conv2D(1, 1, kernel_initializer="ones"), keras.layers.Dense(1)
    >>> model = keras.Sequential([keras.Input((1, 2, 1)), conv, keras.layers.Flatten(), head])
    >>> score_cam(Score(model), tf.constant([[[[1.0], [3.0]]]]))[0, 0, :, 0].numpy().tolist()
    [1.0, 3.0]

    Reference: Wang et al., 2020, https://arxiv.org/abs/1910.01279
    """
    target = resolve(score, inputs, target)
    activations, _ = layer_maps(score, inputs, target, layer)
    channels = tf.transpose(activations, [activations.shape.rank - 1, *range(activations.shape.rank - 1)])
    home = no_tokens("score_cam", activations.shape.rank - 2, score, inputs, "'layer_cam' or 'grad_cam'")
    scores = map_variants(score, _masked(inputs, home, channels), channels.shape[0], inputs, target, chunk)
    maps = tf.einsum("cn...,cn->n...", channels, tf.nn.softmax(scores, axis=0))
    return place(maps, score, inputs, resize, relu)


def _masked(inputs, home, channels):
    """A variant function: variant `k` multiplies input number `home` by channel `k`."""
    leaves = trees.leaves(inputs)

    def variant(k):
        maps = resize_maps(trees.merge(tf.gather(channels, k)), tf.shape(leaves[home])[1:-1])
        axes = range(1, maps.shape.rank)
        low, high = (reduce(maps, axes, keepdims=True) for reduce in (tf.reduce_min, tf.reduce_max))
        masks = trees.split(tf.math.divide_no_nan(maps - low, high - low), tf.shape(k)[0])
        varied = [trees.repeat(leaf, tf.shape(k)[0]) for leaf in leaves]
        varied[home] *= tf.cast(masks[..., None], varied[home].dtype)
        return trees.pack(inputs, varied)

    return variant
