"""Keras callbacks that report explanations while a model trains."""

from tf_xai.callbacks.attribution_board import AttributionBoard
from tf_xai.callbacks.explanation_metrics import ExplanationMetrics

__all__ = ["AttributionBoard", "ExplanationMetrics"]
