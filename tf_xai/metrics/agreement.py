"""How far two explanations of the same rows agree: those of two epochs, of two runs, of two methods."""

import tensorflow as tf

from tf_xai.core import statistics, trees


def rank_agreement(attributions, other):
    """Spearman's correlation of two attributions over the features; 1 where they order them alike, -1 reversed.

    Args:
        attributions, other: Trees of `(batch, ...)`, of one shape.

    Returns: `(batch,)`; NaN where one of both is constant.

    Reference: Krishna et al., 2022, https://arxiv.org/abs/2202.01602
    """
    return statistics.spearman(trees.columns(attributions), trees.columns(other))


def topk_agreement(attributions, other, *, k=None):
    """The share of the `k` features of largest size that two attributions have in common.

    Args:
        attributions, other: Trees of `(batch, ...)`, of one shape.
        k: How many features; None is a tenth of them, at least one.

    Returns: `(batch,)`, 0 to 1; NaN where one of both is not finite, or nothing but zeros. Of ties the first features
        count.

    Reference: Krishna et al., 2022 (feature agreement), https://arxiv.org/abs/2202.01602
    """
    first, second = (tf.abs(trees.columns(tree)) for tree in (attributions, other))
    count = tf.shape(first)[1]
    k = tf.maximum(count // 10, 1) if k is None else tf.minimum(k, count)

    def chosen(sizes):
        places = tf.argsort(tf.argsort(sizes, axis=1, direction="DESCENDING", stable=True), axis=1)
        return tf.cast(places < k, tf.float32)

    share = tf.reduce_sum(chosen(first) * chosen(second), axis=1) / tf.cast(k, tf.float32)
    says = lambda sizes: tf.math.is_finite(tf.reduce_sum(sizes, axis=1)) & (tf.reduce_max(sizes, axis=1) > 0)
    return tf.where(says(first) & says(second), share, float("nan"))
