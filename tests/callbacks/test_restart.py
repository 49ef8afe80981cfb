"""Trainings that are interrupted and go on, and what else of Keras works with the callbacks.

What needs a process of its own: `python -m tests.callbacks.test_restart <task> <arguments>`.
"""

import csv
import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.models import mlp
from tf_xai.callbacks import ExplanationDrift, ExplanationMetrics, ParetoCheckpoint

LOSS = "sparse_categorical_crossentropy"
LINES = {"xai_drift_rank_agreement", "xai_drift_topk_agreement", "xai_drift_flipped"}
EPOCHS = 6


def table():
    """Rows and classes that a few epochs learn."""
    x = np.random.default_rng(1).normal(size=(24, 4)).astype("float32")
    return x, (x[:, 0] + 0.3 * x[:, 1] > 0).astype("int32")


class Stop(keras.callbacks.Callback):
    """Calls a function in the middle of an epoch, or at its end, where it stands in the list."""

    def __init__(self, stop, last, middle):
        super().__init__()
        self.stop, self.last, self.middle, self.epoch = stop, last, middle, None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.middle and self.epoch == self.last and batch == 1:
            self.stop()

    def on_epoch_end(self, epoch, logs=None):
        if not self.middle and epoch == self.last:
            self.stop()


def train(folder, stop=None, last=3, middle=True, every=1):
    """A training with all callbacks, with what it leaves in files: `drift, front, weights`, and its history."""
    folder, (x, y) = Path(folder), table()
    keras.utils.set_random_seed(3)
    model = mlp()
    model.compile(keras.optimizers.Adam(0.05), LOSS, metrics=["accuracy"])
    drift = ExplanationDrift(x, y, reference=["previous", "first"], directory=folder / "drift", every=every, flip=0.9)
    front = ParetoCheckpoint(folder / "front", {"val_accuracy": "max", "xai_deletion": "min"})
    callbacks = [ExplanationMetrics(x, y, metrics=["deletion"], control=False), drift, front]
    callbacks += [] if stop is None else [Stop(stop, last, middle)]
    callbacks += [keras.callbacks.BackupAndRestore(folder / "backup")]
    options = {"batch_size": 8, "epochs": EPOCHS, "shuffle": False, "verbose": 0, "validation_data": (x, y)}
    history = model.fit(x, y, callbacks=callbacks, **options)
    weights = {entry["epoch"]: keras.saving.load_model(entry["file"]).get_weights() for entry in front.front}
    return {"drift": drift.history, "front": front.front, "weights": weights, "lines": history.history}


def assert_same(folder, there, one):
    """Of a training that went on and one that was never interrupted."""
    assert list(there["drift"]) == list(one["drift"])
    for epoch, entry in one["drift"].items():
        assert there["drift"][epoch]["lines"] == pytest.approx(entry["lines"], abs=1e-5)
        assert there["drift"][epoch]["flipped"] == entry["flipped"]
    plain = lambda front: [{k: v for k, v in entry.items() if k != "file"} for entry in front]
    assert plain(there["front"]) == [pytest.approx(entry, abs=1e-5) for entry in plain(one["front"])]
    for epoch, weights in one["weights"].items():
        for w, e in zip(there["weights"][epoch], weights, strict=True):
            np.testing.assert_allclose(w, e, rtol=1e-4, atol=1e-5)
    noted = json.loads((folder / "front" / "pareto.json").read_text())["checkpoints"]
    assert [entry["epoch"] for entry in noted] == [entry["epoch"] for entry in one["front"]]
    assert sorted(path.name for path in (folder / "front").glob("*.keras")) == [entry["file"] for entry in noted]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """By `every`; a fixture of a module, because one will do."""
    done = {every: train(tmp_path_factory.mktemp("one"), every=every) for every in (1, 2)}
    assert len(done[1]["front"]) > 1 and len(done[1]["drift"]) == EPOCHS and list(done[2]["drift"]) == [0, 2, 4]
    assert any(entry["flipped"]["previous"] for entry in done[1]["drift"].values())
    return done


class Interrupted(Exception):
    """Of the training, not of the process."""


def interrupt():
    raise Interrupted


@pytest.mark.parametrize(("last", "middle", "every"), [(3, True, 1), (3, False, 1), (4, True, 2), (4, False, 2)])
def test_interrupted_and_taken_up_by_new_callbacks(tmp_path, uninterrupted, last, middle, every):
    """At the end of the epoch it is noted, but not backed up: it is trained again, and not noted twice.

    With every other epoch, the last measurement is not of the model that is restored.
    """
    with pytest.raises(Interrupted):
        train(tmp_path, interrupt, last, middle, every)
    there = train(tmp_path, every=every)
    assert_same(tmp_path, there, uninterrupted[every])
    assert len(there["lines"]["loss"]) == EPOCHS - last
    name = "xai_drift_previous_rank_agreement"
    assert there["lines"][name] == pytest.approx(uninterrupted[every]["lines"][name][last:], abs=1e-5)


