"""Sweeps: their table, front, knee, notes and picture."""

import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.models import mlp
from tests.training import models
from tf_xai.tradeoff import pareto, pareto_sweep, plot_pareto
from tf_xai.tradeoff.pareto import front, knee

LINE = "xai_right_reasons_loss"


class Build:
    """Small models that count themselves."""

    def __init__(self, rate=0.5, stop_at=None, **options):
        self.rate, self.stop_at, self.options, self.weights = rate, stop_at, options, []

    def __call__(self, weight):
        self.weights.append(weight)
        if len(self.weights) == self.stop_at:
            raise KeyboardInterrupt
        options = {"loss": models.CROSSENTROPY, "metrics": ["accuracy"], "run_eagerly": True, **self.options}
        optimizer = keras.optimizers.SGD(self.rate)
        return xai.compile(mlp(), optimizer, explanation_loss=xai.losses.RightReasons(weight=weight), **options)


@pytest.fixture
def data(rng):
    x, y = models.table(rng)
    return xai.with_evidence(x, irrelevant=models.masks_like(rng, x)), y


@pytest.fixture
def fits(monkeypatch):
    """The weights of the models that are trained from here on."""
    trained, fit = [], xai.ExplainableModel.fit

    def counted(self, *args, **options):
        trained.append(self._terms[0].loss.weight)
        return fit(self, *args, **options)

    monkeypatch.setattr(xai.ExplainableModel, "fit", counted)
    return trained


def sweep(build, data, weights=(0, 1, 10.0), **options):
    return pareto_sweep(build, weights, *data, **{"validation": data, "verbose": 0, "batch_size": 6, **options})


def test_a_row_for_every_training(data):
    """With the numbers that the same training by itself gives."""
    x, y = data
    frame = sweep(Build(0.05), data, seeds=(0, 5), epochs=2)
    assert list(frame) == ["weight", "seed", "accuracy", "loss", LINE, "on_front", "knee"]
    assert list(zip(frame["weight"], frame["seed"], strict=True)) == [(w, s) for w in (0, 1, 10) for s in (0, 5)]
    keras.utils.set_random_seed(5)
    model = Build(0.05)(1.0)
    model.fit(x, y, batch_size=6, epochs=2, verbose=0)
    result = model.evaluate(x, y, verbose=0, return_dict=True)
    row = frame[(frame["weight"] == 1) & (frame["seed"] == 5)].iloc[0]
    assert {name: row[name] for name in result} == pytest.approx(result, rel=1e-6)
    means = frame.groupby("weight")[LINE].mean()
    assert means[10] < means[1] < means[0]


def test_rows_of_a_weight_share_their_marks(data):
    frame = sweep(Build(), data, seeds=(0, 1))
    marks = frame.groupby("weight")[["on_front", "knee"]]
    assert (marks.nunique() == 1).all().all()
    assert marks.first()["knee"].sum() == 1
    assert frame[frame["knee"]]["on_front"].all()


def test_validation_with_weights_and_as_a_data_set(data):
    x, y = data
    weights = np.linspace(0, 2, len(y), dtype="float32")
    frame = sweep(Build(), data, weights=[1.0], validation=(x, y, weights))
    keras.utils.set_random_seed(0)
    model = Build()(1.0)
    model.fit(x, y, batch_size=6, verbose=0)
    expected = model.evaluate(x, y, sample_weight=weights, verbose=0, return_dict=True)["loss"]
    np.testing.assert_allclose(frame["loss"], [expected], rtol=1e-6)
    batches = tf.data.Dataset.from_tensor_slices((x, y, weights)).batch(6)
    frame = pareto_sweep(Build(), [1.0], *data, validation=batches, verbose=0, batch_size=6)
    np.testing.assert_allclose(frame["loss"], [expected], rtol=1e-6)


def test_a_finished_sweep_is_read_back(data, fits, tmp_path):
    first = sweep(Build(), data, directory=tmp_path, seeds=(0, 1))
    assert len(fits) == 6
    again = sweep(Build(), data, directory=tmp_path, seeds=(0, 1))
    assert len(fits) == 6
    pd.testing.assert_frame_equal(again, first)


def test_an_interrupted_sweep_goes_on(data, fits, tmp_path):
    whole = sweep(Build(), data)
    fits.clear()
    with pytest.raises(KeyboardInterrupt):
        sweep(Build(stop_at=3), data, directory=tmp_path)
    assert fits == [0, 1]
    pd.testing.assert_frame_equal(sweep(Build(), data, directory=tmp_path), whole)
    assert fits == [0, 1, 10]


