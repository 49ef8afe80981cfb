"""A fidelity metric as a loss: explanations that say what the model does."""

import keras
import tensorflow as tf

from tf_xai import metrics
from tf_xai.core import baselines, checks
from tf_xai.core.variants import ALL
from tf_xai.losses.base import COMMON
from tf_xai.losses.contrast import ContrastLoss
from tf_xai.losses.faint import damped
from tf_xai.metrics.registry import options_of

# Metrics by name that train an explanation, and what to use in place of the others.
TRAINED = {"completeness": metrics.completeness, "infidelity": metrics.infidelity}
INSTEAD = {
    "deletion": "It puts features in order, and an order has no gradient. `SaliencyGuided` trains what it measures.",
    "insertion": "It puts features in order, and an order has no gradient. `SaliencyGuided` trains what it measures.",
    "lime_fidelity": "It is a property of the model alone, the larger the better. Use `LIMEFidelity`.",
}


@keras.saving.register_keras_serializable("tf_xai")
class FidelityLoss(ContrastLoss):
    """Penalises explanations for what a metric of `tf_xai.metrics` finds wrong with them.

        penalty_n = metric(f, x_n, target_n, a(x_n)),  0 where the metric is not defined

    What is explained is the logit of the true class, or the output of a regression, unless the explainer has a `space`.
    The default explainer is exact on linear models: there the loss trains a model for which a cheap explanation will
    do. Integrated gradients are complete anyhow.

    "completeness" is relative, and the steeper the less there is to explain: so the gradient of a row, not its penalty,
    is multiplied by its score's distance from the baseline over the median of the batch, at most 1. "infidelity" is in
    squared units of the score, which rewards a flatter model, unless it is normalised:
    `FidelityLoss("infidelity", normalize=True)`.

    Args:
        metric: "infidelity", "completeness", or a differentiable function with the same arguments, the less the better
            (registered with Keras, for models that are saved).
        explainer: Name of a method, or an `Explainer`.
        **options: Options of the metric, such as `samples=4`, and those of every `ExplanationLoss`. `baseline` is that
            of the explainer, and `seed` is new at every step, unless they are given. `name` is that of the metric.

    Reference: Yeh et al., 2019, https://arxiv.org/abs/1901.09392; Sundararajan et al., 2017,
    https://arxiv.org/abs/1703.01365
    """

    of_attributions = False

    def __init__(self, metric="infidelity", explainer="gradient_input", **options):
        self.function = metric if callable(metric) else _trained(metric)
        common = {name: options.pop(name) for name in COMMON if name in options}
        super().__init__(explainer, **{"name": self.function.__name__, **common})
        self._valid = options_of(self.function)
        checks.known_options(self.function.__name__, options, {*self._valid, *COMMON})
        self.metric, self.options = metric, options

    def call(self, explain, batch):
        options = {**self._defaults(explain, batch), **self.options}
        values = self.function(explain.score, batch.inputs, batch.target, self.attributions(explain, batch), **options)
        if self.function is metrics.completeness:
            values = damped(values, self._gap(explain.score, batch, options), batch.counted)
        return tf.where(tf.math.is_nan(values), 0.0, values)

    def _gap(self, score, batch, options):
        """How far the score is from that of the baseline, `(batch,)`."""
        start = options.get("baseline_score")
        if start is None:
            start = score(baselines.resolve(options.get("baseline", "zeros"), batch.inputs), batch.target)
        return tf.abs(score(batch.inputs, batch.target) - start)

    def _defaults(self, explain, batch):
        """Options of the metric that follow from the explainer and the training step."""
        found = {"seed": batch.seed, "chunk": ALL}
        if self.explainer.option("baseline") is not None:
            found["baseline"] = self.explainer.option("baseline")
        if "baseline_score" in self._valid and "baseline" not in self.options:
            found["baseline_score"] = explain.baseline_score(batch.inputs, batch.target)
            if found["baseline_score"] is None:
                checks.some_floats(batch.inputs)
        return {name: value for name, value in found.items() if name in self._valid}

    def get_config(self):
        own = keras.saving.serialize_keras_object({"metric": self.metric, **self.options})
        return {**own, **super().get_config()}


def _trained(name):
    """The metric of this name, or a ValueError that says what to use."""
    if name in INSTEAD:
        raise ValueError(f"`metric={name!r}` can not be trained. {INSTEAD[name]}")
    return checks.choose("metric", name, TRAINED)
