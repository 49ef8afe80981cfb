"""AttributionBoard: what does not fit is said before the training; unusual labels, models and trainings."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.callbacks.board_logs import blob, events, fit, table
from tests.models import binary, cnn, mlp, tokens, two_outputs
from tf_xai.board import examples

Board = xai.callbacks.AttributionBoard


@pytest.fixture
def images(rng):
    return rng.random((16, 8, 8, 1)).astype("float32"), rng.integers(0, 3, 16)


@pytest.fixture
def rows(rng):
    return rng.normal(size=(6, 4)).astype("float32"), np.arange(6) % 3


@pytest.mark.parametrize("method", ["gradient", "grad_cam"])
def test_pictures_for_the_stock_dashboard(tmp_path, images, method):
    x, y = images
    fit(cnn(), x, y, Board(tmp_path, x, y, method, examples=4, images=True))
    (width, height, png), plugin, _ = events(tmp_path / "xai")[f"attributions/{method}", 0]
    picture = tf.io.decode_png(png).numpy()
    assert plugin == "images" and picture.shape == (int(height), int(width), 3)
    assert np.ptp(picture.astype(int).max(axis=2) - picture.min(axis=2)) > 50, "coloured where attributions lie"


def test_writing_needs_no_tensorboard(tmp_path, images, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    x, y = images
    fit(cnn(), x, y, Board(tmp_path, x, y, "gradient"))
    assert ("tf_xai/gradient/maps", 0) in events(tmp_path / "xai")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"explainers": {"random": "gradient"}}, ValueError, "'random' is the name of random attributions"),
        ({"explainers": xai.Explainer("gradient", layer="dense")}, ValueError, "explains a layer, and the board shows"),
        ({"examples": 0}, ValueError, "`examples`"),
        ({"every": 0}, ValueError, "`every`"),
        ({"metrics": "deletoin"}, ValueError, "metrics"),
        ({"metrics": "pointing_game"}, ValueError, r"\['pointing_game'\] need evidence"),
        ({"class_names": "abc"}, TypeError, "`class_names` must be a list of names"),
        ({"class_names": {0: "a"}}, TypeError, "`class_names` must be a list of names"),
        ({"feature_names": {"": "abcd"}}, TypeError, "`feature_names` must be a list of names"),
        ({"tokens": {1: "a"}}, TypeError, "`tokens` must be a function"),
        ({"rate": -5}, ValueError, "`rate` must be larger than 0"),
    ],
)
def test_what_shows_without_a_model(options, error, words, rows):
    with pytest.raises(error, match=words):
        Board("logs", rows[0], **options)


class Counting(keras.callbacks.Callback):
    batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"y": np.full(6, 7)}, "`y` must fit the model's outputs. Expected: classes from 0 to 2. Received: 7"),
        ({"class_names": ["a"]}, "`class_names` must name every class of the model. Expected: 3 names. Received: 1"),
        ({"feature_names": ["a", "b"]}, "`feature_names` must name every feature. Expected: 4 names. Received: 2"),
        ({"metrics": {"deletion": {"steps": 4}, "insertion": {"steps": 8}}}, "need the same `steps`"),
    ],
)
def test_what_shows_before_the_first_batch(options, words, rows, tmp_path):
    (x, y), count = rows, Counting()
    with pytest.raises(ValueError, match=words):
        fit(mlp(), x, y, count, Board(tmp_path, x, **options))
    assert count.batches == 0 and not list(tmp_path.rglob("events*"))


def test_words_for_every_token(rng, tmp_path):
    ids = rng.integers(1, 10, (4, 5)).astype("int32")
    with pytest.raises(ValueError, match="`tokens` must give a word for every id of a row"):
        fit(tokens(), ids, np.zeros(4), Board(tmp_path, ids, tokens=lambda row: ["a"]))


def test_two_boards_of_one_training_need_two_directories(rows, tmp_path):
    x, y = rows
    boards = lambda *names: [Board(tmp_path / name, x, y, "gradient", metrics=()) for name in names]
    model, failed = mlp(), boards("one", "one")
    with pytest.raises(ValueError, match="Two boards of one training can not write to"):
        fit(model, x, y, *failed)
    # Another attempt is another training, even while the boards of the first are still there.
    fit(model, x, y, *boards("one", "other"))
    assert failed


def test_a_training_goes_on_in_its_directory(rows, tmp_path):
    """The same board again, and another one after a restart; one trace in all of a board."""
    x, y = rows
    model, board = mlp(), Board(tmp_path, x, y, "gradient")
    fit(model, x, y, board, epochs=2)
    model.fit(x, y, epochs=4, initial_epoch=2, verbose=0, callbacks=[board])
    assert board._rows._traced.experimental_get_tracing_count() == 1
    model.fit(x, y, epochs=5, initial_epoch=4, verbose=0, callbacks=[Board(tmp_path, x, y, "gradient")])
    assert {step for tag, step in events(tmp_path / "xai") if tag == "tf_xai/gradient/maps"} == set(range(5))


@pytest.mark.parametrize(
    ("model", "loss", "y", "labels"),
    [
        (mlp, "categorical_crossentropy", np.eye(3)[[0, 2, 1, 0, 1, 2]], [0, 2, 1, 0, 1, 2]),
        (mlp, "sparse_categorical_crossentropy", np.array([[0], [2], [1], [0], [1], [2]]), [0, 2, 1, 0, 1, 2]),
        (binary, "binary_crossentropy", np.array([0, 1, 1, 0, 1, 0]), [0, 1, 1, 0, 1, 0]),
        (lambda: mlp(final="sigmoid"), "binary_crossentropy", np.eye(3)[[0, 2, 1, 0, 1, 2]], None),
    ],
    ids=["one_hot", "column", "binary", "several"],
)
def test_labels_are_one_number_an_example(model, loss, y, labels, rows, tmp_path):
    fit(model(), rows[0], y, Board(tmp_path, rows[0], y, "gradient", metrics=()), loss=loss)
    assert blob(tmp_path, "tf_xai/inputs")[0]["labels"] == labels


def test_labels_of_one_of_several_outputs(rows, tmp_path):
    y = {"label": rows[1], "amount": np.ones(6)}
    losses = {"label": "sparse_categorical_crossentropy", "amount": "mse"}
    explainer = xai.Explainer("gradient", output="label")
    fit(two_outputs(), rows[0], y, Board(tmp_path, rows[0], y, explainer, metrics=()), loss=losses)
    assert blob(tmp_path, "tf_xai/inputs")[0]["labels"] == rows[1].tolist()


def test_a_model_that_its_first_batch_builds(rows, tmp_path):
    x, y = rows
    model = keras.Sequential([keras.layers.Dense(3, "softmax")])
    fit(model, x, y, Board(tmp_path, x, y, "gradient", examples=5), epochs=2)
    assert len(table(tmp_path, "gradient", 1)) == 5
    with pytest.raises(ValueError, match="`y` must fit the model's outputs"):
        fit(
            keras.Sequential([keras.layers.Dense(3, "softmax")]),
            x,
            y,
            Board(tmp_path / "b", x, np.full(6, 9), "gradient"),
        )


def test_training_is_the_same_with_a_board(images, tmp_path):
    x, y = images
    weights = []
    for boards in ([], [Board(tmp_path, x, y)]):
        keras.utils.set_random_seed(3)
        model = cnn()
        fit(model, x, y, *boards, epochs=2)
        weights.append(model.get_weights())
    for plain, watched in zip(*weights, strict=True):
        np.testing.assert_array_equal(plain, watched)


@pytest.mark.parametrize(("high", "brightest"), [(1.0, 255), (1.02, 255), (2.0, 255), (200.0, 200)])
def test_floats_a_little_above_one_are_no_bytes(high, brightest):
    picture = examples.example("", np.linspace(0, high, 16, dtype="float32").reshape(1, 4, 4, 1))["data"][0]
    assert tf.io.decode_png(picture).numpy().max() == brightest


def test_digests_are_of_the_content(rows, tmp_path):
    for name, x in {"a": rows[0], "same": rows[0].copy(), "other": rows[0] + 1}.items():
        fit(mlp(), *rows, Board(tmp_path / name, x, explainers="gradient", metrics=()))
    digest = {name: blob(tmp_path / name, "tf_xai/inputs")[0]["digest"] for name in ("a", "same", "other")}
    assert digest["a"] == digest["same"] != digest["other"]
