"""Explainability losses, for `ExplainableModel.compile(explanation_loss=[...])`."""

from tf_xai.losses.base import ExplanationLoss
from tf_xai.losses.lime_fidelity import LIMEFidelity
from tf_xai.losses.right_reasons import RightReasons

__all__ = ["ExplanationLoss", "LIMEFidelity", "RightReasons"]
