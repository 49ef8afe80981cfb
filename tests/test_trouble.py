"""What `explain` says and does when something is wrong."""

import warnings
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests import models
from tests.models import WEIGHTS

# Two batches for five rows, few steps.
_explain = partial(xai.explain, batch_size=3, verbose=0, steps=4)


def test_rows_with_nan_are_named_and_leave_the_others_alone(linear, x):
    broken = x.copy()
    broken[1, 0], broken[4, 2] = np.nan, np.inf
    with pytest.warns(UserWarning, match="NaN or infinite inputs in rows 1, 4"):
        e = _explain(linear, broken, target=0)
    expected = _explain(linear, x, target=0)
    rows = [0, 2, 3]
    for name in ("values", "score", "baseline_score", "residual"):
        np.testing.assert_array_equal(getattr(e, name)[rows], getattr(expected, name)[rows])
        assert np.all(np.isnan(getattr(e, name)[[1, 4]]))


def test_a_first_row_with_nan_is_nan(linear, x):
    x[0, 0] = np.nan
    with pytest.warns(UserWarning, match="NaN or infinite inputs in row 0: NaN there"):
        e = _explain(linear, x, target=0)
    for values in (e.values, e.score, e.baseline_score):
        assert np.all(np.isnan(values[0])) and not np.any(np.isnan(values[1:]))


def test_a_batch_of_nothing_but_nan(linear, x):
    broken = np.full((4, 3), np.nan, "float32")
    with pytest.warns(UserWarning, match="rows 0, 1, 2, 3: NaN there"):
        e = _explain(linear, broken, target=0)
    assert np.all(np.isnan(e.values)) and np.all(np.isnan(e.score))


def test_integers_that_are_not_looked_up_are_not_silently_zero(rng):
    ids = keras.Input((5,), dtype="int32")
    counts = keras.Model(ids, models.dense(2, "softmax")(keras.layers.CategoryEncoding(10, "count")(ids)))
    with pytest.raises(TypeError, match=r"Only floating inputs can be explained.*Embedding"):
        _explain(counts, rng.integers(0, 10, size=(3, 5)))


def test_a_sum_of_softmax_outputs_is_a_warning(rng):
    x = rng.normal(size=(5, 4)).astype("float32")
    with pytest.warns(UserWarning, match="probabilities always sum to one"):
        _explain(models.mlp(), x, np.ones((5, 3)))


def test_a_model_that_ignores_its_inputs_is_a_warning(rng):
    model, x = models.regression(), rng.normal(size=(5, 4)).astype("float32")
    model.layers[0].kernel.assign(tf.zeros_like(model.layers[0].kernel))
    with pytest.warns(UserWarning, match="All attributions of all rows are zero"):
        _explain(model, x)


def test_a_tolerance_that_can_not_be_met_is_a_warning(rng):
    class Step(keras.layers.Layer):
        def call(self, x):
            return x + 5 * tf.stop_gradient(tf.cast(x > 0.5, x.dtype))

    inputs = keras.Input((1,))
    model = keras.Model(inputs, Step()(inputs))
    with pytest.warns(UserWarning, match="residual of row 1 is above the tolerance"):
        _explain(model, np.array([[0.25], [2.0]]), tolerance=0.01)


def test_a_large_offset_is_no_residual(rng):
    """Scores of 30,000 have a resolution of 0.002 in float32: no tolerance asks for more."""
    model, x = models.regression(), rng.normal(size=(5, 4)).astype("float32")
    model.layers[-1].bias.assign([3e4])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        e = _explain(model, x, tolerance=0.01)
    assert np.abs(e.residual).max() > 0.01 * np.abs(e.score - e.baseline_score).min()


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_what_is_compared_with_is_finite(broken, x):
    """ReLU makes a zero of NaN, and the values would be finite."""
    model = models.mlp(3, activation="relu")
    rows = x.copy()
    rows[[1, 3], 2] = broken
    with pytest.raises(ValueError, match=r"`background` must be finite. Received: NaN or infinite values in rows 1, 3"):
        xai.explain(model, x, method="exact_shap", background=rows)
    for baseline in (rows, rows[1], float(broken)):
        with pytest.raises(ValueError, match="`baseline` must be finite"):
            _explain(model, x, baseline=baseline)


@pytest.mark.parametrize("method", ["integrated_gradients", "exact_shap", "occlusion"])
@pytest.mark.parametrize("chunk", [0, -3, 1.5, "a"])
def test_chunks_hold_variants(method, chunk, linear, x):
    with pytest.raises(ValueError, match=r"`chunk` must be an integer of at least 1. Received: chunk="):
        xai.explain(linear, x, 0, method, chunk=chunk)


@pytest.mark.parametrize("steps", ["a", None, [3], float("inf"), True])
def test_numbers_are_numbers(steps, linear, x):
    with pytest.raises(ValueError, match=r"`steps` must be an integer of at least 1. Received: steps="):
        _explain(linear, x, steps=steps)


@pytest.mark.parametrize("layer", [0, ["dense"]])
@pytest.mark.parametrize("method", ["gradient", "grad_cam"])
def test_layers_are_named(method, layer, linear, x):
    with pytest.raises(ValueError, match=r"`layer` must be the name of a layer, or the layer itself. Received: "):
        xai.explain(linear, x, 0, method, layer=layer)


