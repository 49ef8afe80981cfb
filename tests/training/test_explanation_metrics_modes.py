"""Ways to run `explanation_metrics`: other precisions, several steps per execution, several devices."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.models import mlp
from tests.training import models
from tests.training.models import assert_close, compiled, fit, trained
from tests.training.test_distribution import assert_equal
from tests.training.test_explanation_metrics import LINES, XLA, several, standing
from tests.training.test_modes import under


@pytest.fixture
def data(rng):
    """Ten rows with evidence: two batches of five, or three of four."""
    x, y = models.table(rng, rows=10)
    return xai.with_evidence(x, relevant=models.masks_like(rng, x)), y


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy, data):
    plain, mixed = mlp(), under(policy, mlp)
    mixed.set_weights(plain.get_weights())
    lines = [fit(standing(base, ["sparseness", several()[1]]), *data, batch_size=4) for base in (plain, mixed)]
    for line in ("xai_sparseness", "xai_deletion"):
        np.testing.assert_allclose(lines[1][line], lines[0][line], rtol=0.05)


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=XLA)])
def test_steps_per_execution(jit_compile, data):
    base, options = mlp(), {"explanation_metrics": several(), "jit_compile": jit_compile}
    fit_options = {"batch_size": 5, "epochs": 2}
    one, lines = trained(base, [], *data, fit_options, **options)
    two, of_two = trained(base, [], *data, fit_options, steps_per_execution=2, **options)
    assert_close(two, one)
    for line in LINES:
        np.testing.assert_allclose(of_two[line], lines[line], rtol=1e-4)
        assert abs(lines[line][1] - lines[line][0]) > 1e-5  # reset, and measured anew


def measured(tmp_path, count, rows):
    """The lines of a training on so many logical processors, in a process of its own."""
    out = tmp_path / f"{count}.npz"
    command = [sys.executable, "-m", __name__, out, count, rows]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(done.stderr[-4000:])
    with np.load(out) as stored:
        return dict(stored)


def measure_on_replicas(out, count, rows):
    """Trains on so many logical processors, with rows of weight zero, and stores the lines."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * int(count))
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(1)
    x, y = models.table(rng, int(rows))
    evidence = xai.with_evidence(x, relevant=models.masks_like(rng, x))
    # Made before the scope: the model has copies. A metric that divides by what may be next to nothing would differ.
    metrics = ["sparseness", *several()[1:]]
    strategy = tf.distribute.MirroredStrategy(devices) if len(devices) > 1 else tf.distribute.get_strategy()
    with strategy.scope():
        model = compiled(mlp(), xai.losses.RightReasons(), explanation_metrics=metrics)
    weights = (np.arange(len(y)) % 4 > 0).astype("float32")
    history = fit(model, evidence, y, batch_size=8, epochs=3, sample_weight=weights, validation_data=(evidence, y))
    np.savez(out, **history)


@pytest.mark.slow
def test_two_replicas_measure_like_one_device(tmp_path):
    two, one = measured(tmp_path, 2, 16), measured(tmp_path, 1, 16)
    assert {f"{part}{line}" for part in ("", "val_") for line in ("xai_sparseness", *LINES[1:])} < set(one)
    assert_equal(two, one)


@pytest.mark.slow
def test_a_replica_without_rows(tmp_path):
    """Nine rows: of the last batch one replica has one and the other none."""
    lines = measured(tmp_path, 2, 9)
    assert {"xai_sparseness", *LINES[1:]} < set(lines)
    assert all(np.isfinite(values).all() for values in lines.values())


if __name__ == "__main__":
    measure_on_replicas(*sys.argv[1:])
