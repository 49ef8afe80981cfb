"""ParetoCheckpoint: which models are kept, what the manifest says of them, and what an interruption leaves."""

import json

import keras
import numpy as np
import pytest

import tf_xai as xai
from tests.models import mlp
from tf_xai.callbacks import ParetoCheckpoint

METRICS = {"good": "max", "bad": "min"}
# Epoch by epoch. 2 is between the others, 3 dominates 1, 4 is dominated, 5 is equal to 3, 6 dominates all but 2.
VALUES = [(0.5, 0.5), (0.9, 0.9), (0.6, 0.4), (0.55, 0.45), (0.6, 0.4), (0.7, 0.3)]
FRONTS = [[1], [1, 2], [2, 3], [2, 3], [2, 3], [2, 6]]


class Lines(keras.callbacks.Callback):
    """Writes lines into the logs, and the number of the epoch into the weights."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        self.model.set_weights([np.full_like(w, epoch + 1) for w in self.model.get_weights()])
        good, bad = self.values[epoch]
        logs.update({"good": good, "bad": bad})


class Fronts(keras.callbacks.Callback):
    """Keeps the front after every epoch, and the files in its directory."""

    def __init__(self, checkpoint):
        super().__init__()
        self.checkpoint, self.seen, self.files = checkpoint, [], []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append([entry["epoch"] for entry in self.checkpoint.front])
        self.files.append(names(self.checkpoint.directory))


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def files(*epochs):
    return ["pareto.json", *(f"pareto-epoch-{epoch:04d}.keras" for epoch in epochs)]


def fit(checkpoint, values, epochs=None, initial_epoch=0):
    """Trains for as many epochs as there are values."""
    model = mlp()
    model.compile("sgd", "sparse_categorical_crossentropy")
    fronts = Fronts(checkpoint)
    callbacks = [Lines(values), checkpoint, fronts]
    epochs = {"epochs": epochs or len(values), "initial_epoch": initial_epoch}
    model.fit(np.ones((2, 4)), np.array([0, 1]), verbose=0, callbacks=callbacks, **epochs)
    return fronts


def manifest(directory):
    """The values by epoch, after a check of everything else."""
    noted = json.loads((directory / "pareto.json").read_text())
    assert noted["metrics"] == METRICS
    assert [entry["file"] for entry in noted["checkpoints"]] == [
        f"pareto-epoch-{entry['epoch']:04d}.keras" for entry in noted["checkpoints"]
    ]
    return {entry["epoch"]: tuple(entry["values"].values()) for entry in noted["checkpoints"]}


def weight_of(path):
    """The number of the epoch, which the weights show."""
    return keras.saving.load_model(path).get_weights()[0][0, 0]


def test_no_model_is_kept_that_another_one_dominates(tmp_path):
    checkpoint = ParetoCheckpoint(tmp_path / "new", METRICS)
    fronts = fit(checkpoint, VALUES)
    assert fronts.seen == FRONTS
    assert fronts.files == [sorted(files(*front)) for front in FRONTS]
    assert manifest(tmp_path / "new") == {2: (0.9, 0.9), 6: (0.7, 0.3)}
    path = str(tmp_path / "new" / "pareto-epoch-0006.keras")
    assert checkpoint.front[1] == {"epoch": 6, "file": path, "good": 0.7, "bad": 0.3}
    assert [weight_of(entry["file"]) for entry in checkpoint.front] == [2, 6]


def test_lines_of_explanation_metrics(tmp_path, rng):
    """The default metrics, of a model that is trained with an explanation loss."""
    x = rng.normal(size=(24, 4)).astype("float32")
    y = (x[:, 0] > 0).astype("int32")
    options = {"explanation_loss": xai.losses.LIMEFidelity(weight=0.1), "metrics": ["accuracy"]}
    model = xai.compile(mlp(), keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy", **options)
    checkpoint = ParetoCheckpoint(tmp_path)
    callbacks = [xai.callbacks.ExplanationMetrics(x, y, metrics=["deletion"], control=False), checkpoint]
    history = model.fit(x, y, validation_data=(x, y), epochs=4, verbose=0, callbacks=callbacks).history
    points = list(zip(history["val_accuracy"], history["xai_deletion"], strict=True))
    better = lambda a, b: a[0] >= b[0] and a[1] <= b[1] and a != b
    expected = [i + 1 for i, point in enumerate(points) if not any(better(other, point) for other in points)]
    assert [entry["epoch"] for entry in checkpoint.front] == expected
    loaded = keras.saving.load_model(checkpoint.front[-1]["file"])
    assert isinstance(loaded, xai.ExplainableModel)


def test_values_that_are_none_are_not_kept(tmp_path):
    """And said to be so once."""
    values = [(float("nan"), 0.1), (0.5, float("inf")), (0.5, 0.5)]
    with pytest.warns(UserWarning) as seen:
        fronts = fit(ParetoCheckpoint(tmp_path, METRICS), values)
    words = [str(one.message) for one in seen if "ParetoCheckpoint" in str(one.message)]
    assert len(words) == 1 and "['good'] is NaN or infinite" in words[0]
    assert fronts.seen == [[], [], [3]]


def test_lines_that_lack(tmp_path):
    with pytest.warns(
        UserWarning, match=r"only with \['xai_deletion'\] available. The lines are: \['bad', 'good', 'lo"
    ):
        fronts = fit(ParetoCheckpoint(tmp_path, {"good": "max", "xai_deletion": "min"}), VALUES[:1])
    assert fronts.seen == [[]] and names(tmp_path) == []


def test_a_training_goes_on(tmp_path):
    """In another process, that is: with another callback."""
    fit(ParetoCheckpoint(tmp_path, METRICS), VALUES[:3])
    fronts = fit(ParetoCheckpoint(tmp_path, METRICS), VALUES, initial_epoch=3)
    assert fronts.seen == FRONTS[3:] and names(tmp_path) == sorted(files(2, 6))
    assert manifest(tmp_path) == {2: (0.9, 0.9), 6: (0.7, 0.3)}


@pytest.mark.parametrize(("again", "front"), [((0.95, 0.2), {3: (0.95, 0.2)}), ((0.1, 0.9), {2: (0.9, 0.9)})])
def test_an_epoch_trained_again_takes_its_place(tmp_path, again, front):
    """With its new values, better or worse, and once. What it dominated before is gone."""
    fit(ParetoCheckpoint(tmp_path, METRICS), VALUES[:3])
    fit(ParetoCheckpoint(tmp_path, METRICS), [*VALUES[:2], again], initial_epoch=2)
    assert manifest(tmp_path) == front and names(tmp_path) == sorted(files(*front))


def test_an_epoch_trained_again_that_has_no_value(tmp_path):
    """The model that it had before is of a training that was given up."""
    fit(ParetoCheckpoint(tmp_path, METRICS), VALUES[:3])
    with pytest.warns(UserWarning, match="NaN or infinite"):
        fit(ParetoCheckpoint(tmp_path, METRICS), [*VALUES[:2], (float("nan"), 0.1)], initial_epoch=2)
    assert manifest(tmp_path) == {2: (0.9, 0.9)} and names(tmp_path) == sorted(files(2))


def test_interrupted_while_an_epoch_is_trained_again(tmp_path, monkeypatch):
    """The new file of the epoch is there, and the manifest does not say of it what the old one had."""
    fit(ParetoCheckpoint(tmp_path, METRICS), VALUES[:3])
    checkpoint = ParetoCheckpoint(tmp_path, METRICS)
    write, calls = checkpoint._write, []

    def stop():
        calls.append(1)
        if len(calls) == 2:
            raise Interrupted
        write()

    monkeypatch.setattr(checkpoint, "_write", stop)
    with pytest.raises(Interrupted):
        fit(checkpoint, [*VALUES[:2], (0.95, 0.2)], initial_epoch=2)
    assert manifest(tmp_path) == {2: (0.9, 0.9)}


def test_a_training_from_the_start_replaces_all_but_only_when_it_has_something(tmp_path):
    fit(ParetoCheckpoint(tmp_path, METRICS), VALUES)
    before, worst = names(tmp_path), ParetoCheckpoint(tmp_path, METRICS)
    worst.set_model(mlp())
    worst.on_train_begin()
    worst.on_epoch_begin(0)
    assert names(tmp_path) == before
    fit(worst, [(0.0, 1.0)])
    assert manifest(tmp_path) == {1: (0.0, 1.0)} and names(tmp_path) == sorted(files(1))


def test_files_that_are_gone(tmp_path):
    fit(ParetoCheckpoint(tmp_path, METRICS), VALUES[:3])
    (tmp_path / "pareto-epoch-0002.keras").unlink()
    with pytest.warns(UserWarning, match=r"are gone from .*\['pareto-epoch-0002.keras'\]"):
        fronts = fit(ParetoCheckpoint(tmp_path, METRICS), VALUES, epochs=4, initial_epoch=3)
    assert fronts.seen == [[3]]


class Interrupted(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("step", ["save", "_write", "_prune"])
def test_interrupted_at_any_step(tmp_path, monkeypatch, step):
    """The manifest lists whole files, and the next process finishes as if nothing had been."""
    (tmp_path / "notes.keras").touch()
    checkpoint = ParetoCheckpoint(tmp_path, METRICS)
    owner = keras.Model if step == "save" else checkpoint
    do, calls = getattr(owner, step), []

    def stop(*arguments, **options):
        calls.append(1)
        if len(calls) == 3:
            if step == "save":
                arguments[1].write_bytes(b"half a file")
            raise Interrupted
        return do(*arguments, **options)

    monkeypatch.setattr(owner, step, stop)
    with pytest.raises(Interrupted):
        fit(checkpoint, VALUES)
    monkeypatch.undo()
    done = {"save": {1, 2}, "_write": {1, 2}, "_prune": {2, 3}}[step]
    assert set(manifest(tmp_path)) == done
    saved = {"save": [1, 2], "_write": [1, 2, 3], "_prune": [1, 2, 3]}[step]
    assert [weight_of(path) for path in sorted(tmp_path.glob("pareto-*.keras"))] == saved
    fit(ParetoCheckpoint(tmp_path, METRICS), VALUES, initial_epoch=2)
    assert names(tmp_path) == sorted(["notes.keras", *files(2, 6)])


def test_half_a_file_of_a_killed_process_is_removed(tmp_path):
    (tmp_path / ".pareto-epoch-0009.4711.tmp.keras").write_bytes(b"half a file")
    fit(ParetoCheckpoint(tmp_path, METRICS), VALUES[:1])
    assert names(tmp_path) == sorted(files(1))


def test_what_goes_wrong(tmp_path):
    with pytest.raises(ValueError, match=r"Unknown `metrics\['good'\]`. Expected one of \['max', 'min'\]"):
        ParetoCheckpoint(tmp_path, {"good": "maximum"})
    for metrics in (["good"], {}):
        with pytest.raises(ValueError, match="must be a dict of the name of a line"):
            ParetoCheckpoint(tmp_path, metrics)
    fit(ParetoCheckpoint(tmp_path, METRICS), VALUES[:2])
    other = ParetoCheckpoint(tmp_path, {"good": "min"})
    with pytest.raises(ValueError, match="must be of the same `metrics`"):
        fit(other, VALUES[:3], initial_epoch=1)
    fit(other, VALUES[:1])
    assert [entry["epoch"] for entry in other.front] == [1]
