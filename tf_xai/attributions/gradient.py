"""Gradient (saliency)."""

from tf_xai.core.gradients import gradients


def gradient(score, inputs, target=None):
    """How fast the score changes with every input.

        a_i = d score / d x_i

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.

    Returns: Tree like `inputs`, same shapes, float32; units: score per input unit.
    Raises: TypeError for integer inputs.
    Properties: differentiable. Cost: 1 forward and 1 backward pass.

    >>> import tensorflow as tf
    >>> gradient(lambda x, target: tf.reduce_sum(x**2, axis=1), tf.constant([[1.0, 3.0]])).numpy().tolist()
    [[2.0, 6.0]]

    Reference: Simonyan et al., 2014, https://arxiv.org/abs/1312.6034
    """
    return gradients(score, inputs, target)