def test_a_history_of_something_else(tmp_path):
    """It is dropped where nothing of it is kept anyway."""
    (x, y), model = table(), mlp()
    model.compile("adam", LOSS)
    fit = lambda drift, **options: model.fit(x, y, verbose=0, callbacks=[drift], **options)
    fit(ExplanationDrift(x, y, directory=tmp_path), epochs=2)
    other = ExplanationDrift(-x, y, directory=tmp_path)
    with pytest.raises(ValueError, match=r"drift\.npz' must be of this probe and these options"):
        fit(other, epochs=3, initial_epoch=1)
    fit(other, epochs=1)
    assert sorted(other.history) == [0]
    assert [path.name for path in tmp_path.iterdir()] == ["drift.npz"]


ARRAYS = {
    "baseline": lambda rows: xai.Explainer("integrated_gradients", baseline=rows[0], steps=4),
    "drawn": lambda rows: xai.Explainer("integrated_gradients", baseline=xai.baselines.Samples(rows), steps=4),
    "background": lambda rows: xai.Explainer("expected_gradients", background=rows[:8], samples=4),
}


@pytest.mark.parametrize("make", ARRAYS.values(), ids=ARRAYS)
def test_a_history_with_other_arrays_of_the_same_shape(tmp_path, make):
    """Values are told from each other, and not arrays: the same ones, made again, go on."""
    (x, y), model = table(), mlp()
    model.compile("adam", LOSS)
    # No row is its own baseline, which would say nothing of it.
    drift = lambda by: ExplanationDrift(x, y, make(x + by), directory=tmp_path)
    fit = lambda drift, **options: model.fit(x, y, verbose=0, callbacks=[drift], **options)
    fit(drift(by=1))
    goes_on = drift(by=1)
    fit(goes_on, epochs=2, initial_epoch=1)
    assert sorted(goes_on.history) == [0, 1]
    with pytest.raises(ValueError, match="must be of this probe and these options"):
        fit(drift(by=2), epochs=3, initial_epoch=2)


def run(task, *arguments):
    """Runs a task in a process of its own."""
    command = [sys.executable, "-m", "tests.callbacks.test_restart", task, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def killed(folder, middle):
    train(folder, lambda: os.kill(os.getpid(), signal.SIGKILL), middle=middle == "True")


@pytest.mark.slow
@pytest.mark.parametrize("middle", [True, False])
def test_killed_and_taken_up_by_another_process(tmp_path, uninterrupted, middle):
    done = run("killed", tmp_path, middle)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert_same(tmp_path, train(tmp_path), uninterrupted[1])


def replicas(folder):
    """The same training on two logical processors."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    with tf.distribute.MirroredStrategy(devices).scope():
        there = train(folder)
    weights = {f"{epoch}/{i}": w for epoch, leaves in there["weights"].items() for i, w in enumerate(leaves)}
    np.savez(Path(folder) / "weights.npz", **weights)
    Path(folder, "there.json").write_text(json.dumps({"drift": there["drift"], "front": there["front"]}))


@pytest.mark.slow
def test_two_replicas_have_the_values_of_one_device(tmp_path, uninterrupted):
    done = run("replicas", tmp_path)
    assert done.returncode == 0, done.stderr
    there = json.loads((tmp_path / "there.json").read_text())
    there["drift"] = {int(epoch): entry for epoch, entry in there["drift"].items()}
    with np.load(tmp_path / "weights.npz") as file:
        there["weights"] = {e["epoch"]: [file[f"{e['epoch']}/{i}"] for i in range(4)] for e in there["front"]}
    assert_same(tmp_path, there, uninterrupted[1])


@pytest.mark.parametrize("plain", [True, False])
def test_all_callbacks_of_keras_see_the_lines(tmp_path, plain):
    (x, y), model = table(), mlp()
    if plain:
        model.compile("adam", LOSS)
    else:
        model = xai.compile(model, "adam", LOSS, explanation_loss=xai.losses.RightReasons(weight=0.1))
    inputs = x if plain else xai.with_evidence(x, irrelevant=np.ones((24, 4)))
    best, log = tmp_path / "best.keras", tmp_path / "log.csv"
    stop = keras.callbacks.EarlyStopping("xai_drift_rank_agreement", mode="max", patience=1, min_delta=2.1)
    later = [
        stop,
        keras.callbacks.ModelCheckpoint(best, monitor="xai_drift_rank_agreement", mode="max", save_best_only=True),
        keras.callbacks.CSVLogger(log),
    ]
    if find_spec("tensorboard") is not None:
        later.append(keras.callbacks.TensorBoard(tmp_path))
    history = model.fit(inputs, y, epochs=9, verbose=0, callbacks=[ExplanationDrift(x, y), *later]).history
    assert len(history["loss"]) == 2 and np.isfinite(stop.best), "nothing gains 2.1: Keras stops after two epochs"
    assert best.exists()
    with log.open() as file:
        rows = list(csv.DictReader(file))
    for line in LINES:
        assert [float(row[line]) for row in rows] == pytest.approx(history[line], rel=1e-6)
    if find_spec("tensorboard") is not None:
        assert {f"epoch_{line}" for line in LINES} <= _tags(tmp_path / "train")


def _tags(folder):
    """The tags of all scalars in the event files."""
    records = [record for path in folder.glob("events*") for record in tf.data.TFRecordDataset(str(path))]
    events = [tf.compat.v1.Event.FromString(record.numpy()) for record in records]
    return {value.tag for event in events for value in event.summary.value}


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
