"""Probe: the examples that a callback explains at the end of an epoch."""

import numpy as np
import tensorflow as tf

from tf_xai.core import data, trees
from tf_xai.explainer import Explainer


class Probe:
    """Explainers bound to the model in training, and the rows that they explain.

    Args:
        model: The model in training.
        x: Inputs, each `(rows, ...)`.
        y: Labels as in `fit`, or None to explain the predicted class.
        explainers: A name, an `Explainer`, or a list of them.
    """

    def __init__(self, model, x, y, explainers):
        self.explainers = by_name(explainers)
        self.bound = {name: explainer.bind(model) for name, explainer in self.explainers.items()}
        self.score = next(iter(self.bound.values())).score
        self.inputs = data.to_tensors(self.score.model, data.arrays(x))
        self.labels = None if y is None else tf.convert_to_tensor(np.asarray(y))
        self.rows = data.count(self.inputs)

    def target(self, inputs, labels):
        """What is explained: the score of the label, or of the predicted class."""
        outputs = self.score.model(inputs, training=False)
        return self.score.target_of(outputs) if labels is None else self.score.from_labels(labels, outputs)

    def batches(self, size):
        """`(inputs, labels)` of at most `size` rows."""
        return data.batches(self.inputs, self.labels, size)

    def take(self, rows):
        """`(inputs, labels)` of the first rows."""
        labels = None if self.labels is None else self.labels[:rows]
        return trees.map_leaves(lambda leaf: leaf[:rows], self.inputs), labels


def by_name(explainers):
    """Explainers under the names that the logs use: that of the method, or the one given in a dict."""
    if isinstance(explainers, dict):
        return {name: _explainer(each) for name, each in explainers.items()}
    explainers = [explainers] if isinstance(explainers, (str, Explainer)) else explainers
    made = [_explainer(each) for each in explainers]
    named = {each.method: each for each in made}
    if len(named) < len(made):
        methods = [each.method for each in made]
        raise ValueError(f"Explainers need different names. Received: {methods}. Pass a dict of name to explainer.")
    return named


def _explainer(explainer):
    return explainer if isinstance(explainer, Explainer) else Explainer(explainer)