@pytest.mark.parametrize("output", [2, -3, 0.5])
def test_outputs_are_named(output, rng):
    with pytest.raises(ValueError, match=r"`output` must be one of \['amount', 'label'\], or its position. Received: "):
        xai.explain(models.two_outputs(), rng.normal(size=(2, 4)), output=output)


def test_a_regression_with_several_outputs_has_no_predicted_class(x):
    model = models.linear()
    assert xai.explain(model, x, verbose=0).target is not None  # nothing says that it is one
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"`target` must be given for a regression with 2 outputs.*`target=0`"):
        xai.explain(model, x, verbose=0)
    e = xai.explain(model, x, 1, "gradient_input", verbose=0)
    np.testing.assert_allclose(e.values, x * WEIGHTS[:, 1], rtol=1e-5)
    model.compile("sgd", "categorical_hinge")
    assert xai.explain(model, x, verbose=0).target is not None


def test_nothing_is_named(linear):
    with pytest.raises(TypeError, match=r"`x` must hold rows.*Received: None"):
        xai.explain(linear, None)


def test_wrong_arguments_are_named(linear, x):
    with pytest.raises(TypeError, match=r"no option 'setps'.*Did you mean 'steps'"):
        xai.explain(linear, x, setps=3)
    with pytest.raises(ValueError, match=r"Unknown `method`.*Did you mean 'integrated_gradients'"):
        xai.explain(linear, x, method="integrated_gradient")
    with pytest.raises(ValueError, match=r"`target` must be one of 2 classes, 0 to 1. Received: 2"):
        _explain(linear, x, target=2)
    with pytest.raises(ValueError, match=r"`target` must have one entry per row. Expected: 5. Received: 4"):
        _explain(linear, x, target=[0, 1, 0, 1])


def test_rows_of_another_shape_are_named_before_and_after_a_first_call(linear, x):
    for _ in range(2):
        with pytest.raises(ValueError, match=r"takes rows of shape \(3,\). Received: \(2,\)"):
            _explain(linear, x[:, :2], 0)
        with pytest.raises(ValueError, match=r"one row, of shape \(3,\). Add the axis of rows"):
            _explain(linear, x[0], 0)
        _explain(linear, x, 0)


def test_a_method_in_the_place_of_the_target_is_named(linear, x):
    with pytest.raises(TypeError, match="Pass a method as `method=`"):
        xai.explain(linear, x, "deep_lift")


def test_values_that_are_not_finite_are_a_warning(x):
    norm = keras.layers.Lambda(lambda x: x / tf.norm(x, axis=-1, keepdims=True))
    model = keras.Sequential([keras.Input((3,)), norm, keras.layers.Dense(1)])
    with pytest.warns(UserWarning, match="not finite.*Pass another `baseline=`"):
        xai.explain(model, x, method="deep_lift", verbose=0)


def test_background_and_baseline_exclude_each_other(linear, x):
    with pytest.raises(ValueError, match="exclude each other"):
        xai.explain(linear, x, 0, method="deep_lift", background=x, baseline="zeros")


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batches_have_rows(linear, x, batch_size):
    with pytest.raises(ValueError, match="`batch_size`"):
        _explain(linear, x, batch_size=batch_size)


@pytest.mark.parametrize("empty", [np.zeros((0, 3)), []])
def test_no_rows_are_an_error(linear, empty):
    with pytest.raises(ValueError, match="There is nothing to explain"):
        _explain(linear, empty)


def test_no_batches_are_an_error(linear, x):
    with pytest.raises(ValueError, match="There is nothing to explain"):
        _explain(linear, tf.data.Dataset.from_tensor_slices(x[:0]).batch(2))


def test_inputs_with_different_numbers_of_rows_are_an_error():
    with pytest.raises(ValueError, match="All inputs must have the same number of rows"):
        _explain(models.list_model(), [np.zeros((3, 6, 1)), np.zeros((2, 2))])


@pytest.mark.parametrize("wrong", [{"rule": "simpson"}, {"baseline": np.zeros(7, "float32")}], ids=["rule", "baseline"])
def test_errors_say_where_they_happened(linear, x, wrong):
    with pytest.raises(ValueError) as caught:
        _explain(linear, x, **wrong)
    notes = " ".join(getattr(caught.value, "__notes__", ()))
    assert "integrated_gradients" in notes
    assert "of shape (2, 3)" in notes


def test_an_interrupt_keeps_the_rows_that_are_done(linear, x, monkeypatch):
    done = []

    def interrupted(bar, count):
        done.append(count)
        if len(done) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(keras.utils.Progbar, "add", interrupted)
    with pytest.warns(UserWarning, match="the explanation holds the first 2 rows"):
        e = _explain(linear, x, 0, batch_size=1)
    assert len(e) == len(e.inputs) == len(e.target) == 2
    np.testing.assert_allclose(e.values, (x * WEIGHTS[:, 0])[:2], rtol=1e-5, atol=1e-6)


def test_an_interrupt_before_the_first_batch_goes_through(linear, x, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(xai.Score, "target_of", interrupt)
    with pytest.raises(KeyboardInterrupt):
        _explain(linear, x)
