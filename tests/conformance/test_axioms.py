"""What the methods promise about their values; and that the table of promises is complete."""

import pkgutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests import models
from tests.conformance.axioms import AXIOMS
from tests.models import WEIGHTS


def test_the_table_names_every_method():
    files = {module.name for module in pkgutil.iter_modules(xai.attributions.__path__)}
    assert set(AXIOMS) == set(xai.attributions.METHODS) == files == set(xai.attributions.__all__) - {"METHODS"}


def test_every_method_is_found_under_its_name(method):
    function = getattr(xai.attributions, method)
    assert xai.attributions.METHODS[method] is function
    assert function.__name__ == method
    assert function.__module__ == f"tf_xai.attributions.{method}"


def test_is_exact_on_a_linear_model(method, axioms, rng):
    if axioms.on_linear is None:
        pytest.skip("makes no statement about linear models")
    x = rng.normal(size=(4, 3)).astype("float32")
    options = axioms.options(tf.constant(x))
    # Every reference as often as any other: then the draws do not matter.
    options |= {"samples": 6} if "background" in options else {}
    reference = options["background"].mean(axis=0) if "background" in options else 0
    bound = xai.Explainer(method, **options).bind(models.linear(bias=0.7))
    values = bound.attribute(tf.constant(x), tf.ones(4, tf.int32))
    np.testing.assert_allclose(values, axioms.on_linear(WEIGHTS[:, 1], x, reference), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("structure", ["tensor", "list", "dict"])
def test_completeness(explainer, axioms, model, inputs, target):
    if not axioms.complete:
        pytest.skip("makes no such promise")
    bound = explainer(space="logit").bind(model)
    values = bound.attribute(inputs, target)
    origin = keras.tree.map_structure(tf.zeros_like, inputs)
    gap = bound.score(inputs, target) - bound.score(origin, target)
    total = sum(tf.reduce_sum(leaf, range(1, leaf.shape.rank)) for leaf in keras.tree.flatten(values))
    assert np.abs(gap).min() > 1e-2
    np.testing.assert_allclose(total, gap, rtol=1e-3)


def test_second_order_gradients_match_finite_differences(explainer, axioms, model, inputs, target, rng):
    if not axioms.is_smooth:
        pytest.skip("finite differences meet kinks, or rules in place of gradients")
    bound, weights = explainer().bind(model), model.trainable_weights
    with tf.GradientTape() as tape:
        loss = _squares(bound, inputs, target)
    slopes = tape.gradient(loss, [weight.value for weight in weights], unconnected_gradients="zero")
    direction = [rng.normal(size=weight.shape).astype("float32") for weight in weights]
    exact = sum(float(tf.reduce_sum(slope * d)) for slope, d in zip(slopes, direction, strict=True))
    start = model.get_weights()

    def difference(step):
        values = []
        for sign in (1, -1):
            for weight, d in zip(weights, direction, strict=True):
                weight.assign_add(sign * step * d)
            values.append(float(_squares(bound, inputs, target)))
            model.set_weights(start)
        return (values[0] - values[1]) / (2 * step)

    # Richardson's combination is of fourth order in the step, which leaves room for float32.
    expected = (4 * difference(axioms.step) - difference(2 * axioms.step)) / 3
    assert abs(expected) > 1e-4 * min(1, loss)
    np.testing.assert_allclose(exact, expected, rtol=1e-5 / axioms.step)


def _squares(bound, inputs, target):
    leaves = keras.tree.flatten(bound.attribute(inputs, target))
    return tf.add_n([tf.reduce_sum(tf.square(leaf)) for leaf in leaves])
