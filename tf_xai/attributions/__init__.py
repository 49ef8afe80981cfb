"""Attribution methods: pure functions `(score, inputs, target, **options) -> tree`, one per file."""

from tf_xai.attributions.expected_gradients import expected_gradients
from tf_xai.attributions.grad_cam import grad_cam
from tf_xai.attributions.gradient import gradient
from tf_xai.attributions.gradient_input import gradient_input
from tf_xai.attributions.integrated_gradients import integrated_gradients
from tf_xai.attributions.smooth_grad import smooth_grad

METHODS = {
    method.__name__: method
    for method in (gradient, gradient_input, integrated_gradients, expected_gradients, smooth_grad, grad_cam)
}

__all__ = ["METHODS", *METHODS]
