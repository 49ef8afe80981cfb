"""Explainability losses, for `ExplainableModel.compile(explanation_loss=[...])`."""

from tf_xai.losses.attention_guidance import AttentionGuidance
from tf_xai.losses.attribution_prior import AttributionPrior
from tf_xai.losses.attribution_stability import AttributionStability
from tf_xai.losses.base import ExplanationLoss
from tf_xai.losses.energy_guidance import EnergyGuidance
from tf_xai.losses.fidelity_loss import FidelityLoss
from tf_xai.losses.jacobian_norm import JacobianNorm
from tf_xai.losses.lime_fidelity import LIMEFidelity
from tf_xai.losses.lime_stability import LIMEStability
from tf_xai.losses.right_reasons import RightReasons
from tf_xai.losses.saliency_guided import SaliencyGuided
from tf_xai.losses.shap_fairness import SHAPFairness
from tf_xai.losses.shap_target import SHAPTarget

__all__ = [
    "AttentionGuidance",
    "AttributionPrior",
    "AttributionStability",
    "EnergyGuidance",
    "ExplanationLoss",
    "FidelityLoss",
    "JacobianNorm",
    "LIMEFidelity",
    "LIMEStability",
    "RightReasons",
    "SHAPFairness",
    "SHAPTarget",
    "SaliencyGuided",
]
