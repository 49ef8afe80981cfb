"""AttributionBoard: what lies in the event files and the PNG files."""

from importlib.util import find_spec

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.models import cnn, mlp


def events(folder):
    """`{(tag, step): tensor}` of all event files."""
    found = {}
    for path in folder.glob("events*"):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                found[value.tag, event.step] = tf.make_ndarray(value.tensor)
    return found


@pytest.fixture
def run(tmp_path, rng):
    x, y = rng.random((16, 8, 8, 1)).astype("float32"), rng.integers(0, 3, 16)
    model = cnn()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    board = xai.callbacks.AttributionBoard(tmp_path, x, y, explainers=["gradient", "grad_cam"], examples=4)
    history = model.fit(x, y, epochs=2, verbose=0, callbacks=[board]).history
    return tmp_path / "xai", history, board


def test_images_and_scalars_of_every_epoch(run):
    folder, history, board = run
    found = events(folder)
    assert set(found) == {
        (tag, step) for step in (0, 1) for tag in ("attributions/gradient", "attributions/grad_cam", "accuracy", "loss")
    }
    assert found["loss", 1] == pytest.approx(history["loss"][1])
    width, height, png = found["attributions/gradient", 0]
    picture = tf.io.decode_png(png).numpy()
    assert picture.shape == (int(height), int(width), 3)
    assert np.ptp(picture.astype(int).max(axis=2) - picture.min(axis=2)) > 50, "coloured where attributions lie"
    assert board._traced.experimental_get_tracing_count() == 1


@pytest.mark.skipif(find_spec("tensorboard") is not None, reason="with tensorboard the images are in its dashboard")
def test_png_files_without_tensorboard(run):
    folder, _, _ = run
    assert sorted(path.name for path in (folder / "grad_cam").iterdir()) == ["epoch-0001.png", "epoch-0002.png"]


def test_tables_are_drawn_as_figures(tmp_path, rng):
    x, y = rng.normal(size=(6, 4)).astype("float32"), rng.integers(0, 3, 6)
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, verbose=0, callbacks=[xai.callbacks.AttributionBoard(tmp_path, x)])
    width, height, _ = events(tmp_path / "xai")["attributions/integrated_gradients", 0]
    assert int(width) > 300 and int(height) > 200


def test_keras_tensorboard_reads_nothing_of_it(run):
    """The records carry the plugin names of the stock dashboards."""
    folder, _, _ = run
    plugins = set()
    for path in folder.glob("events*"):
        for record in tf.data.TFRecordDataset(str(path)):
            for value in tf.compat.v1.Event.FromString(record.numpy()).summary.value:
                plugins.add((value.tag.split("/")[0], value.metadata.plugin_data.plugin_name))
    assert plugins == {("attributions", "images"), ("loss", "scalars"), ("accuracy", "scalars")}


def test_needs_no_labels(tmp_path, rng):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = rng.normal(size=(6, 4)).astype("float32")
    model.fit(
        x, x[:, 0], verbose=0, callbacks=[xai.callbacks.AttributionBoard(tmp_path, x, explainers="gradient_input")]
    )
    assert ("attributions/gradient_input", 0) in events(tmp_path / "xai")