@pytest.mark.parametrize("cut", [2, 40])
def test_half_a_line_is_no_training(cut, data, fits, tmp_path):
    """What an older version was writing when the process died."""
    whole = sweep(Build(), data, directory=tmp_path)
    file = tmp_path / "sweep.jsonl"
    file.write_text(file.read_text()[:-cut])
    fits.clear()
    for expected in ([10], [10]):
        pd.testing.assert_frame_equal(sweep(Build(), data, directory=tmp_path), whole)
        assert fits == expected


def test_an_interrupted_note_leaves_the_others(data, fits, tmp_path, monkeypatch):
    """The process dies while it notes the second training: the first one is still there, and nothing else."""
    whole = sweep(Build(), data)
    write, count = Path.write_text, iter(range(9))

    def dies(path, text, **options):
        write(path, text[: len(text) // 2], **options)
        if next(count) == 0:
            return write(path, text, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "write_text", dies)
        sweep(Build(), data, directory=tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["sweep.jsonl"]
    assert len((tmp_path / "sweep.jsonl").read_text().splitlines()) == 1
    fits.clear()
    pd.testing.assert_frame_equal(sweep(Build(), data, directory=tmp_path), whole)
    assert fits == [1, 10]


def test_two_sweeps_in_one_directory_keep_the_notes_of_both(data, fits, tmp_path):
    """The second one notes its training while the first one trains."""

    class Beside(Build):
        def __call__(self, weight):
            if weight == 1 and not (tmp_path / "done").exists():
                (tmp_path / "done").touch()
                sweep(Build(), data, weights=[10.0], directory=tmp_path)
                keras.utils.set_random_seed(0)  # as the outer sweep has set it
            return super().__call__(weight)

    sweep(Beside(), data, weights=[1.0], directory=tmp_path)
    fits.clear()
    sweep(Build(), data, weights=[1.0, 10.0], directory=tmp_path)
    assert fits == []


def test_notes_are_json_lines(data, tmp_path):
    frame = sweep(Build(), data, weights=[2.0], directory=tmp_path / "new" / "folder")
    (line,) = (tmp_path / "new" / "folder" / "sweep.jsonl").read_text().splitlines()
    entry = json.loads(line)
    assert entry["key"]["weight"] == 2.0 and entry["key"]["seed"] == 0
    assert entry["result"][LINE] == frame[LINE][0]


def test_what_else_decides_is_trained_anew(data, fits, tmp_path):
    """Another seed, number of epochs, learning rate, trade-off, row of the data or of the validation."""
    x, y = data
    run = lambda build=None, data=data, **options: sweep(
        build or Build(), data, weights=[1.0], directory=tmp_path, **{"validation": (x, y), **options}
    )
    run()
    other = keras.tree.map_structure(np.copy, x)
    other["xai_inputs"][3, 2] += 0.5
    cases = [
        lambda: run(seeds=[1]),
        lambda: run(epochs=2),
        lambda: run(Build(rate=0.1)),
        lambda: run(Build(tradeoff=xai.tradeoff.Schedule(3))),
        lambda: run(data=(other, y)),
        lambda: run(validation=(other, y)),
        lambda: run(sample_weight=np.linspace(0, 1, len(y))),
        lambda: run(sample_weight=np.linspace(0, 2, len(y))),
    ]
    for many, case in enumerate(cases, 2):
        case()
        assert len(fits) == many
    for case in cases:
        case()
    assert len(fits) == 9


def test_data_that_can_not_be_told_from_others(data, tmp_path):
    batches = tf.data.Dataset.from_tensor_slices(data).batch(6)
    with pytest.raises(ValueError, match=r"Received: _BatchDataset\. Pass arrays"):
        sweep(Build(), data, validation=batches, directory=tmp_path)


def test_a_validation_without_the_shortcut_chooses_a_weight_that_does_without_it(rng):
    """The first column tells the label in training. Where it does in validation too, weight 0 seems best."""
    y = rng.integers(0, 2, 600)
    x = rng.normal(size=(600, 4)).astype("float32")
    x[:, 1:] += 0.7 * (2 * y[:, None] - 1)
    shortcut = np.column_stack([3.0 * (2 * y - 1), x[:, 1:]]).astype("float32")
    rows = lambda x, part: (xai.with_evidence(x[part], irrelevant=np.array([1.0, 0, 0, 0], "float32")), y[part])
    training, validation, test = (slice(start, start + 200) for start in (0, 200, 400))

    def build(weight):
        base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
        loss, options = xai.losses.RightReasons(weight=weight), {"metrics": ["accuracy"], "run_eagerly": True}
        return xai.compile(base, keras.optimizers.SGD(0.3), models.CROSSENTROPY, explanation_loss=loss, **options)

    def found(data, weights=(0, 1)):
        options = {"validation": data, "metric": "accuracy", "epochs": 8, "batch_size": 200}
        frame = sweep(build, rows(shortcut, training), weights, **options)
        return frame.set_index("weight")["accuracy"]

    confounded, clean = (found(rows(columns, validation)).idxmax() for columns in (shortcut, x))
    accuracy = found(rows(x, test), [confounded, clean])
    assert confounded == 0 and accuracy[clean] > accuracy[0] + 0.1


def test_front():
    """Bettered: what another is no worse in everything, and better in something. Equal points better none."""
    costs = np.array([[0, 3], [1, 1], [3, 0], [1, 2], [1, 1], [np.nan, 0], [3, 3.0]])
    assert list(front(costs)) == [True, True, True, False, True, False, False]
    assert list(front(costs[:, :1])) == [True, False, False, False, False, False, False]


def test_knee():
    """By hand: distances of (0.1, 0.5), (0.2, 0.2), (0.6, 0.1) below the chord, in whatever units."""
    costs = np.array([[0, 1], [0.1, 0.5], [0.2, 0.2], [0.6, 0.1], [1, 0]])
    assert knee(costs) == 2
    assert knee(costs * [1, 1000] + [5, -7]) == 2
    assert knee(costs[:1]) == 0
    assert knee(np.array([[0, 5.0], [1, 5], [2, 5]])) == 0  # of one axis only


FRAME = {"weight": [0, 1, 2, 3], "accuracy": [0.9, 0.8, 0.85, 0.5], "precision": [0.1, 0.2, 0.3, 0.4]}


def marked(metric, mode="auto", **columns):
    """The weights on the front of a made-up sweep."""
    frame = pd.DataFrame({**FRAME, "xai_a_loss": [4.0, 3, 2, 1], **columns})
    frame = pareto._marked(frame, pareto._axes(frame, metric), pareto._direction(metric, mode))
    return list(frame["weight"][frame["on_front"]])


def test_more_accuracy_is_better():
    assert marked("accuracy") == [0, 2, 3]
    assert marked("accuracy", "min") == [3]
    assert marked("loss", loss=[0.9, 0.8, 0.85, 0.5]) == [3]
    assert marked("precision", "max") == [3]
    assert marked("accuracy", xai_b_loss=[1.0, 0, 1, 1]) == [0, 1, 2, 3]  # the best of another penalty


def test_a_metric_that_does_not_tell_its_direction(data):
    build = Build()
    with pytest.raises(ValueError, match=r"`mode` must be 'min' or 'max'.*metric='precision'"):
        sweep(build, data, metric="precision")
    with pytest.raises(ValueError, match=r"`mode` must be 'min' or 'max'.*mode='maximum'"):
        sweep(build, data, mode="maximum")
    assert not build.weights  # before anything is trained


def test_what_can_not_be_swept(data):
    build, without_evidence = Build(), (data[0]["xai_inputs"], data[1])
    with pytest.raises(ValueError, match=r"with_evidence"):
        sweep(build, data, validation=without_evidence)
    with pytest.raises(ValueError, match=r"No front without 'recall'"):
        sweep(build, data, metric="recall", mode="max")
    assert build.weights == [0, 0]  # after the first training, not after all
    with pytest.raises(TypeError, match=r"`build` must return a compiled `ExplainableModel`. Received: Sequential"):
        sweep(lambda weight: mlp(), data)
    with pytest.raises(ValueError, match="`penalize_validation`"):
        sweep(Build(penalize_validation=True), data)


def test_a_training_that_diverged_is_not_on_the_front():
    assert marked("accuracy", xai_a_loss=[4.0, np.nan, 2, np.nan]) == [0, 2]
    assert marked("accuracy", xai_a_loss=[np.nan] * 4) == []


def test_picture(data):
    """Every weight by its name, the front as a line, the knee in a ring, the axes by their columns."""
    frame = sweep(Build(), data, seeds=(0, 1), metric="accuracy")
    (axis,) = plot_pareto(frame, LINE, "accuracy").axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == (LINE, "accuracy")
    assert [text.get_text() for text in axis.texts] == ["0", "1", "10"]
    means = frame.groupby("weight").mean()
    on_front = means[means["on_front"] == 1].sort_values(LINE)
    np.testing.assert_allclose(axis.lines[0].get_xydata(), on_front[[LINE, "accuracy"]])
    ring = axis.collections[-1].get_offsets()
    np.testing.assert_allclose(ring, means[means["knee"] == 1][[LINE, "accuracy"]])
    labels = [text.get_text() for text in axis.figure.legends[0].get_texts()]
    assert labels == ["one training", "bettered by another", "front", "knee"]
