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
    "tensor": lambda: _draw(8, 8, 1),
    "list": lambda: [_draw(6, 1), _draw(2)],
    "dict": lambda: {"image": _draw(6, 6, 1), "age": _draw(2)},
}

# The models of these inputs, by what the methods need of them.
MODELS = {
    "axes": {"tensor": models.cnn, "list": models.list_model, "dict": models.dict_model},
    # ELU holds negative values back, and is smooth.
    "rectifiers": {
        "tensor": partial(models.cnn, activation="elu"),
        "list": partial(models.list_model, activation="elu"),
        "dict": partial(models.dict_model, activation="elu"),
    },
    "attention": {"tensor": models.vit, "list": models.list_transformer, "dict": models.dict_vit},
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
def make_model(structure, axioms):
    """Makes a model with such inputs, that has what the method needs."""
    return MODELS[axioms.needs][structure]


@pytest.fixture
def model(make_model):
    """A model with such inputs."""
    return make_model()


@pytest.fixture
def inputs(structure):
    """Four rows of them."""
    return CASES[structure]()


@pytest.fixture
def explainer(method, axioms, inputs):
    """The method with cheap options; a call changes some of them."""
    return partial(xai.Explainer, method, **axioms.options(inputs))


@pytest.fixture
def target():
    """Classes to explain, not all alike."""
    return tf.constant([0, 2, 1, 2])
