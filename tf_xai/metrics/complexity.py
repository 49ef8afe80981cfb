"""Metrics of how simple attributions are. They do not look at the model."""

import tensorflow as tf

from tf_xai.core import trees


def sparseness(score, inputs, target, attributions):
    """The Gini index of the sizes of the attributions; higher is better: a few features have it all.

        sum_i (2 i - d - 1) |a|_(i) / (d sum_i |a|_i),    |a|_(1) <= ... <= |a|_(d)

    Args:
        score, inputs, target: Not used.
        attributions: Tree of `(batch, ...)`.

    Returns: `(batch,)`, 0 (all alike) to `1 - 1 / d` (all on one feature); NaN where all are zero.

    Reference: Chalasani et al., 2020, https://arxiv.org/abs/1810.06583
    """
    sizes = tf.sort(tf.abs(trees.columns(attributions)), axis=1)
    count = tf.cast(tf.shape(sizes)[1], tf.float32)
    return tf.reduce_sum((2 * tf.range(1, count + 1) - count - 1) / count * sizes, axis=1) / tf.reduce_sum(
        sizes, axis=1
    )


def complexity(score, inputs, target, attributions):
    """The entropy of the shares of the attributions; lower is better.

        - sum_i p_i ln p_i,    p_i = |a_i| / sum_j |a_j|

    Args:
        score, inputs, target: Not used.
        attributions: Tree of `(batch, ...)`.

    Returns: `(batch,)` in nats, 0 (all on one of `d` features) to `ln d` (all alike); NaN where all are zero.

    Reference: Bhatt et al., 2020, https://arxiv.org/abs/2005.00631
    """
    sizes = tf.abs(trees.columns(attributions))
    shares = sizes / tf.reduce_sum(sizes, axis=1, keepdims=True)
    return -tf.reduce_sum(tf.math.xlogy(shares, shares), axis=1)
