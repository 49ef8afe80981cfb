"""The rows that callbacks explain: what does not fit is an error before anything is trained, and costs nothing."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests import models
from tests.training.models import unbuilt, with_own_losses
from tf_xai.callbacks import ExplanationDrift, ExplanationMetrics
from tf_xai.callbacks.probe import read

LOSS = "sparse_categorical_crossentropy"


@pytest.fixture
def data(rng):
    x = rng.normal(size=(24, 4)).astype("float32")
    return x, (x[:, 0] > 0).astype("int32")


def compiled(model, loss=LOSS):
    model.compile(keras.optimizers.Adam(0.05), loss)
    return model


class Count(keras.callbacks.Callback):
    """How many batches were trained, and how often a callback's measurement was traced when training began."""

    def __init__(self, of=None):
        super().__init__()
        self.batches, self.of, self.began = 0, of, None

    def on_train_begin(self, logs=None):
        self.began = traces(self.of) if self.of else None

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1


def traces(callback):
    return [panel.experimental_get_tracing_count() for panel in callback._panels.values()]


def batches_before_the_error(model, callback, data, words):
    """How many batches of 8 rows were trained until the fit failed with these words, and until it did so again."""
    counts = [Count(), Count()]
    for count in counts:
        with pytest.raises(ValueError, match=words):
            model.fit(*data, batch_size=8, epochs=2, verbose=0, callbacks=[count, callback])
    return [count.batches for count in counts]


WRONG_SHAPE = r"rows of shape \(4,\)\. Received: \(3,\)"
NO_CLASS = r"`y` must fit the model's outputs\. Expected: classes from 0 to 2\. Received: 3, 7 in rows 5, 6\."


@pytest.mark.parametrize("callback", [ExplanationMetrics, ExplanationDrift])
def test_rows_of_another_shape_and_labels_of_no_class(callback, data):
    """Of `deletion`, labels alone would have said nothing of the argument; on a GPU, nothing at all."""
    x, y = data
    wrong = np.where(np.arange(24) == 5, 7, np.where(np.arange(24) == 6, 3, y))
    for probe, words in (((x[:, :3], y), WRONG_SHAPE), ((x, wrong), NO_CLASS), ((x, wrong[:, None] * 1.0), "3.0, 7.0")):
        assert batches_before_the_error(compiled(models.mlp()), callback(*probe), data, words) == [0, 0]


@pytest.mark.parametrize("callback", [ExplanationMetrics, ExplanationDrift])
@pytest.mark.parametrize("y", [np.eye(5)[np.arange(24) % 5], np.zeros((24, 2, 2), int)], ids=["one_hot", "positions"])
def test_labels_of_another_shape(callback, y, data):
    """Are an error of `y`, not one from within the graph of whatever reads them."""
    words = r"`y` must fit the model's outputs\. Expected: classes, or entries for outputs of shape \(24, 3\)"
    assert batches_before_the_error(compiled(models.mlp()), callback(data[0], y), data, words) == [0, 0]


def test_an_oracle_of_many_features(rng):
    x, y = rng.normal(size=(8, 9, 9, 1)).astype("float32"), np.arange(8) % 3
    callback = ExplanationMetrics(x, y, metrics="deletion", control="oracle")
    words = r"at most 64 of them. Received: 81 in a row. Pass `regions=`"
    assert batches_before_the_error(compiled(models.cnn((9, 9, 1))), callback, (x, y), words) == [0, 0]


def test_a_model_that_its_first_batch_builds(data):
    """Is looked at after that batch; the measurement is traced once all the same."""
    x, y = data
    callback, words = ExplanationMetrics(x[:, :3], y), r"received input with shape \(1, 3\)|Received: \(3,\)"
    assert batches_before_the_error(compiled(unbuilt()), callback, data, words) == [1, 0]
    callback = ExplanationMetrics(*data, metrics=["deletion"])
    count = Count(callback)
    compiled(unbuilt()).fit(*data, epochs=2, batch_size=8, verbose=0, callbacks=[callback, count])
    assert traces(callback) == [1]


