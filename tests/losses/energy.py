"""What the tests of EnergyGuidance share: models and data whose maps are known, and the share by hand."""

import numpy as np

from tests.models import linear


def regressor(kernel):
    model = linear(kernel)
    model.compile("sgd", "mse")
    return model


def outside(values, irrelevant):
    """The part of the positive values that is not on the evidence, by hand; without any on it, all that is there."""
    flat = lambda leaf: np.broadcast_to(leaf, values.shape).reshape(len(values), -1).astype("float64")
    values, relevant = flat(values), 1 - flat(irrelevant)
    energy, size = np.maximum(values, 0), np.abs(values).sum(axis=1)
    inside = (relevant * energy).sum(axis=1)
    share = inside / np.maximum(energy.sum(axis=1), 1e-30)
    return 1 - np.where(inside > 1e-3 * size, share, (relevant * values).sum(axis=1) / size)


def eights(rng):
    """Pictures, classes, and what is irrelevant in them: the right half."""
    irrelevant = np.zeros((4, 8, 8, 1), "float32")
    irrelevant[:, :, 4:] = 1
    return rng.normal(size=(4, 8, 8, 1)).astype("float32"), np.arange(4) % 3, irrelevant
