"""What counts: the rows and places that a penalty is about, by the labels and the sample weights."""

import tensorflow as tf

from tf_xai.core import links, trees


def of_batch(target, score, loss, y, sample_weight):
    """`counted` for one score, of labels and weights as `fit` takes them.

    Args:
        target: What the score explains.
        score: The `Score`, which may be of one of several outputs.
        loss: The compiled task loss, or those of all outputs.
    """
    weights = None if sample_weight is None else score.select(sample_weight)
    ignored = getattr(links.of_output(loss, score.output, score.model), "ignore_class", None)
    return counted(target, score.select(y), weights, ignored)


def counted(target, labels, sample_weight, ignored):
    """The target without what does not count, and the weight of every row, `(batch,)` or None.

    Places of weight zero, such as the padding of a sequence, are not explained, nor are labels that the task loss
    ignores. As in Keras, means are over what it does not ignore.

    Args:
        target: `(batch,)` classes, or weights of the outputs, `(batch, ..., classes)`.
        labels: Of the explained output, as `fit` takes them.
        sample_weight: One per row or per place, or None.
        ignored: The label that the task loss ignores, or None.
    """
    weights = []
    if sample_weight is not None:
        weights.append(trees.columns(tf.cast(sample_weight, tf.float32)))
    if ignored is not None:
        kept = tf.cast(trees.columns(tf.cast(labels, tf.float32)) != ignored, tf.float32)
        weights.append(tf.math.divide_no_nan(kept, tf.reduce_mean(kept)))
        if target.shape.rank == 1:  # any class will do
            target = tf.where(kept[:, 0] > 0, target, 0)
    if not weights:
        return target, None
    places = weights[0] * weights[-1] if len(weights) > 1 else weights[0]
    if target.shape.rank > 2 and places.shape[1] != 1:
        there = tf.reshape(tf.cast(places > 0, target.dtype), tf.shape(target)[:-1])
        target *= there[..., None]
    return target, tf.reduce_mean(places, axis=1)
