"""Probe: the examples that a callback explains at the end of an epoch."""

from tf_xai.core import data, trees
from tf_xai.explainer import Explainer


class Probe:
    """Explainers bound to the model in training, and the rows that they explain.

    Args:
        model: The model in training.
        x: Inputs, each `(rows, ...)`.
        y: Labels as in `fit`, or None to explain the predicted class.
        explainers: A dict of name to `Explainer`.
    """

    def __init__(self, model, x, y, explainers):
        self.bound = {name: explainer.bind(model) for name, explainer in explainers.items()}
        self.score = next(iter(self.bound.values())).score
        self.inputs = data.to_tensors(self.score.model, data.arrays(x))
        self.labels = None if y is None else trees.tensors(data.arrays(y))

    def batches(self, size):
        """`(inputs, labels)` of at most `size` rows."""
        return data.batches(self.inputs, self.labels, size)

    def take(self, rows):
        """`(inputs, labels)` of the first rows."""
        first = lambda tree: None if tree is None else trees.map_leaves(lambda leaf: leaf[:rows], tree)
        return first(self.inputs), first(self.labels)


def target_of(score, inputs, labels):
    """What is explained: the score of the label, or of the predicted class."""
    outputs = score.model(inputs, training=False)
    return score.target_of(outputs) if labels is None else score.from_labels(labels, outputs)


def check_rows(x, y):
    """Raises where examples and labels differ in number: before the training, not after its first epoch."""
    if y is not None and data.count(data.arrays(x)) != data.count(data.arrays(y)):
        raise ValueError(
            f"`y` must have a label for every row of `x`. Expected: {data.count(data.arrays(x))}. "
            f"Received: {data.count(data.arrays(y))}."
        )


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
