"""`method="auto"`: what is chosen, and that it says so."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests import models
from tf_xai import choosing


class CumulativeProduct(keras.layers.Layer):
    """An operation that no rule knows."""

    def call(self, x):
        return tf.math.cumprod(x, axis=-1)


class Steps(keras.layers.Layer):
    """NumPy in the middle: no gradient."""

    def call(self, x):
        return tf.ensure_shape(tf.numpy_function(lambda x: np.float32(2) * x, [x], tf.float32), x.shape)


def _with(layer):
    table = keras.Input((12,))
    return keras.Model(table, models.dense(3, "softmax")(layer(table)))


CHOICES = {
    "exact_shap": (models.mlp, (4,)),
    "deep_lift": (models.cnn, (8, 8, 1)),
    "integrated_gradients": (lambda: _with(CumulativeProduct()), (12,)),
    "kernel_shap": (lambda: _with(Steps()), (12,)),
}


@pytest.mark.parametrize("method", CHOICES)
def test_the_most_exact_method_that_the_model_allows(method, rng, capsys):
    make, shape = CHOICES[method]
    model, x = make(), rng.normal(size=(3, *shape)).astype("float32")
    e = xai.explain(model, x, method="auto", verbose=1)
    assert e.info["method"] == method
    assert e.info["chosen"] in capsys.readouterr().out
    assert np.all(np.abs(e.residual) <= 0.011 * np.abs(e.score - e.baseline_score) + 1e-6)
    expected = xai.explain(model, x, method=method, verbose=0, **({"tolerance": 0.01} if "integr" in method else {}))
    np.testing.assert_allclose(e.values, expected.values, rtol=1e-5, atol=1e-7)


def test_the_choice_is_the_same_at_every_call(rng):
    model, x = _with(Steps()), rng.normal(size=(2, 12)).astype("float32")
    first, second = (xai.explain(model, x, method="auto", verbose=0) for _ in range(2))
    assert first.info["method"] == second.info["method"] == "kernel_shap"
    np.testing.assert_allclose(second.values, first.values, rtol=1e-5)
    assert np.abs(second.values).max() > 1e-3


def test_the_reason_names_what_has_no_rule(rng):
    e = xai.explain(_with(CumulativeProduct()), rng.normal(size=(2, 12)), method="auto", verbose=0)
    assert "Cumprod" in e.info["chosen"]


def test_a_baseline_per_row_and_a_background(rng):
    x = rng.normal(size=(4, 12)).astype("float32")
    smooth = _with(keras.layers.Identity())
    e = xai.explain(smooth, x, method="auto", baseline=x / 2, verbose=0)
    assert e.info["method"] == "deep_lift"
    np.testing.assert_allclose(e.residual, 0, atol=1e-5)
    e = xai.explain(_with(CumulativeProduct()), x, method="auto", background=x, verbose=0)
    assert e.info["method"] == "expected_gradients"


def test_wide_tables_without_a_gradient(rng):
    table = keras.Input((600,))
    model = keras.Model(table, models.dense(2, "softmax")(Steps()(table)))
    e = xai.explain(model, rng.normal(size=(1, 600)), method="auto", verbose=0)
    assert e.info["method"] == "kernel_shap" and "no gradient reaches" in e.info["chosen"]


def test_a_dead_unit_is_no_missing_gradient(rng):
    table = keras.Input((12,))
    dead = keras.layers.Dense(4, "relu", bias_initializer=keras.initializers.Constant(-100.0))
    model = keras.Model(table, models.dense(2, "softmax")(CumulativeProduct()(dead(table))))
    with pytest.warns(UserWarning, match="All attributions"):
        e = xai.explain(model, rng.normal(size=(2, 12)), method="auto", verbose=0)
    assert e.info["method"] == "integrated_gradients"


def test_long_recurrent_models_are_not_unrolled(rng):
    series = keras.Input((40, 2))
    model = keras.Model(series, models.dense(2, "softmax")(keras.layers.SimpleRNN(3)(series)))
    e = xai.explain(model, rng.normal(size=(2, 40, 2)), method="auto", verbose=0)
    assert e.info["method"] == "integrated_gradients" and "unroll" in e.info["chosen"]


def _beside_a_table():
    series, table = keras.Input((5, 2)), keras.Input((40,))
    return keras.Model([series, table], keras.layers.Concatenate()([keras.layers.SimpleRNN(3)(series), table]))


def _behind(shape, *before):
    return keras.Sequential([keras.Input(shape), *before, keras.layers.Bidirectional(keras.layers.LSTM(2))])


def _beside_numbers():
    series, number = keras.Input((7, 2)), keras.Input(())
    return keras.Model([series, number], keras.layers.GRU(1)(series)[:, 0] + number)


@pytest.mark.parametrize(
    ("build", "steps"),
    [
        (_beside_a_table, 5),
        (lambda: _behind((40,), keras.layers.Dense(4), keras.layers.RepeatVector(3)), 3),
        (lambda: _behind((128, 1), keras.layers.AveragePooling1D(16)), 8),
        (lambda: _behind((12,), keras.layers.RepeatVector(100)), 100),
        (_beside_numbers, 7),
        (lambda: _behind((None, 2)), 9),
        (models.mlp, 0),
    ],
    ids=["beside a table", "of a table", "pooled", "repeated", "beside numbers", "of any length", "none"],
)
def test_steps_are_those_that_recurrent_layers_read(build, steps, rng):
    model = build()
    x = [rng.normal(size=(2, *(n or 9 for n in spec.shape[1:]))) for spec in model.inputs]
    assert choosing._steps(model, x if len(x) > 1 else x[0]) == steps


def test_token_ids(rng):
    e = xai.explain(models.tokens(), rng.integers(0, 10, (3, 5)), method="auto", verbose=0)
    assert e.info["method"] == "deep_lift"
    assert e.values.shape == (3, 5)


def test_it_serves_data_sets_and_passes_options_on(rng, capsys):
    x = rng.normal(size=(5, 4)).astype("float32")
    dataset = tf.data.Dataset.from_tensor_slices(x).batch(2)
    e = xai.explain(models.mlp(), dataset, method="auto", background=x, space="logit", verbose=0)
    assert e.info["method"] == "exact_shap"
    assert not capsys.readouterr().out
    np.testing.assert_allclose(e.residual, 0, atol=1e-5)
    with pytest.raises(TypeError, match="`exact_shap` has no option 'steps'") as caught:
        xai.explain(models.mlp(), x, method="auto", steps=3)
    assert "method='auto'" in " ".join(caught.value.__notes__)