@pytest.mark.parametrize("unit", ["epoch", "batch"])
def test_looking_ahead_is_paid_once(unit, data):
    """The trace that is there when the training begins is the only one, in a second training too."""
    callback, model = ExplanationMetrics(*data, metrics=["deletion", "lime_fidelity"], unit=unit), models.mlp()
    count = Count(callback)
    for _ in range(2):
        compiled(model).fit(*data, epochs=2, batch_size=8, verbose=0, callbacks=[callback, count])
        assert count.began == traces(callback) == [1]


def test_looking_ahead_runs_nothing(data):
    """An explainer that counts its runs: one for every epoch."""
    runs = []

    def baseline(x):
        with tf.control_dependencies([tf.py_function(lambda: runs.append(1), [], [])]):
            return tf.zeros_like(x)

    explainer = xai.Explainer("integrated_gradients", baseline=baseline, steps=2)
    callback = ExplanationMetrics(*data, explainer, metrics=["sparseness"], control=False)
    compiled(models.mlp()).fit(*data, epochs=3, verbose=0, callbacks=[callback])
    assert len(runs) == 3


@pytest.mark.parametrize("wrapped", [False, True])
def test_losses_of_layers_are_those_of_the_training(wrapped, data):
    """What the trace leaves in them is of another graph."""
    weights = []
    for callbacks in ([], [ExplanationMetrics(*data, metrics=["deletion"], control=False)]):
        keras.utils.set_random_seed(3)
        base = with_own_losses()
        compiled(xai.ExplainableModel(base) if wrapped else base).fit(*data, epochs=2, verbose=0, callbacks=callbacks)
        weights.append(base.get_weights())
    for plain, watched in zip(*weights, strict=True):
        np.testing.assert_array_equal(plain, watched)


def segmenter():
    """A class of three at every position of `(5, 2)`."""
    return keras.Sequential([keras.Input((5, 2)), models.dense(3, "softmax")])


IGNORING = keras.losses.SparseCategoricalCrossentropy(ignore_class=255)
ONE_HOT = np.eye(3, dtype="int32")[np.arange(6) % 3]


@pytest.mark.parametrize(
    ("model", "loss", "y"),
    [
        (models.mlp, LOSS, np.arange(6.0)[:, None] % 3),
        (models.mlp, "categorical_crossentropy", ONE_HOT),
        (models.binary, "binary_crossentropy", np.linspace(0, 1, 6)),
        (models.regression, "mse", np.arange(6) * 10 - 20),
        (lambda: models.mlp(classes=2, final=None), "mse", np.arange(12).reshape(6, 2) - 5),
        (lambda: models.mlp(final="sigmoid"), "binary_crossentropy", 1 - ONE_HOT),
        (lambda: models.mlp(final="sigmoid"), "binary_crossentropy", ONE_HOT * 1.2 - 0.1),
        (segmenter, IGNORING, np.where(np.arange(30).reshape(6, 5) % 4 == 3, 255, 1)),
    ],
    ids=["column", "one_hot", "soft", "numbers", "two_numbers", "several", "smooth", "ignored"],
)
def test_labels_that_are_fine(model, loss, y, rng):
    model = compiled(model(), loss)
    x = rng.normal(size=(6, *model.input_shape[1:])).astype("float32")
    callback = ExplanationMetrics(x, y, metrics=["deletion"], control=False)
    assert np.isfinite(model.fit(x, y, verbose=0, callbacks=[callback]).history["xai_deletion"][0])


