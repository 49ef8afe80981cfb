"""MirroredStrategy on two logical processors: the training of one device."""

import numpy as np
import pytest

from tests.training import processes


def train(tmp_path, count, kind, rows):
    """Weights and lines of a training on so many replicas."""
    out = tmp_path / f"{count}.npz"
    processes.run("replicas", out, count, kind, rows)
    with np.load(out) as stored:
        return dict(stored)


def assert_equal(two, one):
    assert two.keys() == one.keys()
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["right_reasons", "weighted_rows", "lime_fidelity", "auto", "every", "pcgrad", "constraint"]
)
def test_two_replicas_train_like_one_device(kind, tmp_path):
    """Three epochs of two even batches, with the lines of the log."""
    assert_equal(train(tmp_path, 2, kind, 16), train(tmp_path, 1, kind, 16))


@pytest.mark.slow
@pytest.mark.parametrize("rows", [13, 9])
def test_uneven_last_batch(rows, tmp_path):
    """Keras gives every replica its own mean: of 3 and 2 rows, or of one row and none. Plain Keras is the standard."""
    plain = train(tmp_path, 2, "plain", rows)
    zero = train(tmp_path, 2, "zero", rows)
    assert np.isfinite(zero.pop("line_xai_right_reasons_loss")).all()
    assert_equal(zero, plain)
    penalised = train(tmp_path, 2, "right_reasons", rows)
    assert all(np.isfinite(values).all() for values in penalised.values())
    line = penalised["line_xai_right_reasons_loss"]
    assert line[-1] < line[0]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), [("many", 11), ("padding", 2)])
def test_a_replica_without_rows(kind, count, tmp_path):
    """All losses but that on attention, with a replica of no rows; and a model with infinite derivatives at 0."""
    lines = train(tmp_path, 2, kind, 9)
    assert sum(name.startswith("line_xai") for name in lines) == count
    assert all(np.isfinite(values).all() for values in lines.values())
