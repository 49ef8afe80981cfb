"""ExplanationLoss: what every explainability loss has in common."""

import numbers
import re
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from tf_xai.core import checks, trees
from tf_xai.core.score import Score
from tf_xai.explainer import Explainer


class Batch(NamedTuple):
    """One training batch, as a loss sees it.

    Attributes:
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: What the labels make of the score: `(batch,)` classes or `(batch, classes)` weights.
        irrelevant: Mask like `inputs`, 1 where the reason must not lie; None without evidence.
        seed: `(2,)` integers that change with every step.
        outputs: What the model has put out for the task loss, all its outputs.
        weights: Sample weights `(batch,)`; None for ones. The mean of the penalties heeds them; a loss has to where its
            penalty is about all rows together.
    """

    inputs: Any
    target: tf.Tensor
    irrelevant: Any
    seed: tf.Tensor
    outputs: Any
    weights: Any = None

    @property
    def relevant(self):
        """Mask like `inputs`, 1 where the reason is to lie."""
        return trees.map_leaves(lambda mask: 1 - tf.cast(mask, tf.float32), self.irrelevant)

    def take(self, rows):
        """The batch of these rows only."""
        return self._each(lambda tree: trees.take(tree, rows))

    def nonempty(self):
        """The batch, or one row of ones in the place of none. (Zeros would be padding, and derivatives infinite.)"""
        return self._each(trees.nonempty)._replace(inputs=trees.nonempty(self.inputs, 1))

    def _each(self, fn):
        """All but the seed, which has no rows."""
        changed = lambda tree: None if tree is None else fn(tree)
        return Batch(*map(changed, self._replace(seed=None)))._replace(seed=self.seed)

    @property
    def counted(self):
        """Which rows have a weight above zero, `(batch,)`."""
        return tf.ones([trees.batch_size(self.inputs)], tf.bool) if self.weights is None else self.weights > 0

    def mean(self, values):
        """The weighted mean of one value per row, `(batch,)`, over the rows."""
        if self.weights is None:
            return tf.reduce_mean(values)
        return tf.math.divide_no_nan(tf.reduce_sum(self.weights * values), tf.reduce_sum(self.weights))

    def weighted(self, values):
        """Attributions `(batch, features)`, every row times its sample weight."""
        return values if self.weights is None else self.weights[:, None] * values


# Methods whose values are made of gradients at the inputs, or between inputs and references.
OF_GRADIENTS = ("gradient", "gradient_input", "integrated_gradients", "expected_gradients", "smooth_grad")

# The arguments of every explanation loss.
COMMON = ("weight", "auto_share", "output", "from_logits", "every", "fraction", "name")


