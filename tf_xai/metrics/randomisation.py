"""Metrics of whether attributions depend on what the model has learnt, and on what is explained."""

import tensorflow as tf

from tf_xai.core import random, randomised, statistics, trees


def parameter_randomisation(score, inputs, target, attributions, *, explain, seed=0):
    """How alike attributions stay while layer after layer loses what it has learnt; lower is better.

        mean over layers l of the rank correlation of |a| and |a_l|

    `a_l` are those of the model in which this layer, and all between it and the output, have random weights: normal
    ones with the mean and the spread of the trained ones. Frozen layers (`trainable=False`) are no exception: their
    weights were learnt, too. The model itself is left alone.

    Args:
        score: A `Score`.
        inputs: Array, tensor or a nest of them, each `(batch, ...)`.
        target: `(batch,)` integer classes, or weights of the outputs.
        attributions: Tree, what `explain` gives for the inputs.
        explain: A bound explainer of the model.
        seed: Integer.

    Returns: `(batch,)`, -1 to 1; NaN where one of both is constant in some layer, and in a model without weights,
        where there is nothing to draw.
    Cost: an explanation for every layer with weights.

    Reference: Adebayo et al., 2018, https://arxiv.org/abs/1810.03292
    """
    inputs, sizes = trees.tensors(inputs), lambda tree: tf.abs(trees.columns(tree))
    before, pairs, found = sizes(trees.tensors(attributions)), [], []
    for number, variables in enumerate(randomised.layers(score.model)):
        pairs += randomised.draws(variables, random.fold(seed, number))
        after = randomised.under(pairs, lambda: explain(inputs, target))
        found.append(statistics.spearman(before, sizes(after)))
    return tf.add_n(found) / len(found) if found else _undefined(before)


def efficient_mprt(score, inputs, target, attributions, *, explain, seed=0):
    """How much less orderly attributions are without anything learnt; higher is better.

        (H(a_random) - H(a)) / H(a)

    `H` is the entropy of a histogram of 100 bins; `a_random` are the attributions of the model with random weights in
    all layers, see `parameter_randomisation`.

    Args:
        score, inputs, target, attributions, explain, seed: As for `parameter_randomisation`.

    Returns: `(batch,)`; NaN where all attributions are alike, and without weights. Cost: one explanation.

    Reference: Hedström et al., 2023, https://arxiv.org/abs/2401.06465
    """
    inputs, pairs = trees.tensors(inputs), randomised.draws(randomised.weights(score.model), seed)
    if not pairs:
        return _undefined(trees.columns(trees.tensors(attributions)))
    after = statistics.entropy(trees.columns(randomised.under(pairs, lambda: explain(inputs, target))))
    before = statistics.entropy(trees.columns(trees.tensors(attributions)))
    return (after - before) / before


def random_logit(score, inputs, target, attributions, *, explain, seed=0):
    """How alike the attributions of another class are, drawn at random; lower is better.

        rank correlation of a_y and a_c,    c != y

    Args:
        target: `(batch,)` integer classes.
        score, inputs, attributions, explain, seed: As for `parameter_randomisation`.

    Returns: `(batch,)`, -1 to 1; NaN where one of both is constant. Cost: one explanation.

    Reference: Sixt et al., 2020, https://arxiv.org/abs/1912.09818 (there by SSIM, which only images have)
    """
    inputs, target = trees.tensors(inputs), tf.convert_to_tensor(target)
    classes = score.values(score.model(inputs, training=False)).shape[-1]
    if target.shape.rank != 1 or classes < 2:
        raise ValueError(
            f"`random_logit` compares classes, and needs integer classes `(batch,)` of two or more. Received: a target "
            f"of shape {tuple(target.shape)} and {classes} outputs. Leave it out here."
        )
    others = random.uniform(seed, tf.shape(target)) * (classes - 1)
    other = (target + 1 + tf.cast(others, target.dtype)) % classes
    return statistics.spearman(trees.columns(trees.tensors(attributions)), trees.columns(explain(inputs, other)))


def _undefined(columns):
    return tf.fill(tf.shape(columns)[:1], float("nan"))
