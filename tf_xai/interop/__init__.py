"""The lime and shap packages on Keras models, in one call each; and explanations as objects of these packages."""

from tf_xai.core.conversions import to_lime, to_shap
from tf_xai.interop.lime_package import lime_image, lime_recurrent, lime_tabular, lime_text
from tf_xai.interop.shap_differentiable import shap_deep, shap_gradient
from tf_xai.interop.shap_sampling import shap_exact, shap_kernel, shap_partition, shap_permutation

__all__ = [
    "lime_image",
    "lime_recurrent",
    "lime_tabular",
    "lime_text",
    "shap_deep",
    "shap_exact",
    "shap_gradient",
    "shap_kernel",
    "shap_partition",
    "shap_permutation",
    "to_lime",
    "to_shap",
]
