"""Guided backpropagation."""

import tensorflow as tf

from tf_xai.core import rules


def guided_backprop(score, inputs, target=None):
    """The gradient, with what speaks against the score dropped at every ReLU.

        g_in = relu(g_out) * relu'(x)

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.

    Returns: Tree like `inputs`, same shapes, float32; units: score per input unit.
    Raises: TypeError for integer inputs; ValueError for a model without ReLU, ReLU6, ELU, SELU or leaky ReLU.
    Properties: sharp edges, but only weakly dependent on the target and the upper weights (Adebayo et al., 2018,
        https://arxiv.org/abs/1810.03292). Differentiable. Cost: 1 forward and 1 backward pass.

    >>> import tensorflow as tf
    >>> score = lambda x, target: tf.nn.relu(x[:, 0]) - tf.nn.relu(x[:, 1])
    >>> guided_backprop(score, tf.constant([[2.0, 3.0]])).numpy().tolist()
    [[1.0, 0.0]]

    Reference: Springenberg et al., 2015, https://arxiv.org/abs/1412.6806
    """
    rule = lambda op, arrived: rules.gradient(op, tf.nn.relu(arrived))[0]
    return rules.through_rectifiers("guided_backprop", rule, score, inputs, target)
