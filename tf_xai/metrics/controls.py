"""Controls: attributions beside those of an explainer, which show what a metric of them is worth."""

import tensorflow as tf

from tf_xai.core import random, randomised, trees


def random_like(bound, inputs, target, attributions):
    """Normal noise in which every row has the Euclidean norm of the attributions."""
    leaves = trees.leaves(attributions)
    draws = [random.normal(random.fold(0, number), tf.shape(leaf)) for number, leaf in enumerate(leaves)]
    norm = lambda tree: tf.sqrt(trees.sum_features(trees.square(tree)))
    scale = norm(attributions) / norm(draws)
    return trees.pack(attributions, [draw * trees.align(scale, draw.shape.rank) for draw in draws])


def of_random_weights(bound, inputs, target, attributions):
    """What the same explainer says of the model with random weights, see `parameter_randomisation`."""
    return with_random_weights(bound, lambda: bound.attribute(inputs, target))


def with_random_weights(bound, function):
    """What a function returns while the model has random weights, always the same ones."""
    return randomised.under(randomised.draws(randomised.weights(bound.score.model), seed=0), function)


def its_own(bound, inputs, target, attributions):
    """The attributions themselves, in whose place the metrics of `oracle.ORACLES` put what suits them best."""
    return attributions


CONTROLS = {"random": random_like, "weights": of_random_weights, "oracle": its_own}
