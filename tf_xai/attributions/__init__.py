"""Attribution methods: pure functions `(score, inputs, target, **options) -> tree`, one per file."""

import tensorflow as tf

from tf_xai.attributions.attention import attention
from tf_xai.attributions.attention_relevance import attention_relevance
from tf_xai.attributions.attention_rollout import attention_rollout
from tf_xai.attributions.deconvnet import deconvnet
from tf_xai.attributions.deep_lift import deep_lift
from tf_xai.attributions.exact_shap import exact_shap
from tf_xai.attributions.expected_gradients import expected_gradients
from tf_xai.attributions.grad_cam import grad_cam
from tf_xai.attributions.grad_cam_plus_plus import grad_cam_plus_plus
from tf_xai.attributions.gradient import gradient
from tf_xai.attributions.gradient_input import gradient_input
from tf_xai.attributions.guided_backprop import guided_backprop
from tf_xai.attributions.guided_grad_cam import guided_grad_cam
from tf_xai.attributions.guided_integrated_gradients import guided_integrated_gradients
from tf_xai.attributions.hires_cam import hires_cam
from tf_xai.attributions.integrated_gradients import integrated_gradients
from tf_xai.attributions.kernel_shap import kernel_shap
from tf_xai.attributions.layer_cam import layer_cam
from tf_xai.attributions.lime import fit, lime
from tf_xai.attributions.lrp import lrp
from tf_xai.attributions.occlusion import occlusion
from tf_xai.attributions.permutation_shap import permutation_shap
from tf_xai.attributions.rise import rise
from tf_xai.attributions.score_cam import score_cam
from tf_xai.attributions.smooth_grad import smooth_grad
from tf_xai.core.trees import length

METHODS = {
    method.__name__: method
    for method in (
        *(gradient, gradient_input, integrated_gradients, expected_gradients, smooth_grad, lime),
        *(guided_integrated_gradients, deep_lift, lrp, guided_backprop, deconvnet),
        *(grad_cam, grad_cam_plus_plus, hires_cam, layer_cam, score_cam, guided_grad_cam),
        *(exact_shap, kernel_shap, permutation_shap, occlusion, rise),
        *(attention, attention_rollout, attention_relevance),
    )
}

# What becomes of the vector of a token, where it is not the sum: of slopes the length, of repeated values the mean.
TOKENS = {
    **{method.__name__: length for method in (gradient, smooth_grad, guided_backprop, deconvnet)},
    "occlusion": tf.reduce_mean,
}

# Methods with a baseline whose values are not meant to sum to a difference of scores.
UNSUMMED = frozenset({"lime", "occlusion", "rise"})

# Methods that fit something: functions that also return how well it describes the score.
FITS = {"lime": fit}

__all__ = ["METHODS", *METHODS]
