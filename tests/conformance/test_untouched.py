"""Explaining leaves a model, and everything around it, as it was; and traces only once."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai


def _state(model):
    """All that explaining could change in a model and its layers, and that is not to change."""
    layers = list(model._flatten_layers(include_self=False))
    return {
        "weights": [variable.numpy().tobytes() for variable in model.variables],
        "attributes": [(layer.name, sorted(vars(layer))) for layer in layers],
        "calls": [layer.call.__func__ for layer in layers],
        "flags": [(layer.trainable, layer.dtype_policy.name, len(layer.losses)) for layer in [model, *layers]],
        "configuration": model.get_config(),
    }


def _draws():
    """The next number of every global random stream."""
    streams = random.random(), np.random.uniform(), tf.random.uniform(()), keras.random.uniform(())
    return [float(number) for number in streams]


def test_explaining_leaves_the_model_as_it_was(explainer, model, inputs, target):
    model.layers[1].trainable = False
    before = _state(model)
    bound = explainer().bind(model)
    bound(inputs, target)
    bound.attribute(inputs, target)
    xai.explain(model, inputs.numpy(), method=explainer())
    assert _state(model) == before


def test_explaining_leaves_the_random_streams_as_they_were(explainer, model, inputs, target):
    keras.utils.set_random_seed(3)
    untouched = _draws()
    bound = explainer().bind(model)
    keras.utils.set_random_seed(3)
    bound(inputs, target)
    bound.attribute(inputs, target)
    assert _draws() == untouched


def test_an_explained_model_saves_as_before(explainer, model, inputs, target, tmp_path):
    explainer().bind(model)(inputs, target)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(inputs), model(inputs))


@keras.saving.register_keras_serializable("tests")
class Traces(keras.layers.Layer):
    """Counts how often Python runs through it: once per forward pass in a trace, never in a traced call."""

    count = 0

    def call(self, inputs):
        Traces.count += 1
        return inputs


def _counted(model):
    image = keras.Input(model.input.shape[1:])
    return keras.Model(image, model(Traces()(image)))


def test_a_second_call_traces_nothing(explainer, model, inputs, target):
    model = _counted(model)
    first = explainer().bind(model)(inputs, target)
    count = Traces.count
    assert count > 0
    second = explainer().bind(model)(inputs, target)
    keras.tree.map_structure(np.testing.assert_array_equal, first, second)
    assert Traces.count == count


@pytest.mark.slow
def test_a_second_explain_traces_nothing(explainer, model, inputs):
    model, x = _counted(model), np.repeat(inputs.numpy(), 2, axis=0)
    explain = lambda rows: xai.explain(model, x[:rows], method=explainer(), batch_size=3, verbose=0)
    explain(5)  # batches of two and three rows
    count = Traces.count
    explain(5)
    explain(8)
    assert Traces.count == count
