"""How the methods behave, whatever they compute: structure, chunks, batches, graphs, seeds, configuration."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests import models


def assert_close(tree, other, rtol=1e-5, atol=1e-6):
    """Asserts that two trees hold the same numbers."""
    keras.tree.map_structure(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=atol), tree, other)


def differ(tree, other):
    """Whether any number differs."""
    return any(np.any(a != b) for a, b in zip(keras.tree.flatten(tree), keras.tree.flatten(other), strict=True))


def needs(method, option):
    """Skips a method that has no such option."""
    if option not in inspect.signature(xai.attributions.METHODS[method]).parameters:
        pytest.skip(f"has no option {option!r}")


@pytest.mark.parametrize("structure", ["tensor", "list", "dict"])
def test_values_have_the_structure_and_shapes_of_the_inputs(explainer, axioms, model, inputs, target):
    if not axioms.like_inputs:
        pytest.skip("explains something else than the inputs")
    values = explainer().bind(model).attribute(inputs, target)
    keras.tree.assert_same_structure(values, inputs)
    for value, leaf in zip(keras.tree.flatten(values), keras.tree.flatten(inputs), strict=True):
        is_map = axioms.maps and leaf.shape.rank > 2
        assert value.shape == ([*leaf.shape[:-1], 1] if is_map else leaf.shape)
        assert value.dtype == tf.float32
    assert any(np.any(value != 0) for value in keras.tree.flatten(values))


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_inputs_may_have_any_float_dtype(explainer, model, inputs, dtype):
    rounded = inputs.numpy().astype(dtype)
    values = lambda x: xai.explain(model, x, method=explainer(), verbose=0).values
    assert_close(values(rounded), values(rounded.astype("float32")), rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["float64", "mixed_float16"])
def test_values_are_float32_whatever_the_policy(explainer, make_model, model, inputs, target, policy):
    keras.config.set_dtype_policy(policy)
    try:
        other = make_model()
    finally:
        keras.config.set_dtype_policy("float32")
    other.set_weights(model.get_weights())
    x = tf.cast(inputs, other.inputs[0].dtype)
    values = explainer().bind(other).attribute(x, target)
    assert all(leaf.dtype == tf.float32 for leaf in keras.tree.flatten(values))
    assert_close(values, explainer().bind(model).attribute(inputs, target), rtol=0.1, atol=0.01)


def test_values_do_not_depend_on_the_chunk(method, explainer, model, inputs, target):
    needs(method, "chunk")
    whole, one, three = (explainer(chunk=n).bind(model).attribute(inputs, target) for n in (None, 1, 3))
    assert_close(one, whole)
    assert_close(three, whole)


def test_a_row_does_not_depend_on_its_batch(explainer, model, inputs, target):
    bound = explainer().bind(model)
    together = bound.attribute(inputs, target)
    for row in range(len(target)):
        part = slice(row, row + 1)
        alone = bound.attribute(inputs[part], target[part])
        assert_close(alone, keras.tree.map_structure(lambda leaf: leaf[part], together))  # noqa: B023


def test_the_target_chooses_what_is_explained(explainer, axioms, model, inputs, target):
    bound = explainer().bind(model)
    predicted = tf.argmax(model(inputs), axis=1, output_type=tf.int32)
    assert_close(bound.attribute(inputs, None), bound.attribute(inputs, predicted))
    assert_close(bound.attribute(inputs, tf.one_hot(target, 3)), bound.attribute(inputs, target))
    other = bound.attribute(inputs, (target + 1) % 3)
    assert differ(bound.attribute(inputs, target), other) == axioms.targeted


@pytest.mark.slow
def test_eager_graph_and_xla_agree(explainer, model, inputs, target):
    bound = explainer().bind(model)
    eager = bound.attribute(inputs, target)
    assert_close(bound(inputs, target), eager)
    compiled = tf.function(bound.attribute, jit_compile=True, autograph=False)
    assert_close(compiled(inputs, target), eager)


def test_works_inside_a_function_of_unknown_batch_size(explainer, model, inputs, target):
    bound = explainer().bind(model)
    shapes = [tf.TensorSpec([None, *inputs.shape[1:]]), tf.TensorSpec([None], tf.int32)]
    inside = tf.function(lambda x, t: bound(x, t), input_signature=shapes, autograph=False)
    assert_close(inside(inputs, target), bound.attribute(inputs, target))


def test_seeds(method, explainer, model, inputs, target):
    needs(method, "seed")
    values = lambda seed: explainer(seed=seed).bind(model)(inputs, target)
    assert_close(values(3), explainer(seed=3).bind(models.same(model))(inputs, target), rtol=0, atol=0)
    assert differ(values(3), values(4))
    assert differ(values(None), values(None))


def test_a_seed_for_one_call_overrides_the_option(method, explainer, model, inputs, target):
    needs(method, "seed")
    changed = explainer(seed=3).bind(model)(inputs, target, seed=tf.constant(4))
    assert_close(changed, explainer(seed=4).bind(model)(inputs, target))


def test_the_configuration_round_trips(explainer, model, inputs, target):
    first = explainer(space="logit")
    again = [
        xai.Explainer.from_config(first.get_config()),
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(first)),
    ]
    for other in again:
        assert repr(other) == repr(first)
        assert_close(other.bind(model).attribute(inputs, target), first.bind(model).attribute(inputs, target), 0, 0)


def test_an_unknown_option_is_an_error(method):
    with pytest.raises(TypeError, match=f"`{method}` has no option 'lyer'"):
        xai.Explainer(method, lyer="last")
