"""What every attribution method promises, and tiny options for it. A new method is one entry in `AXIOMS`."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np


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


class Axioms(NamedTuple):
    """The promises of a method.

    Attributes:
        options: Function of the inputs to options that make the method cheap.
        on_linear: Function of weights, inputs and reference to the exact values on a linear model, or None.
        complete: Whether the values of a row sum to the score less that of its baseline.
        differentiable: Whether a loss on the values trains the weights.
        row_independent: Whether a row's values ignore the other rows of its batch.
        xla: Whether it compiles with `jit_compile=True`.
        maps: Whether inputs with spatial axes get maps with one channel.
    """

    options: Callable = nothing
    on_linear: Callable | None = None
    complete: bool = False
    differentiable: bool = True
    row_independent: bool = True
    xla: bool = True
    maps: bool = False


AXIOMS = {
    "gradient": Axioms(on_linear=slope),
    "gradient_input": Axioms(on_linear=contribution),
    "integrated_gradients": Axioms(few(steps=8), on_linear=contribution, complete=True),
    "expected_gradients": Axioms(background, on_linear=contribution),
    "smooth_grad": Axioms(few(samples=5), on_linear=slope),
    # Without ReLU, whose kinks finite differences do not cross.
    "grad_cam": Axioms(few(relu=False), maps=True),
}
