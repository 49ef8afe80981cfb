"""ExplanationLoss: what every explainability loss has in common."""

import numbers
import re
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tf_xai.core import checks


class Batch(NamedTuple):
    """One training batch, as a loss sees it.

    Attributes:
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: What the labels make of the score: `(batch,)` classes or `(batch, classes)` weights.
        irrelevant: Mask like `inputs`, 1 where the reason must not lie; None without evidence.
        seed: `(2,)` integers that change with every step.
    """

    inputs: Any
    target: tf.Tensor
    irrelevant: Any
    seed: tf.Tensor


class ExplanationLoss:
    """A penalty on a model's explanations, added to the task loss by `ExplainableModel`.

    A subclass defines `bind` and `call`.

    Args:
        weight: A number, or "auto": at the first step the penalty times its weight is `auto_share` of the task loss,
            and the weight stays; `xai_<name>_weight` in the logs shows it. It waits for a penalty that is not next to
            nothing beside the task loss.
        auto_share: That share. Near 1 is right for evidence, 0.01 to 0.1 for fidelity.
        output: Name or index of the output that is explained.
        name: The logged line is `xai_<name>_loss`; by default the class name.
    """

    needs_evidence = False

    def __init__(self, weight=1.0, auto_share=1.0, output=None, name=None):
        if weight != "auto" and not (isinstance(weight, numbers.Real) and weight >= 0):
            raise ValueError(f"`weight` must be a number of at least 0, or 'auto'. Received: weight={weight!r}.")
        if not auto_share > 0:
            raise ValueError(f"`auto_share` must be larger than 0. Received: auto_share={auto_share!r}.")
        self.weight = weight if weight == "auto" else float(weight)
        self.auto_share, self.output = auto_share, output
        words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(self).__name__)
        self.name = name or words.lower()

    def bind(self, model):
        """What `call` explains with, for one model: a `BoundExplainer` or a `Score`."""
        raise NotImplementedError(f"{type(self).__name__} must define `bind`.")

    def call(self, explain, batch):
        """The penalty of every row, `(batch,)`, with what `bind` returned."""
        raise NotImplementedError(f"{type(self).__name__} must define `call`.")

    def attributions(self, explain, batch):
        """The attributions of a batch, with fresh noise at every step where the method draws any."""
        fresh = {"seed": batch.seed} if self.explainer.has("seed") else {}
        return explain(batch.inputs, batch.target, **fresh)

    def score(self, bound):
        """The score that `bind` works on."""
        return getattr(bound, "score", bound)

    def target(self, score, labels, outputs):
        """What is explained: by default the score of the true class."""
        return score.from_labels(labels, outputs)

    def get_config(self):
        return {"weight": self.weight, "auto_share": self.auto_share, "output": self.output, "name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))

    def __repr__(self):
        values = {name: getattr(self, name) for name in self.get_config()}
        words = [f"{name}={value!r}" for name, value in values.items() if value is not None]
        return f"{type(self).__name__}({', '.join(words)})"


def get(loss):
    """An `ExplanationLoss`, or a TypeError that says what else was passed."""
    if isinstance(loss, ExplanationLoss):
        return loss
    hint = checks.nearest(loss, [c.__name__ for c in ExplanationLoss.__subclasses__()]) if isinstance(loss, str) else ""
    raise TypeError(
        f"`explanation_loss` takes `ExplanationLoss` objects, such as `RightReasons(weight=10.0)`. Received: {loss!r}."
        + hint
    )
