"""Metrics of whether attributions lie where people say that the reason is.

All take `evidence`, a tree like the inputs, or that broadcasts to it: above 0 where the reason is. In images the
channels of a pixel go together, by their sum. Without evidence in a row, or with attributions that are not finite, its
value is NaN.
"""

import tensorflow as tf

from tf_xai.core import ranks, statistics, trees


def relevance_mass(score, inputs, target, attributions, *, evidence):
    """The share of positive attribution that lies on the evidence; higher is better.

        sum_{i in evidence} max(a_i, 0) / sum_i max(a_i, 0)

    Args:
        score, target: Not used.
        inputs: Array, tensor or a nest of them, each `(batch, ...)`.
        attributions: Tree like `inputs`, or that broadcasts to it.
        evidence: Tree like `inputs`, or that broadcasts to it; above 0 where the reason is.

    Returns: `(batch,)`, 0 to 1; NaN without evidence, and where nothing is positive.

    Reference: Arras et al., 2022, https://arxiv.org/abs/2003.07258; Kohlbrenner et al., 2020,
    https://arxiv.org/abs/1910.09840
    """
    values, marked = _flat(inputs, attributions, evidence)
    positive = tf.nn.relu(values)
    share = tf.reduce_sum(positive * marked, axis=1) / tf.reduce_sum(positive, axis=1)
    return _where_marked(marked, share)


def relevance_rank(score, inputs, target, attributions, *, evidence):
    """The share of the evidence among the largest attributions, as many as it has features; higher is better.

    Arguments as for `relevance_mass`. Of ties the first features count.

    Returns: `(batch,)`, 0 to 1; NaN without evidence.

    Reference: Arras et al., 2022, https://arxiv.org/abs/2003.07258
    """
    values, marked = _flat(inputs, attributions, evidence)
    size = tf.reduce_sum(marked, axis=1)
    order = tf.argsort(values, axis=1, direction="DESCENDING", stable=True)
    among = tf.cast(tf.range(tf.shape(values)[1])[None], tf.float32) < size[:, None]
    found = tf.where(among, tf.gather(marked, order, axis=1, batch_dims=1), 0.0)
    return tf.reduce_sum(found, axis=1) / size


def pointing_game(score, inputs, target, attributions, *, evidence):
    """Whether the largest attribution is on the evidence; higher is better.

    Arguments as for `relevance_mass`. Of ties the first feature counts.

    Returns: `(batch,)`, 0 or 1; NaN without evidence.

    Reference: Zhang et al., 2018, https://arxiv.org/abs/1608.00507
    """
    values, marked = _flat(inputs, attributions, evidence)
    return _where_marked(marked, tf.gather(marked, tf.argmax(values, axis=1), axis=1, batch_dims=1))


def localisation_iou(score, inputs, target, attributions, *, evidence, threshold=0.2):
    """How far the evidence and the large attributions overlap: intersection over union; higher is better.

    Args:
        threshold: An attribution is large above this share of the row's largest.
        score, inputs, target, attributions, evidence: As for `relevance_mass`.

    Returns: `(batch,)`, 0 to 1; NaN without evidence, and where nothing is positive.

    Reference: Zhou et al., 2016, https://arxiv.org/abs/1512.04150 (the threshold)
    """
    values, marked = _flat(inputs, attributions, evidence)
    most = tf.reduce_max(values, axis=1, keepdims=True)
    large = tf.cast(values > threshold * most, tf.float32)
    overlap = tf.reduce_sum(large * marked, axis=1) / tf.reduce_sum(tf.maximum(large, marked), axis=1)
    return _where_marked(marked, tf.where(most[:, 0] > 0, overlap, float("nan")))


def average_precision(score, inputs, target, attributions, *, evidence):
    """The area under the precision-recall curve of the evidence, ordered by attribution; higher is better.

        mean over i in evidence of (evidence among those with a_j >= a_i) / (all of those)

    Arguments as for `relevance_mass`.

    Returns: `(batch,)`, 0 to 1, about the share of evidence for random attributions; NaN without evidence.

    Reference: DeYoung et al., 2020, https://aclanthology.org/2020.acl-main.408 (AUPRC of rationales);
    scikit-learn's `average_precision_score`
    """
    values, marked = _flat(inputs, attributions, evidence)
    order = tf.argsort(values, axis=1, direction="DESCENDING")
    found = tf.cumsum(tf.gather(marked, order, axis=1, batch_dims=1), axis=1)
    _, reached = statistics.places(-values)  # how many are as large as this one, or larger
    hits = tf.gather(found, reached - 1, axis=1, batch_dims=1)
    precision = hits / tf.cast(reached, tf.float32)
    return tf.reduce_sum(precision * marked, axis=1) / tf.reduce_sum(marked, axis=1)


def _flat(inputs, attributions, evidence):
    """Attributions and evidence, 0 or 1, two `(batch, features)`."""
    inputs, attributions, evidence = (trees.tensors(tree) for tree in (inputs, attributions, evidence))
    values = ranks.pooled(attributions, inputs)
    masks = [mask for mask, x in zip(trees.leaves(evidence), trees.leaves(inputs), strict=True) if trees.is_float(x)]
    marked = [
        _like(tf.cast(tf.cast(mask, tf.float32) > 0, tf.float32), value)
        for mask, value in zip(masks, values, strict=True)
    ]
    values, marked = ranks.side_by_side(values), ranks.side_by_side(marked)
    # What is not a number has no order: such a row counts as one without evidence, which has no value.
    finite = tf.reduce_all(tf.math.is_finite(values), axis=1, keepdims=True)
    return values, tf.where(finite, marked, 0.0)


def _like(mask, value):
    """A mask in the shape of the attributions: a pixel is marked where one of its channels is."""
    mask = mask[..., None] if mask.shape.rank < value.shape.rank else mask
    if value.shape[-1] == 1 and value.shape.rank > 2:
        mask = tf.reduce_max(mask, axis=-1, keepdims=True)
    return tf.broadcast_to(mask, tf.shape(value))


def _where_marked(marked, values):
    return tf.where(tf.reduce_any(marked > 0, axis=1), values, float("nan"))
