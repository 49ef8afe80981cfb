"""What every attribution method promises, and tiny options for it. A new method is one entry in `AXIOMS`."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

from tf_xai.core.regions import Patches


def nothing(inputs):
    """No options: the defaults."""
    return {}


def few(**options):
    """The same options for all inputs."""
    return lambda inputs: options


def background(inputs):
    """Two rows, made of the inputs; five samples, so that neither 3 divides them nor the rows are drawn alike."""
    return {"background": keras.tree.map_structure(lambda leaf: leaf.numpy()[:2] / 2, inputs), "samples": 5}


def slope(weights, inputs, reference):
    """On a linear model: its weights."""
    return np.broadcast_to(weights, inputs.shape)


def contribution(weights, inputs, reference):
    """On a linear model: what every input adds to the score of the reference."""
    return weights * (inputs - reference)


def players(size, **options):
    """Few players: the columns of a table, patches of other inputs."""
    choose = lambda leaf: "columns" if leaf.shape.rank == 2 else Patches(size)
    return lambda inputs: {"regions": keras.tree.map_structure(choose, inputs), **options}


class Axioms(NamedTuple):
    """The promises of a method.

    Attributes:
        options: Function of the inputs to options that make the method cheap.
        on_linear: Function of weights, inputs and reference to the exact values on a linear model, or None.
        complete: Whether the values of a row sum to the score less that of its baseline.
        is_smooth: Whether the gradient of a loss on the values is that of finite differences.
        maps: Whether inputs with spatial axes get maps with one channel.
        targeted: Whether the values depend on the target.
        like_inputs: Whether the values are nested and shaped like the inputs.
        needs: What the models must have: "axes", "attention" or "rectifiers".
    """

    options: Callable = nothing
    on_linear: Callable | None = None
    complete: bool = False
    is_smooth: bool = True
    maps: bool = False
    targeted: bool = True
    like_inputs: bool = True
    needs: str = "axes"
    step: float = 0.01


AXIOMS = {
    "gradient": Axioms(on_linear=slope),
    "gradient_input": Axioms(on_linear=contribution),
    "integrated_gradients": Axioms(few(steps=8), on_linear=contribution, complete=True),
    "expected_gradients": Axioms(background, on_linear=contribution),
    "smooth_grad": Axioms(few(samples=5), on_linear=slope),
    # In a narrow corridor: the values jump where two gradients change order, and finite differences see it.
    "guided_integrated_gradients": Axioms(few(steps=8, distance=0.002), on_linear=contribution),
    "deep_lift": Axioms(on_linear=contribution, complete=True),
    # Differentiable but for kinks and poles, which finite differences of all weights at once meet: see their own tests.
    "lrp": Axioms(on_linear=contribution, is_smooth=False),
    "guided_backprop": Axioms(needs="rectifiers", is_smooth=False),
    "deconvnet": Axioms(needs="rectifiers", is_smooth=False),
    "lime": Axioms(few(samples=100, ridge=0.0), on_linear=contribution),
    "exact_shap": Axioms(players(4), on_linear=contribution, complete=True),
    "kernel_shap": Axioms(players(3, samples=40), on_linear=contribution, complete=True),
    "permutation_shap": Axioms(players(3, samples=40), on_linear=contribution, complete=True),
    "occlusion": Axioms(few(window=3, stride=2), on_linear=contribution),
    "rise": Axioms(few(samples=20, grid=3), maps=True),
    # Without ReLU, whose kinks finite differences do not cross.
    "grad_cam": Axioms(few(relu=False), maps=True),
    "grad_cam_plus_plus": Axioms(few(relu=False), maps=True),
    "hires_cam": Axioms(few(relu=False), maps=True),
    "layer_cam": Axioms(few(relu=False), maps=True),
    "score_cam": Axioms(few(relu=False), maps=True, step=0.002),
    "guided_grad_cam": Axioms(few(relu=False), needs="rectifiers", step=0.002),
    "attention": Axioms(targeted=False, like_inputs=False, needs="attention"),
    "attention_rollout": Axioms(maps=True, targeted=False, needs="attention"),
    "attention_relevance": Axioms(maps=True, needs="attention", step=0.001),
}
