"""The models and inputs that every method meets, and how it is called."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests import models
from tests.conformance.axioms import AXIOMS

ROWS = 4


def _draw(*shape):
    return tf.constant(np.random.default_rng(len(shape)).normal(size=(ROWS, *shape)), tf.float32)


# One input has spatial axes in each, so that methods that draw maps can serve them too.
CASES = {
    "tensor": (models.cnn, lambda: _draw(8, 8, 1)),
    "list": (models.list_model, lambda: [_draw(6, 1), _draw(2)]),
    "dict": (models.dict_model, lambda: {"image": _draw(6, 6, 1), "age": _draw(2)}),
}


@pytest.fixture(params=list(AXIOMS))
def method(request):
    """Every method in turn."""
    return request.param


@pytest.fixture
def axioms(method):
    """What it promises."""
    return AXIOMS[method]


@pytest.fixture
def structure():
    """How the inputs are nested; tests of the structure parametrise it."""
    return "tensor"


@pytest.fixture
def model(structure):
    """A model with such inputs."""
    return CASES[structure][0]()


@pytest.fixture
def inputs(structure):
    """Four rows of them."""
    return CASES[structure][1]()


@pytest.fixture
def explainer(method, axioms, inputs):
    """The method with cheap options; a call changes some of them."""
    return partial(xai.Explainer, method, **axioms.options(inputs))


@pytest.fixture
def target():
    """Classes to explain, not all alike."""
    return tf.constant([0, 2, 1, 2])
