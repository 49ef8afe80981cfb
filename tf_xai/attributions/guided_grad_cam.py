"""Guided Grad-CAM: fine detail, where Grad-CAM looks."""

from tf_xai.attributions.grad_cam import native_maps
from tf_xai.attributions.guided_backprop import guided_backprop
from tf_xai.core import trees
from tf_xai.core.maps import no_tokens, place
from tf_xai.core.score import resolve


def guided_grad_cam(score, inputs, target=None, *, layer=None, relu=True):
    """Guided backpropagation, cut out by the map of Grad-CAM.

        a = guided_backprop(x) * grad_cam(x) at the size of the input

    Args:
        score: A `Score`: the model is needed to find the layer.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        layer: Name or layer; None takes the last one with spatial axes, as `grad_cam` does.
        relu: Whether the map drops what speaks against the score.

    Returns: Tree like `inputs`, same shapes, float32. The input that the layer looks at gets values, others zeros.
    Raises: TypeError where the layer looks at token ids; ValueError where it has no spatial axes, no input or several
        match them, or the model has no ReLU, ReLU6, ELU, SELU or leaky ReLU.
    Properties: class discriminative by its map; not complete. Differentiable. Cost: 2 forward and 2 backward passes.

    >>> import keras, tensorflow as tf
    >>> from tf_xai import Score
    >>> conv = keras.layers.Conv2D(1, 1, activation="relu", kernel_initializer="ones")
    >>> head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, kernel_initializer="ones")]
    >>> model = keras.Sequential([keras.Input((2, 2, 1)), conv, *head])
    >>> guided_grad_cam(Score(model), tf.reshape(tf.range(4.0), (1, 2, 2, 1)))[0, ..., 0].numpy().tolist()
    [[0.0, 0.0625], [0.125, 0.1875]]

    Reference: Selvaraju et al., 2017, https://arxiv.org/abs/1610.02391
    """
    target = resolve(score, inputs, target)
    maps = native_maps(score, inputs, target, layer)
    no_tokens("guided_grad_cam", maps.shape.rank - 1, score, inputs, "'grad_cam' or 'guided_backprop'")
    return trees.multiply(place(maps, score, inputs, relu=relu), guided_backprop(score, inputs, target))
