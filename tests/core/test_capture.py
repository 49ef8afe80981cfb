"""Observing layers, and leaving them as they were."""

import numpy as np
import pytest

from tests import models
from tf_xai.core.capture import capture, find_layer, layers_of


def _observe(model, layers, inputs):
    seen = []
    with capture(layers, seen.append):
        outputs = model(inputs)
    return outputs, seen


def test_records_the_outputs_in_the_order_of_the_calls(rng):
    model, x = models.mlp(), rng.normal(size=(2, 4)).astype("float32")
    outputs, seen = _observe(model, model.layers, x)
    np.testing.assert_array_equal(seen[0], model.layers[0](x))
    np.testing.assert_array_equal(seen[1], outputs)


def test_reaches_into_nested_models_and_records_every_call_of_a_shared_layer(rng):
    model, x = models.nested(), rng.normal(size=(2, 8, 8, 1)).astype("float32")
    inner = find_layer(model, "inner")
    _, seen = _observe(model, [inner], x)
    np.testing.assert_array_equal(seen[0], inner(x))
    seen = []
    with capture([inner], seen.append):
        inner(x), inner(2 * x)
    assert len(seen) == 2


def test_layers_are_left_as_they_were(rng):
    model, x = models.cnn(), rng.normal(size=(2, 8, 8, 1)).astype("float32")
    before = [(sorted(vars(layer)), layer.call) for layer in model.layers]
    _observe(model, model.layers, x)
    assert [(sorted(vars(layer)), layer.call) for layer in model.layers] == before


def test_layers_are_restored_after_an_error():
    model = models.mlp()
    with pytest.raises(RuntimeError, match="on purpose"), capture(model.layers, print):
        raise RuntimeError("on purpose")
    assert all("call" not in vars(layer) for layer in model.layers)


def test_a_layer_that_is_named_twice_is_observed_once(rng):
    model, x = models.mlp(), rng.normal(size=(2, 4)).astype("float32")
    _, seen = _observe(model, [model.layers[0]] * 2, x)
    assert len(seen) == 1 and "call" not in vars(model.layers[0])


def test_a_call_of_the_users_own_is_put_back(rng):
    model, x = models.mlp(), rng.normal(size=(2, 4)).astype("float32")
    layer = model.layers[0]
    own = layer.call
    layer.call = lambda inputs: own(inputs) * 2
    replaced = layer.call
    _, seen = _observe(model, [layer], x)
    np.testing.assert_allclose(seen[0], 2 * own(x), rtol=1e-6)
    assert layer.call is replaced


def test_layers_are_found_by_name():
    model = models.nested()
    assert {"backbone", "inner", "inner_pool"} <= {layer.name for layer in layers_of(model)}
    assert find_layer(model, "inner") is model.get_layer("backbone").get_layer("inner")
    assert find_layer(model, model.layers[0]) is model.layers[0]
    with pytest.raises(ValueError, match=r"Unknown `layer`.*Did you mean 'inner'"):
        find_layer(model, "iner")
