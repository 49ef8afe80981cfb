"""Measures: the explanation metrics of `compile`, measured on every batch, and not optimised.

Names, `ExplanationMetric` objects, or a list or dict of them:

    explanation_metrics=["completeness", ExplanationMetric("deletion", explainer="grad_cam", steps=8)]
    explanation_metrics={"saliency": ExplanationMetric("sparseness", explainer="gradient")}  # the line `xai_saliency`

A name alone is the metric of `gradient_input`, which takes one forward and one backward pass; what a metric asks of the
model beside them, its own page says. Metrics of like explainers share the attributions. Each metric is a line of the
log, `xai_<metric>` or its `name=`, and the same with `val_`: the mean over the rows of the epoch where it is defined
and whose sample weight is above zero. A row is explained for its label, or for the predicted class where there are no
labels. In training, a batch is measured after its step, with the weights as the step has left them. Metrics are not
differentiated, and the training is the same with and without them.

Metrics that compare with evidence read that of `with_evidence`. Where there is none they are an error in training, and
in validation they have no line, as losses that need evidence.
"""

from tf_xai.core import checks, data, trees
from tf_xai.losses.base import Batch
from tf_xai.metrics import METRICS, ExplanationMetric
from tf_xai.training import counted
from tf_xai.training.evidence import missing, split_evidence

# The explainer of a metric that is only named.
CHEAP = "gradient_input"


class Measures:
    """Explanation metrics at work in one model.

    Args:
        metrics: As `compile` takes them. The model has copies, so that one list serves several models.
        model: An `ExplainableModel`, compiled with its task loss.
    """

    def __init__(self, metrics, model):
        self._model = model
        self.metrics = [metric.bind(model) for metric in read(metrics)]

    def lacking(self, evidence, training):
        """The lines of the metrics that need evidence where there is none."""
        return [m.name for m in self.metrics if missing(m.metric, m.needs_evidence, evidence, training)]

    def update(self, x, y, outputs, sample_weight, silent=()):
        """Adds a batch, as `fit` has it, to all metrics but the silent ones."""
        measured = [metric for metric in self.metrics if metric.name not in silent]
        if not measured:
            return
        inputs, irrelevant = split_evidence(x)
        inputs = data.to_tensors(self._model.base, inputs)
        explained = {}
        for metric in measured:
            with checks.context(f"While measuring `{metric.name}` of inputs of shape {checks.shapes(inputs)}."):
                if metric.bound not in explained:
                    batch = self._batch(metric.bound.score, inputs, irrelevant, y, outputs, sample_weight)
                    some = batch.nonempty()
                    explained[metric.bound] = batch, some, metric.bound.attribute(some.inputs, some.target)
                batch, some, attributions = explained[metric.bound]
                evidence = None if irrelevant is None else some.relevant
                values = metric.judged(some.inputs, some.target, attributions, evidence)
                metric.add(values[: trees.batch_size(inputs)], batch.counted)

    def _batch(self, score, inputs, irrelevant, y, outputs, sample_weight):
        """The batch with the target of a score."""
        target = score.target_from(inputs, None) if y is None else score.from_labels(y, outputs)
        target, weights = counted.of_batch(target, score, self._model.loss, y, sample_weight)
        return Batch(inputs, target, irrelevant, seed=None, outputs=None, weights=weights)


def read(metrics):
    """Copies of the metrics that a user names, as a list, or an error."""
    if metrics is None:
        return []
    if isinstance(metrics, dict):
        made = [_metric(metric, f"xai_{line}") for line, metric in metrics.items()]
    else:
        made = [_metric(metric) for metric in (metrics if isinstance(metrics, (list, tuple)) else [metrics])]
    lines = [metric.name for metric in made]
    if len(set(lines)) < len(lines):
        raise ValueError(f"Explanation metrics need different names. Received: {lines}. Pass `name=`, or a dict.")
    return made


def _metric(metric, line=None):
    if isinstance(metric, ExplanationMetric):
        return metric.fresh(line)
    if isinstance(metric, str):
        checks.choose("explanation_metrics", metric, METRICS)
        return ExplanationMetric(metric, CHEAP, name=line)
    raise TypeError(
        "`explanation_metrics` takes names of metrics and `ExplanationMetric` objects, which have options, such as "
        f"`ExplanationMetric('deletion', steps=8)`. Received: {metric!r}."
    )
