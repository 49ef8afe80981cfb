"""Deconvolutional networks."""

import tensorflow as tf

from tf_xai.core import rules


def deconvnet(score, inputs, target=None):
    """The gradient, with a ReLU on the way back in place of every ReLU's derivative.

        g_in = relu(g_out)

    Args:
        score, inputs, target: As for `guided_backprop`.

    Returns: Tree like `inputs`, same shapes, float32; units: score per input unit.
    Raises: As `guided_backprop`.
    Properties: shows what excites a network; of a network without pooling it hardly depends on the input.
        Differentiable. Cost: 1 forward and 1 backward pass.

    >>> import tensorflow as tf
    >>> score = lambda x, target: tf.nn.relu(x[:, 0]) - tf.nn.relu(x[:, 1])
    >>> deconvnet(score, tf.constant([[-2.0, 3.0]])).numpy().tolist()
    [[1.0, 0.0]]

    Reference: Zeiler and Fergus, 2014, https://arxiv.org/abs/1311.2901
    """
    rule = lambda op, arrived: tf.nn.relu(arrived)
    return rules.through_rectifiers("deconvnet", rule, score, inputs, target)