class ExplanationLoss:
    """A penalty on a model's explanations, added to the task loss by `ExplainableModel`.

    A subclass defines `bind` and `call`.

    Args:
        weight: A number, or "auto": at the first step the penalty times its weight is `auto_share` of the task loss,
            and the weight stays; `xai_<name>_weight` in the logs shows it. It waits for a penalty that is not next to
            nothing beside the task loss.
        auto_share: That share. Near 1 is right for evidence, 0.01 to 0.1 for fidelity.
        output: Name or index of the output that is explained.
        from_logits: Whether the outputs of a classifier are logits, where neither the last activation nor the compiled
            loss tells: a loss of one's own does not.
        every: Training steps from one penalty to the next. It counts so many times, so that its mean weight stays.
        fraction: Share of the batch whose rows are explained in a training step: other rows in every step.
        name: The logged line is `xai_<name>_loss`; by default the class name.
    """

    needs_evidence = None  # or which: "relevant", "irrelevant"
    compares = False  # whether the penalty of a row depends on other rows, so that a row by itself has none
    on_slopes = False  # whether it is made of gradients of the score alone

    def __init__(self, weight=1.0, auto_share=1.0, output=None, from_logits=None, every=1, fraction=1.0, name=None):
        if weight != "auto" and not (isinstance(weight, numbers.Real) and weight >= 0):
            raise ValueError(f"`weight` must be a number of at least 0, or 'auto'. Received: weight={weight!r}.")
        if not auto_share > 0:
            raise ValueError(f"`auto_share` must be larger than 0. Received: auto_share={auto_share!r}.")
        checks.positive("every", every)
        if not 0 < fraction <= 1:
            raise ValueError(f"`fraction` must be above 0 and at most 1. Received: fraction={fraction!r}.")
        self.weight = weight if weight == "auto" else float(weight)
        self.auto_share, self.output, self.from_logits = auto_share, output, from_logits
        self.every, self.fraction = every, fraction
        words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(self).__name__)
        self.name = name or words.lower()

    def bind(self, model):
        """What `call` explains with, for one model: a `BoundExplainer` or a `Score`."""
        raise NotImplementedError(f"{type(self).__name__} must define `bind`.")

    def call(self, explain, batch):
        """The penalty of every row, `(batch,)`, with what `bind` returned."""
        raise NotImplementedError(f"{type(self).__name__} must define `call`.")

    def of_logits(self, model):
        """The score of a classifier's logits, or of what a regression puts out."""
        options = {"output": self.output, "from_logits": self.from_logits}
        score = Score(model, **options)
        return Score(model, space="logit", **options) if score.is_classifier else score

    def tells(self, batch):
        """Whether the penalty of a batch means anything: a row by itself has nothing that it is compared with."""
        return trees.batch_size(batch.inputs) > 1 if self.compares else True

    def score(self, bound):
        """The score that `bind` works on."""
        return getattr(bound, "score", bound)

    def target(self, score, labels, outputs):
        """What is explained: by default the score of the true class."""
        return score.from_labels(labels, outputs)

    def get_config(self):
        return {name: getattr(self, name) for name in COMMON}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))

    def __repr__(self):
        values = {name: getattr(self, name, value) for name, value in self.get_config().items()}
        words = [f"{name}={value!r}" for name, value in values.items() if value is not None]
        return f"{type(self).__name__}({', '.join(words)})"


class AttributionLoss(ExplanationLoss):
    """A penalty on the attributions of an explainer.

    Args:
        explainer: Name of a method, or an `Explainer`.
        **common: See `ExplanationLoss`.
    """

    # Whether the penalty is a function of attributions alone, and not of the prediction as well.
    of_attributions = True

    @property
    def on_slopes(self):
        return self.of_attributions and self.explainer.method in OF_GRADIENTS

    @property
    def compares(self):
        """Whether the explainer takes the other rows of the batch as references: a row by itself has none."""
        return self.explainer.method == "expected_gradients" and self.explainer.option("background") is None

    def __init__(self, explainer, **common):
        super().__init__(**common)
        self.explainer = explainer if isinstance(explainer, Explainer) else Explainer(explainer)

    def bind(self, model, **options):
        return self.explaining(**options).bind(model)

    def explaining(self, **options):
        """The explainer as a training step uses it, of the output that the loss is about, with further options."""
        own = {name: getattr(self, name) for name in ("output", "from_logits")}
        given = {name: value for name, value in own.items() if value is not None}
        return self.explainer.replace(**given, **options).in_training()

    def attributions(self, explain, batch):
        """The attributions of a batch, with fresh noise at every step where the method draws any."""
        fresh = {"seed": batch.seed} if self.explainer.has("seed") else {}
        if not self.compares:
            return explain(batch.inputs, batch.target, **fresh)
        # One row as two that are alike: attributions of zero, where the explainer would raise.
        count = trees.batch_size(batch.inputs)
        pair = batch.take(tf.range(tf.maximum(count, 2)) % tf.maximum(count, 1))
        return trees.take(explain(pair.inputs, pair.target, **fresh), tf.range(count))

    def get_config(self):
        return {"explainer": keras.saving.serialize_keras_object(self.explainer), **super().get_config()}


def get(loss):
    """An `ExplanationLoss`, or a TypeError that says what else was passed."""
    if isinstance(loss, ExplanationLoss):
        return loss
    hint = checks.nearest(loss, [c.__name__ for c in _concrete(ExplanationLoss)]) if isinstance(loss, str) else ""
    raise TypeError(
        f"`explanation_loss` takes `ExplanationLoss` objects, such as `RightReasons(weight=10.0)`. Received: {loss!r}."
        + hint
    )


def _concrete(cls):
    """The classes below one that have none below themselves."""
    below = cls.__subclasses__()
    return [each for part in below for each in _concrete(part)] if below else [cls]