@pytest.mark.parametrize(("loss", "received"), [(LOSS, "3, 255 in rows 2, 4"), (IGNORING, "3 in row 4")])
def test_positions_of_no_class(loss, received, rng):
    """All but those that the loss ignores."""
    x, y = rng.normal(size=(6, 5, 2)).astype("float32"), np.arange(30).reshape(6, 5) % 3
    y[2, 1], y[4, 4] = 255, 3
    callback = ExplanationMetrics(x, y, metrics=["deletion"])
    words = rf"0 to 2\. Received: {received}\. Pass"
    assert batches_before_the_error(compiled(segmenter(), loss), callback, (x, np.zeros((6, 5))), words) == [0, 0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"y": 1}, r"`y` must have an entry for every row of `x`\. Expected: 24 rows\. Received: one number"),
        ({"y": np.zeros(5)}, r"`y` must have.*Expected: 24 rows\. Received: shape \(5,\)"),
        ({"y": {"a": np.zeros(24), "b": np.zeros((7, 2))}}, r"`y` must have.*Received: shape \(7, 2\)"),
        ({"evidence": 1.0}, r"`evidence` must have.*Received: one number.*Pass a mask"),
        ({"metrics": ["deletion", "pointing_game"]}, r"\['pointing_game'\] need evidence.*Pass `evidence=masks`"),
        ({"metrics": ["completeness"], "control": "oracle"}, r"Expected one of \['comprehensiveness', 'deletion'"),
        ({"name": ""}, "`name` must be a word"),
        ({"x": None, "y": None}, r"`x` must be rows to explain\. Received: None\."),
        ({"explainers": []}, r"`explainers` must name at least one\. Received none\."),
        ({"explainers": {}}, r"`explainers` must name at least one\. Received none\."),
        ({"explainers": "attention"}, r"'attention'\) gives weights of pairs, \(rows, heads, queries, keys\), which"),
        ({"evidence": np.ones((24, 3))}, r"`evidence` must be masks.*Expected: \(24, 4\)\. Received: \(24, 3\)\. Pass"),
        ({"evidence": np.ones((24, 4, 1))}, r"`evidence` must be.*Expected: \(24, 4\)\. Received: \(24, 4, 1\)"),
    ],
)
def test_what_shows_without_a_model(options, words, data):
    with pytest.raises(ValueError, match=words):
        ExplanationMetrics(**({"x": data[0], "y": data[1]} | options))


@pytest.mark.parametrize("argument", ["explainers", "metrics"])
def test_names_that_are_none(argument, data):
    with pytest.raises(TypeError, match=rf"`{argument}` must be a name, .*, or a dict of name to .*Received: 3\."):
        ExplanationMetrics(*data, **{argument: 3})


MASKS = np.arange(24).reshape(2, 3, 4) % 3 == 1


@pytest.mark.parametrize(
    "mask", [MASKS, MASKS[..., None], np.repeat(MASKS[..., None], 2, -1), MASKS[:1], MASKS[:, :1, :, None]]
)
def test_masks_that_broadcast_to_images(mask, rng):
    """Without channels, with one for all, with all, one mask for all rows, one row of pixels for all."""
    x = rng.normal(size=(2, 3, 4, 2)).astype("float32")
    evidence = read(x, None, mask)[2]
    assert len(evidence) == 2
    values = xai.metrics.relevance_mass(None, x, None, np.ones_like(x), evidence=evidence)
    np.testing.assert_allclose(values, np.mean(evidence.reshape(2, -1) > 0, axis=1), rtol=1e-6)


def test_masks_that_do_not_broadcast_to_images(rng):
    x = rng.normal(size=(2, 3, 4, 2)).astype("float32")
    for shape in ((2,), (2, 3), (2, 4, 3), (2, 3, 4, 3), (2, 3, 4, 2, 1)):
        with pytest.raises(ValueError, match=r"Expected: \(2, 3, 4, 2\)\. Received: \(2"):
            read(x, None, np.ones(shape))


def test_a_mask_for_every_input(rng):
    x = {"a": rng.normal(size=(5, 2)).astype("float32"), "b": rng.integers(0, 9, (5, 3))}
    masks = {"a": np.ones((1, 2)), "b": np.ones((5, 1))}
    assert {name: mask.shape for name, mask in read(x, None, masks)[2].items()} == {"a": (5, 2), "b": (5, 1)}
    with pytest.raises(ValueError, match=r"`evidence` must have the structure.*\['a', 'b'\].*\['a'\].*every input"):
        read(x, None, {"a": masks["a"]})


def test_a_data_set_that_does_not_end(data):
    """Is refused, where it would be read for ever; the rows that are taken from it are fine."""
    forever = tf.data.Dataset.from_tensor_slices(data).repeat().batch(5)
    with pytest.raises(ValueError, match=r"must end.*repeats for ever\. Pass `\.take\(n\)`"):
        ExplanationMetrics(forever)
    x, y, _ = read(forever.take(3))
    np.testing.assert_array_equal(x, data[0][:15])
    np.testing.assert_array_equal(y, data[1][:15])


def test_a_data_set_of_single_rows(data):
    with pytest.raises(ValueError, match=r"must have batches.*Pass `data\.batch\(32\)`"):
        ExplanationMetrics(tf.data.Dataset.from_tensor_slices(data))
