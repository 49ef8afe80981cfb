"""Models that optimise their explanations in `fit`."""

from tf_xai.training.evidence import with_evidence
from tf_xai.training.explainable_model import ExplainableModel, compile

__all__ = ["ExplainableModel", "compile", "with_evidence"]
