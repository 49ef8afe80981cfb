"""Keras callbacks that report explanations while a model trains."""

from tf_xai.callbacks.attribution_board import AttributionBoard
from tf_xai.callbacks.explanation_drift import ExplanationDrift
from tf_xai.callbacks.explanation_metrics import ExplanationMetrics
from tf_xai.callbacks.pareto_checkpoint import ParetoCheckpoint

__all__ = ["AttributionBoard", "ExplanationDrift", "ExplanationMetrics", "ParetoCheckpoint"]
