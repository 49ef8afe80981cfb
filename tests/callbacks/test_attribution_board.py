"""AttributionBoard: what lies in the event files."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.callbacks.board_logs import blob, events, fit, table
from tests.models import cnn, mlp, tokens, transformer
from tf_xai.board import packing
from tf_xai.core.resize import resize

Board = xai.callbacks.AttributionBoard


@pytest.fixture
def images(rng):
    return rng.random((16, 8, 8, 1)).astype("float32"), rng.integers(0, 3, 16)


def test_every_record_has_its_place(tmp_path, images):
    """Examples once; maps, numbers and curves of the epochs that are due; all lines of the log; nothing else."""
    x, y = images
    board = Board(tmp_path, x, y, explainers=["gradient", "grad_cam"], examples=4)
    history = fit(cnn(), x, y, board, epochs=6).history
    found, due = events(tmp_path / "xai"), (0, 1, 2, 3, 5)
    kinds = {"gradient": ("maps", "numbers", "curves"), "random": ("numbers", "curves")}
    kinds["grad_cam"] = kinds["gradient"]
    expected = {(f"tf_xai/{method}/{kind}", step) for method in kinds for kind in kinds[method] for step in due}
    assert set(found) == expected | {("tf_xai/inputs", 0)} | {("loss", step) for step in range(6)}
    assert found["loss", 4][0] == pytest.approx(history["loss"][4]) and found["loss", 4][1] == "scalars"
    assert found["tf_xai/random/numbers", 0][2]["control"] and not found["tf_xai/gradient/numbers", 0][2]["control"]
    assert board._rows._traced.experimental_get_tracing_count() == 1


@pytest.mark.parametrize(
    "every, due", [(None, [0, 1, 2, 3, 5, 7, 8]), (1, list(range(9))), (4, [0, 4, 8]), (7, [0, 7, 8])]
)
def test_the_first_and_the_last_epoch_are_always_written(tmp_path, rng, every, due):
    x, y = rng.normal(size=(6, 4)).astype("float32"), rng.integers(0, 3, 6)
    fit(mlp(), x, y, Board(tmp_path, x, explainers="gradient", every=every, metrics=()), epochs=9)
    assert sorted(step for tag, step in events(tmp_path / "xai") if tag == "tf_xai/gradient/maps") == due


def test_a_training_that_begins_late(tmp_path, images):
    x, y = images
    fit(cnn(), x, y, Board(tmp_path, x, y, "gradient", metrics=()), epochs=6, initial_epoch=4)
    assert sorted(step for tag, step in events(tmp_path / "xai") if tag == "tf_xai/gradient/maps") == [4, 5]


def test_maps_and_numbers_are_those_of_the_model(tmp_path, images):
    """After the last epoch the model is as it was when they were written."""
    x, y = images
    model = cnn()
    fit(model, x, y, Board(tmp_path, x, y, examples=5, metrics={"deletion": {"steps": 4}, "sparseness": {}}))
    values = xai.Explainer().bind(model)(x[:5], y[:5])
    _, arrays = blob(tmp_path, "tf_xai/integrated_gradients/maps")
    expected, scale, clip = packing.quantise(values.numpy().sum(axis=-1))
    assert np.abs(arrays[""].astype(int) - expected).max() <= 1
    numbers, score = table(tmp_path, "integrated_gradients"), xai.Score(model)
    np.testing.assert_allclose(numbers["scale"], scale, rtol=1e-4)
    np.testing.assert_allclose(numbers["clip"], clip, rtol=1e-4)
    outputs = model(x[:5]).numpy()
    np.testing.assert_array_equal(numbers["prediction"], outputs.argmax(axis=1))
    np.testing.assert_allclose(numbers["probability"], outputs.max(axis=1), rtol=1e-5)
    np.testing.assert_allclose(numbers["score"], outputs[np.arange(5), y[:5]], rtol=1e-5)
    deletion = xai.metrics.deletion(score, x[:5], y[:5], values, steps=4)
    np.testing.assert_allclose(numbers["deletion"], deletion, rtol=1e-4)
    np.testing.assert_allclose(numbers["sparseness"], xai.metrics.sparseness(score, x, y, values), rtol=1e-4)
    curves, _, content = events(tmp_path / "xai")["tf_xai/integrated_gradients/curves", 0]
    assert content["curves"] == ["deletion"] and content["shares"] == [0, 0.25, 0.5, 0.75, 1]
    np.testing.assert_allclose(np.trapezoid(curves[:, 0], content["shares"]), deletion, rtol=1e-4)
    np.testing.assert_allclose(curves[:, 0, 0], numbers["score"], rtol=1e-5)


def test_agreement_is_with_the_picture_before(tmp_path, images):
    x, y = images
    still = cnn()
    still.trainable = False
    fit(still, x, y, Board(tmp_path / "still", x, y, "gradient", metrics=()), epochs=3)
    fit(cnn(), x, y, Board(tmp_path / "moves", x, y, "gradient", metrics=()), epochs=3)
    agreement = lambda run: [table(tmp_path / run, "gradient", step)["agreement"] for step in range(3)]
    first, *others = agreement("still")
    assert first.isna().all()
    np.testing.assert_allclose(others, 1, rtol=1e-5)
    assert 0 < np.mean(agreement("moves")[1]) < 0.9999


def test_class_activation_maps_keep_their_grid(tmp_path, rng):
    """And are judged at the size of the images."""
    x, y = rng.random((4, 16, 16, 1)).astype("float32"), rng.integers(0, 3, 4)
    layers = [keras.layers.Conv2D(4, 3, strides=2, activation="relu"), keras.layers.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input((16, 16, 1)), *layers, keras.layers.Dense(3, "softmax")])
    fit(model, x, y, Board(tmp_path, x, y, "grad_cam"))
    header, arrays = blob(tmp_path, "tf_xai/grad_cam/maps")
    assert arrays[""].shape == (4, 7, 7) and header["arrays"][0]["smooth"]
    maps = xai.Explainer("grad_cam").bind(model)(x, y)
    scale = np.array(header["arrays"][0]["scale"], "float32")[:, None, None]
    np.testing.assert_allclose(
        resize(tf.constant(arrays[""] * scale / 127), [16, 16]), maps[..., 0], atol=0.01 * scale.max()
    )
    deletion = xai.metrics.deletion(xai.Score(model), x, y, maps)
    np.testing.assert_allclose(table(tmp_path, "grad_cam")["deletion"], deletion, rtol=1e-3)


def test_large_images_are_averaged(tmp_path, rng):
    x = rng.random((2, 300, 230, 3)).astype("float32")
    model = keras.Sequential([keras.Input((300, 230, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
    fit(model, x, np.zeros(2), Board(tmp_path, x, explainers="gradient_input", metrics=()))
    _, arrays = blob(tmp_path, "tf_xai/gradient_input/maps")
    assert arrays[""].shape == (2, 100, 77)
    picture = tf.io.decode_png(blob(tmp_path, "tf_xai/inputs")[1][""][0]).numpy()
    np.testing.assert_allclose(picture[0, 0], np.round(255 * x[0, :2, :2].mean(axis=(0, 1))), atol=1)
    assert picture.shape == (150, 115, 3), "its proportions are kept"


def test_pictures_of_any_range(tmp_path, rng):
    """Standardised images are stretched one by one; bytes stay as they are."""
    x = rng.normal(size=(3, 8, 8, 1)).astype("float32")
    fit(cnn(), x, np.zeros(3), Board(tmp_path, x, explainers="gradient", metrics=()))
    header, arrays = blob(tmp_path, "tf_xai/inputs")
    pictures = np.array([tf.io.decode_png(file).numpy() for file in arrays[""]])
    assert header["arrays"][0]["kind"] == "image" and header["labels"] is None
    np.testing.assert_array_equal(pictures.reshape(3, -1).min(axis=1), 0)
    np.testing.assert_array_equal(pictures.reshape(3, -1).max(axis=1), 255)
    grey = xai.board.examples.example("", np.full((1, 2, 2, 1), 200.0))
    assert tf.io.decode_png(grey["data"][0]).numpy().max() == 200


def test_tables(tmp_path, rng):
    x = pd.DataFrame(rng.normal(size=(6, 4)).astype("float32"), columns=["age", "sex", "income", "debt"])
    y = rng.integers(0, 3, 6)
    fit(mlp(), x.to_numpy(), y, Board(tmp_path, x, y, class_names=["a", "b", "c"]))
    header, arrays = blob(tmp_path, "tf_xai/inputs")
    (entry,) = header["arrays"]
    assert entry["kind"] == "table" and entry["names"] == list(x.columns)
    assert header["labels"] == y.tolist() and header["classes"] == ["a", "b", "c"]
    np.testing.assert_array_equal(arrays[""], x.to_numpy())
    assert blob(tmp_path, "tf_xai/integrated_gradients/maps")[1][""].shape == (6, 4)


def test_regressions_have_no_class(tmp_path, rng):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    x = rng.normal(size=(6, 4)).astype("float32")
    fit(model, x, x[:, 0], Board(tmp_path, x, x[:, 0], explainers="gradient_input"), loss="mse")
    numbers = table(tmp_path, "gradient_input")
    assert "probability" not in numbers
    np.testing.assert_allclose(numbers["prediction"], model(x)[:, 0], rtol=1e-5)
    np.testing.assert_allclose(blob(tmp_path, "tf_xai/inputs")[0]["labels"], x[:, 0], rtol=1e-6)


def test_texts(tmp_path, rng):
    ids = rng.integers(1, 10, (4, 5)).astype("int32")
    model, words = tokens(), lambda row: [f"word {number}" for number in row[:-1]] + [""]
    y = np.zeros(len(ids), int)
    fit(model, ids, y, Board(tmp_path, ids, y, explainers=["gradient", "lime"], tokens=words))
    header, arrays = blob(tmp_path, "tf_xai/inputs")
    assert header["arrays"][0]["kind"] == "text"
    assert arrays[""] == [[f"word {number}" for number in row[:-1]] + [""] for row in ids]
    assert blob(tmp_path, "tf_xai/lime/maps")[1][""].shape == (4, 5)
    assert table(tmp_path, "gradient")["deletion"].notna().all()


def test_attention_has_a_map_of_every_layer(tmp_path, rng):
    x = rng.integers(1, 10, (4, 6)).astype("int32")
    model = transformer()
    y = np.zeros(4, int)
    fit(model, x, y, Board(tmp_path, x, y, explainers=["attention", "gradient"]))
    header, arrays = blob(tmp_path, "tf_xai/attention/maps")
    weights = xai.Explainer("attention").bind(model)(x, y)
    assert list(arrays) == list(weights) and {entry["kind"] for entry in header["arrays"]} == {"attention"}
    for entry in header["arrays"]:
        exact = weights[entry["name"]].numpy()
        assert entry["of"] == "" and arrays[entry["name"]].shape == exact.shape
        scale = np.array(entry["scale"])[:, None, None, None]
        np.testing.assert_allclose(arrays[entry["name"]] * scale / 127, exact, atol=0.005)
    assert "deletion" not in table(tmp_path, "attention") and "deletion" in table(tmp_path, "gradient")


def test_series_and_sounds(tmp_path, rng):
    x = rng.normal(size=(3, 40, 1)).astype("float32")
    layers = [keras.layers.Conv1D(3, 5, activation="relu"), keras.layers.GlobalMaxPooling1D(), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((40, 1)), *layers])
    for name, options in {"series": {"feature_names": ["load"]}, "audio": {"rate": 8000}}.items():
        fit(model, x, x[:, 0, 0], Board(tmp_path / name, x, explainers="gradient", **options), loss="mse")
        (entry,) = blob(tmp_path / name, "tf_xai/inputs")[0]["arrays"]
        assert entry["kind"] == name
        assert entry["names"] == ["load"] if name == "series" else entry["rate"] == 8000
    assert blob(tmp_path / "series", "tf_xai/gradient/maps")[1][""].shape == (3, 40, 1)
    assert blob(tmp_path / "audio", "tf_xai/gradient/maps")[1][""].shape == (3, 40)


def test_nested_inputs_are_shown_one_by_one(tmp_path, rng):
    image, numbers = keras.Input((8, 8, 1), name="image"), keras.Input((3,), name="numbers")
    joined = keras.layers.Concatenate()([keras.layers.Flatten()(image), numbers])
    model = keras.Model({"image": image, "numbers": numbers}, keras.layers.Dense(2, "softmax")(joined))
    x = {"image": rng.random((4, 8, 8, 1)).astype("float32"), "numbers": rng.normal(size=(4, 3)).astype("float32")}
    fit(model, x, np.zeros(4), Board(tmp_path, x, feature_names={"numbers": ["a", "b", "c"]}))
    header, _ = blob(tmp_path, "tf_xai/inputs")
    assert {entry["name"]: entry["kind"] for entry in header["arrays"]} == {"image": "image", "numbers": "table"}
    assert {name: codes.shape for name, codes in blob(tmp_path, "tf_xai/integrated_gradients/maps")[1].items()} == {
        "image": (4, 8, 8),
        "numbers": (4, 3),
    }
    assert {"scale/image", "clip/numbers"} <= set(table(tmp_path, "integrated_gradients"))


def test_videos_are_filmstrips(rng):
    video = rng.random((2, 20, 6, 5, 3)).astype("float32")
    entry = xai.board.examples.example("", video)
    picture = tf.io.decode_png(entry["data"][1]).numpy()
    assert picture.shape == (6, 8 * 5, 3)
    np.testing.assert_allclose(picture[:, -5:], 255 * video[1, -1], atol=0.6)
    codes = xai.board.examples.attribution("", video, video)["data"]
    assert codes.shape == (2, 6, 40)


def test_what_is_no_number_is_marked(tmp_path, images):
    x, y = images
    fit(cnn(), x, y, Board(tmp_path, np.concatenate([x[:2], np.full_like(x[:1], np.nan)]), y[:3], "gradient_input"))
    header, arrays = blob(tmp_path, "tf_xai/gradient_input/maps")
    assert header["arrays"][0]["scale"][2] is None and (arrays[""][2] == -128).all()
    assert (arrays[""][:2] != -128).all()
