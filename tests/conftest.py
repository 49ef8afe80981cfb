"""What every test gets: fixed seeds, and quiet random data."""

import keras
import numpy as np
import pytest

from tests import models


@pytest.fixture(autouse=True)
def seeded():
    """The same weights and draws whichever tests run, in whichever order."""
    keras.utils.set_random_seed(0)


@pytest.fixture
def rng():
    """A NumPy generator of its own, for data."""
    return np.random.default_rng(1)


@pytest.fixture
def linear():
    """A linear model, whose integrated gradients are weight times input."""
    return models.linear()


@pytest.fixture
def x(rng):
    """Five rows of three numbers, for the linear model."""
    return rng.normal(size=(5, 3)).astype("float32")
