"""Explanation metrics: functions `(score, inputs, target, attributions, **options) -> (batch,)`."""

from tf_xai.metrics.axioms import completeness
from tf_xai.metrics.faithfulness import deletion, infidelity, insertion, lime_fidelity

METRICS = {metric.__name__: metric for metric in (completeness, deletion, infidelity, insertion, lime_fidelity)}

# Metrics of the model alone, which read no attributions.
MODEL_METRICS = ("lime_fidelity",)

__all__ = ["METRICS", *METRICS]
