"""Judging attributions: a metric, with all that it asks for."""

import tensorflow as tf

from tf_xai.core import places, trees
from tf_xai.metrics.registry import MOVING, options_of


def judge(metric, bound, inputs, target, attributions, evidence=None, **options):
    """A metric of attributions, `(batch,)`, where the explainer looks: at inputs, embeddings of ids, or a layer.

    NaN for rows of several labels of which none holds: there is nothing to explain.

    Args:
        metric: A function of `tf_xai.metrics.METRICS`.
        bound: The bound explainer.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` integer classes or weights of the outputs.
        attributions: What the explainer gives, or something else in its shape; None for a metric that reads none.
        evidence: Masks like `inputs`, for metrics that compare with them.
        **options: Of the metric.
    """
    asked = options_of(metric)
    if "explain" in asked:  # again, with other weights, targets or inputs: not where the explainer looks, but outside
        seen = with_whole_ids(bound.score.model, inputs) if metric.__name__ in MOVING else inputs
        as_fed = lambda near: trees.map_leaves(lambda leaf, x: tf.cast(leaf, x.dtype), near, inputs)
        explain = lambda near, target: bound.attribute(as_fed(near), target)
        values = metric(bound.score, seen, target, attributions, explain=explain, **options)
    else:
        seen = _seen(bound, inputs, attributions, _evidence(metric, evidence) if "evidence" in asked else None)
        if "baseline_score" in asked and "baseline" not in options:
            options["baseline_score"] = bound.baseline_score(inputs, target)
        if "evidence" in asked:
            options["evidence"] = seen[3]
        values = metric(*seen[:2], target, seen[2], **options)
    explained = tf.reduce_any(tf.reshape(target != 0, [tf.shape(target)[0], -1]), axis=1) | (target.shape.rank == 1)
    return tf.where(explained, values, float("nan"))


def check_explainer(explainer):
    """Raises for one whose values are those of pairs of tokens, not of inputs."""
    raw = explainer.method == "attention"
    if raw or explainer.option("token") == "all":
        shape = "(rows, heads, queries, keys)" if raw else "(rows, tokens, tokens)"
        raise ValueError(
            f"{explainer!r} gives weights of pairs, {shape}, which metrics of inputs can not judge. Take "
            "'attention_rollout' or 'attention_relevance', of one `token` or of their mean."
        )


def with_whole_ids(model, inputs):
    """The inputs with token ids as integers, also where the model takes them as floats: a part of an id is no id."""
    ids = {site.leaf for site in places.embeddings(model, inputs)}
    whole = lambda number, leaf: tf.cast(leaf, tf.int32) if number in ids and trees.is_float(leaf) else leaf
    return trees.pack(inputs, [whole(*each) for each in enumerate(trees.leaves(inputs))])


def _seen(bound, inputs, attributions, evidence):
    """Score, inputs, attributions and evidence at the place where the explainer looks.

    Methods that look into the model themselves, such as those of attention, have values for inputs, or for token ids,
    which come and go where they are embedded.
    """
    place = places.find(bound.score, inputs) if bound.explainer.has("layer") else bound.place(inputs)
    if place is None:
        return bound.score, inputs, attributions, evidence
    if evidence is not None and bound.explainer.layer is not None:
        raise ValueError(
            f"Evidence is about inputs, and {bound.explainer!r} explains a layer. Leave its `layer=` out here."
        )
    spread = lambda tree: None if tree is None else place.spread(tree)
    return place, place.points(inputs), spread(attributions), spread(evidence)


def _evidence(metric, evidence):
    if evidence is None:
        raise ValueError(f"`{metric.__name__}` needs evidence: masks of where the reason is. Pass `evidence=masks`.")
    return trees.tensors(evidence)
