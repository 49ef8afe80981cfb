"""Gradient times input."""

from tf_xai.core import trees
from tf_xai.core.gradients import gradients


def gradient_input(score, inputs, target=None):
    """What every input contributes if the score were linear.

        a_i = x_i * d score / d x_i

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.

    Returns: Tree like `inputs`, same shapes, float32; units: score.
    Raises: TypeError for integer inputs.
    Properties: exact on linear models with baseline 0; there, and on bias-free ReLU networks, it is integrated
        gradients. Differentiable. Cost: 1 forward and 1 backward pass.

    >>> import tensorflow as tf
    >>> gradient_input(lambda x, target: tf.reduce_sum(x**2, axis=1), tf.constant([[1.0, 3.0]])).numpy().tolist()
    [[2.0, 18.0]]

    Reference: Shrikumar et al., 2016, https://arxiv.org/abs/1605.01713
    """
    return trees.multiply(inputs, gradients(score, inputs, target))
