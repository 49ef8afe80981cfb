"""Saving, loading, going on: nothing is lost on the way."""

import keras
import numpy as np
import pytest
from keras import layers

import tf_xai as xai
from tests.models import cnn, dense, dict_model, mlp
from tests.training import models, processes
from tests.training.models import assert_close, assert_identical, fit

RightReasons, LIMEFidelity = xai.losses.RightReasons, xai.losses.LIMEFidelity


@keras.saving.register_keras_serializable("tests")
class TwoLayers(keras.Model):
    """A subclassed model that can be saved."""

    def __init__(self, classes=3, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.head = dense(6, "tanh"), layers.Dense(classes, "softmax")

    def call(self, inputs):
        return self.head(self.hidden(inputs))


@pytest.fixture
def data(rng):
    x, y = models.table(rng, rows=8)
    return x, y, models.masks_like(rng, x)


def losses():
    return [RightReasons(weight="auto", auto_share=0.5), LIMEFidelity(scale=1.0, weight="auto", auto_share=0.1)]


def adam_model(base):
    """Adam, whose moments have to be saved as well."""
    return models.compiled(base, losses(), optimizer=keras.optimizers.Adam(0.01), metrics=["accuracy"])


@pytest.mark.parametrize("build", [mlp, TwoLayers, models.unbuilt])
def test_load_and_go_on(build, data, tmp_path):
    """Four epochs, or two, a save, a load and two: the same weights, with automatic weights as they were."""
    x, y, masks = data
    evidence = xai.with_evidence(x, irrelevant=masks)
    base = build()
    base(x)
    start = base.get_weights()
    whole = fit(adam_model(base), evidence, y, batch_size=4, epochs=4)
    expected = base.get_weights()
    base.set_weights(start)
    model = adam_model(base)
    fit(model, evidence, y, batch_size=4, epochs=2)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_identical(loaded.get_weights(), model.get_weights())
    assert isinstance(loaded, xai.ExplainableModel) and type(loaded.base) is type(base)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    rest = fit(loaded, evidence, y, batch_size=4, epochs=2)
    assert set(rest) == set(whole)
    for line, values in rest.items():
        np.testing.assert_allclose(values, whole[line][2:], rtol=1e-5, err_msg=line)
    assert_close(loaded.base.get_weights(), expected, 1e-6)


@pytest.mark.slow
def test_load_in_another_process(data, tmp_path):
    """With nothing imported but keras, then tf_xai."""
    x, y, masks = data
    np.savez(tmp_path / "data.npz", x=x, y=y, masks=masks)
    model = adam_model(mlp())
    evidence = xai.with_evidence(x, irrelevant=masks)
    fit(model, evidence, y, batch_size=4, epochs=2)
    model.save(tmp_path / "model.keras")
    lines = fit(model, evidence, y, batch_size=4, epochs=2)
    processes.run("go_on", tmp_path / "model.keras", tmp_path / "data.npz", tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as stored:
        np.testing.assert_allclose(stored["loss"], lines["loss"], rtol=1e-5)
        assert_close([stored[name] for name in stored if name != "loss"], model.base.get_weights(), 1e-6)


@pytest.mark.slow
def test_base_loads_without_tf_xai(data, tmp_path):
    x, y, masks = data
    model = adam_model(mlp())
    fit(model, xai.with_evidence(x, irrelevant=masks), y)
    model.base.save(tmp_path / "plain.keras")
    np.savez(tmp_path / "data.npz", x=x)
    processes.run("predict_without_tf_xai", tmp_path / "plain.keras", tmp_path / "data.npz", tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as stored:
        assert_close([stored["arr_0"]], [model.predict(x, verbose=0)], 1e-6)


def test_load_without_compiling(data, tmp_path):
    x, y, masks = data
    model = adam_model(mlp())
    fit(model, xai.with_evidence(x, irrelevant=masks), y)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert not loaded.compiled
    loaded.compile("sgd", models.CROSSENTROPY, explanation_loss=LIMEFidelity())
    assert "xai_lime_fidelity_loss" in fit(loaded, x, y)


def test_compile_options_come_back(data, tmp_path):
    x, y, masks = data
    model = models.compiled(
        mlp(), [RightReasons(weight=2.0, name="why")], penalize_validation=True, metrics=["accuracy"]
    )
    evidence = xai.with_evidence(x, irrelevant=masks)
    fit(model, evidence, y)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.penalize_validation
    expected = model.evaluate(evidence, y, verbose=0, return_dict=True)
    assert loaded.evaluate(evidence, y, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-6)
    assert set(expected) == {"loss", "accuracy", "xai_why_loss"}


def test_save_before_compile(data, tmp_path):
    x, _, _ = data
    model = xai.ExplainableModel(mlp())
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


def test_weights_alone(data, tmp_path):
    """`save_weights` and `load_weights` between two wrappers of the same architecture."""
    x, y, masks = data
    model, other = adam_model(mlp()), adam_model(mlp())
    fit(model, xai.with_evidence(x, irrelevant=masks), y)
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    assert_identical(other.get_weights(), model.get_weights())


@pytest.mark.parametrize("build", [mlp, cnn, dict_model, TwoLayers])
def test_config_round_trip(build):
    """`from_config` makes a wrapper of the same architecture, not built where the base was not."""
    model = xai.ExplainableModel(build(), name="wrapped")
    copy = xai.ExplainableModel.from_config(model.get_config())
    assert copy.name == "wrapped" and copy.base is not model.base
    assert copy.base.get_config() == model.base.get_config()
    if build is not TwoLayers:
        copy.set_weights(model.get_weights())


def test_clone(data):
    x, _, _ = data
    model = xai.ExplainableModel(mlp())
    clone = keras.models.clone_model(model)
    assert isinstance(clone, xai.ExplainableModel)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone.predict(x, verbose=0), model.predict(x, verbose=0))
    assert clone.base is not model.base


class Stop(Exception):
    """A training that breaks down."""


def test_backup_and_restore(data, tmp_path):
    """A training that breaks down after two epochs goes on as if nothing had happened."""
    x, y, masks = data
    evidence = xai.with_evidence(x, irrelevant=masks)
    base = mlp()
    start = base.get_weights()
    fit(adam_model(base), evidence, y, batch_size=4, epochs=4)
    expected = base.get_weights()

    def break_down(epoch, logs):
        if epoch == 2:
            raise Stop

    base.set_weights(start)
    backup = lambda: keras.callbacks.BackupAndRestore(tmp_path / "backup")
    stop = keras.callbacks.LambdaCallback(on_epoch_begin=break_down)
    with pytest.raises(Stop):
        fit(adam_model(base), evidence, y, batch_size=4, epochs=4, callbacks=[backup(), stop])
    base.set_weights(start)
    lines = fit(adam_model(base), evidence, y, batch_size=4, epochs=4, callbacks=[backup()])
    assert len(lines["loss"]) == 2
    assert_close(base.get_weights(), expected, 1e-6)


def test_checkpoints_of_the_best_epoch(data, tmp_path):
    """ModelCheckpoint stores the wrapper whole, chosen by a line of the log."""
    x, y, masks = data
    evidence = xai.with_evidence(x, irrelevant=masks)
    model = models.compiled(mlp(), RightReasons(weight=5.0))
    path = tmp_path / "best.keras"
    keep = keras.callbacks.ModelCheckpoint(path, "val_xai_right_reasons_loss", mode="min", save_best_only=True)
    lines = fit(model, evidence, y, epochs=4, validation_data=(evidence, y), callbacks=[keep])
    best = keras.saving.load_model(path).evaluate(evidence, y, verbose=0, return_dict=True)
    assert best["xai_right_reasons_loss"] == pytest.approx(min(lines["val_xai_right_reasons_loss"]), rel=1e-5)
