"""What an `AttributionBoard` shows of its rows, in one graph."""

import numpy as np
import tensorflow as tf

from tf_xai.callbacks.probe import Probe
from tf_xai.core import links, trees
from tf_xai.core.resize import resize
from tf_xai.core.tracing import trace
from tf_xai.metrics.agreement import rank_agreement
from tf_xai.metrics.controls import random_like
from tf_xai.metrics.judge import judge
from tf_xai.metrics.registry import METRICS
from tf_xai.metrics.removal import CURVES, area

# The name under which numbers of random attributions lie.
RANDOM = "random"


class Rows:
    """The rows of a board, their attributions, and what metrics say of these.

    Args:
        model: The model in training.
        x, y, evidence: Of the rows, as arrays.
        explainers: A dict of name to `Explainer`; class activation maps are taken on the grid of their layer.
        metrics: A dict of metric to its options.
    """

    def __init__(self, model, x, y, explainers, metrics, evidence):
        native = lambda each: each.replace(resize=False) if each.has("resize") else each
        self._probe = Probe(model, x, y, {name: native(each) for name, each in explainers.items()}, evidence)
        self.count = trees.leaves(self._probe.inputs)[0].shape[0]
        self.inputs, self._labels, self._evidence = next(self._probe.batches(self.count))
        self.curves, self._metrics = [name for name in metrics if name in CURVES], metrics
        self._traced, self._compared = trace(self._measured), trace(_agreement)
        self.forget()

    def ahead(self):
        """See `Probe.ahead`."""
        return self._probe.ahead(self._traced, self.count)

    @property
    def classes(self):
        """How many classes the explained output has; None of a regression, and before the model is known."""
        score = self._probe.score
        numbers = score.classes in (None, 1) or score.link.settle(score.classes).kind == "identity"
        return None if numbers else score.classes

    def single_labels(self):
        """`(n,)`, one number an example, of one-hot labels their class; None where there is not one."""
        if self._labels is None:
            return None
        score, labels = self._probe.score, np.asarray(self._probe.score.select(self._labels))
        if (
            labels.ndim == 2
            and labels.shape[1] > 1
            and self.classes
            and score.link.settle(self.classes).kind == "softmax"
        ):
            labels = labels.argmax(axis=1)
        return labels.reshape(-1) if labels.size == self.count else None

    def serves(self, other):
        """Whether this is about the same model."""
        return self._probe.bound == other._probe.bound

    def forget(self):
        """Begins anew: what comes next agrees with nothing."""
        self._earlier = {}

    def measure(self):
        """`{name: {"values": tree, "numbers": {column: (n,)}, "curves": (n, curves, points)}}`; random ones last.

        The column `agreement` compares with the measurement before; NaN where there is none.
        """
        found = self._traced(self.inputs, self._labels, self._evidence)
        values = {name: each["values"] for name, each in found.items() if name != RANDOM}
        for name, now in values.items():
            then = self._earlier.get(name)
            agreement = tf.fill([self.count], float("nan")) if then is None else self._compared(now, then)
            found[name]["numbers"]["agreement"] = agreement
        self._earlier = values
        return found

    def _measured(self, inputs, labels, evidence):
        found, random = {}, {}
        for name, bound in self._probe.bound.items():
            target = bound.score.target_from(inputs, labels)
            values = bound.attribute(inputs, target)
            found[name] = {"values": values, "numbers": _prediction(bound.score, inputs, target)}
            if bound.method == "attention":  # weights of pairs are no attributions of inputs
                continue
            values = at_inputs(values, inputs)
            found[name] |= self._judged(bound, inputs, target, values, evidence, found[name]["numbers"])
            if not random:
                control = random_like(bound, inputs, target, values)
                random = self._judged(bound, inputs, target, control, evidence, {})
        return found | ({RANDOM: random} if random.get("numbers") else {})

    def _judged(self, bound, inputs, target, values, evidence, numbers):
        """The numbers and curves of the metrics, beside numbers that are known."""
        curves, numbers = [], dict(numbers)
        for name, options in self._metrics.items():
            say = lambda metric, options=options: judge(metric, bound, inputs, target, values, evidence, **options)
            if name in CURVES:
                curves.append(say(CURVES[name]))
                numbers[name] = area(curves[-1])
            else:
                numbers[name] = say(METRICS[name])
        if len({curve.shape[0] for curve in curves}) > 1:
            raise ValueError(f"{self.curves} are drawn together and need the same `steps`. Received: {self._metrics}.")
        return {"numbers": numbers, **({"curves": tf.transpose(curves, [2, 0, 1])} if curves else {})}


def _agreement(now, then):
    """`(n,)`: the rank correlation of magnitudes."""
    return rank_agreement(*(trees.map_leaves(tf.abs, values) for values in (now, then)))


def _prediction(score, inputs, target):
    """The score; the predicted class and its probability, or the number that a regression says."""
    outputs = score.model(inputs, training=False)
    values, numbers = score.values(outputs), {"score": score.of(outputs, target)}
    if values.shape.rank > 2:
        return numbers
    if values.shape[-1] == 1 or score.link.settle(values.shape[-1]).kind == "identity":
        return numbers | ({"prediction": values[:, 0]} if values.shape[-1] == 1 else {})
    numbers["prediction"] = tf.cast(tf.argmax(values, axis=-1), tf.float32)
    if score.is_classifier:
        probabilities = links.convert(score.select(outputs), score.link, "probability")
        numbers["probability"] = tf.reduce_max(probabilities, axis=-1)
    return numbers


def at_inputs(values, inputs):
    """Maps on a grid of their own, brought to the size of the inputs."""

    def leaf(value, x):
        axes = x.shape.rank - 1 - trees.is_float(x)  # channels come last, but for token ids
        if value.shape.rank < 2 or value.shape[1 : 1 + axes] == x.shape[1 : 1 + axes]:
            return value
        maps = resize(value[..., 0] if trees.is_float(x) else value, tf.shape(x)[1 : 1 + axes])
        return maps[..., None] if trees.is_float(x) else maps

    return trees.map_leaves(leaf, values, inputs)
