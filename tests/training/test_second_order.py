"""Penalties on gradients, differentiated by reverse mode twice or by reverse over forward mode: the same training."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.models import dense, dict_model, mlp
from tests.training.models import assert_close, masks_like, table, trained, with_batch_norm

EXPLAINERS = {
    "gradient": "gradient",
    "log_probability": xai.Explainer("gradient", space="log_probability"),
    "integrated_gradients": xai.Explainer("integrated_gradients", steps=4, baseline=0.5),
    "expected_gradients": "expected_gradients",
    "smooth_grad": xai.Explainer("smooth_grad", samples=3),
}


@pytest.fixture
def data(rng):
    x, y = table(rng)
    return xai.with_evidence(x, irrelevant=masks_like(rng, x)), y


def both(base, explainer, x, y, weight=3.0, **options):
    """The weights after training in either form. `every` and `fraction` go to the loss."""
    own = {name: options.pop(name) for name in ("every", "fraction") if name in options}
    loss = lambda: xai.losses.RightReasons(explainer, weight=weight, **own)
    return [trained(base, loss(), x, y, second_order=form, **options)[0] for form in ("forward", "reverse")]


@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_same_training(explainer, data):
    forward, reverse = both(mlp(activation="gelu"), EXPLAINERS[explainer], *data)
    assert_close(forward, reverse)


def test_the_penalty_moves_the_weights(data):
    """Else the comparison would say nothing."""
    with_penalty, _ = both(mlp(activation="gelu"), "gradient", *data)
    without, _ = both(mlp(activation="gelu"), "gradient", *data, weight=0.0)
    assert max(np.abs(w - p).max() for w, p in zip(with_penalty, without, strict=True)) > 1e-3


@pytest.mark.parametrize("build", [with_batch_norm, lambda: keras.Sequential([keras.Input((4,)), *mlp().layers])])
def test_other_bases(build, data):
    assert_close(*both(build(), "gradient", *data))


@pytest.mark.parametrize(
    "loss",
    [xai.losses.FidelityLoss("completeness"), xai.losses.LIMEFidelity()],
    ids=["of gradients and outputs", "without gradients"],
)
def test_other_losses(loss, rng):
    x, y = table(rng)
    base = mlp(activation="gelu")
    forward, reverse = [trained(base, loss, x, y, second_order=form)[0] for form in ("forward", "reverse")]
    assert_close(forward, reverse)


@pytest.mark.filterwarnings("ignore:The score does not depend")
def test_no_gradient_at_all(rng):
    x, y = table(rng)
    base = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(tf.round), *mlp().layers])
    assert_close(*(trained(base, xai.losses.JacobianNorm(), x, y, second_order=f)[0] for f in ("forward", "reverse")))


def test_loops(data):
    loss = xai.losses.RightReasons(xai.Explainer("integrated_gradients", steps=4, chunk=1))
    with pytest.raises(ValueError, match="does not work for attributions that are computed in a loop"):
        trained(mlp(), loss, *data, second_order="forward")


def test_nested_inputs(rng):
    base = dict_model()
    x = {name: rng.normal(size=(12, *tensor.shape[1:])).astype("float32") for name, tensor in base.input.items()}
    y = rng.integers(0, base.output.shape[-1], 12)
    assert_close(*both(base, "expected_gradients", xai.with_evidence(x, irrelevant=masks_like(rng, x)), y))


def test_images(rng):
    conv, pool = keras.layers.Conv2D(4, 3, strides=2, activation="relu"), keras.layers.MaxPooling2D()
    base = keras.Sequential([keras.Input((8, 8, 1)), conv, pool, keras.layers.Flatten(), dense(3, "softmax")])
    x = rng.normal(size=(8, *base.input_shape[1:])).astype("float32")
    y = rng.integers(0, base.output_shape[-1], 8)
    assert_close(*both(base, "gradient", xai.with_evidence(x, irrelevant=masks_like(rng, x)), y))


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"jit_compile": True},
        {"run_eagerly": True},
        {"every": 2, "fraction": 0.5},
        {"fit_options": {"sample_weight": np.linspace(0, 1, 12), "batch_size": 4}},
    ],
    ids=lambda options: next(iter(options)),
)
def test_modes(options, data):
    assert_close(*both(mlp(activation="gelu"), "expected_gradients", *data, **options))


@pytest.mark.parametrize("form", ["forward", "reverse"])
def test_a_step_calls_no_functions(form, data):
    """XLA takes all arguments of a function that is called and differentiated for constants: new weights, new program.

    TensorFlow's ForwardAccumulator calls a function for every operation.
    """
    options = {"explanation_loss": xai.losses.RightReasons(), "second_order": form}
    model = xai.compile(mlp(), "sgd", "sparse_categorical_crossentropy", **options)
    graph = tf.function(model.train_step).get_concrete_function(data).graph
    kinds = {operation.type for operation in graph.get_operations()}
    assert "MatMul" in kinds and not kinds & {"PartitionedCall", "StatefulPartitionedCall"}


def test_unknown_form():
    with pytest.raises(ValueError, match=r"Unknown `second_order`.*Did you mean 'forward'"):
        xai.compile(mlp(), "sgd", "mse", explanation_loss=[], second_order="foward")
