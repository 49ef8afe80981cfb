"""Ways to run `fit`: eager, XLA, several steps per execution, other precisions, kinds of data."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.models import mlp
from tests.training import models
from tests.training.models import assert_close, assert_identical, trained

LOSSES = {
    "right_reasons": lambda: xai.losses.RightReasons(weight=0.5),
    "integrated_gradients": lambda: xai.losses.RightReasons(xai.Explainer("integrated_gradients", steps=3)),
    "expected_gradients": lambda: xai.losses.RightReasons(xai.Explainer("expected_gradients", samples=3)),
    "lime_fidelity": lambda: xai.losses.LIMEFidelity(scale=1.0),
    "one_coordinate": lambda: xai.losses.LIMEFidelity("one_coordinate", scale=1.0),
    "auto": lambda: xai.losses.RightReasons(weight="auto", auto_share=0.5),
}


@pytest.fixture
def data(rng):
    """Ten rows with evidence: three batches of four, the last one short."""
    x, y = models.table(rng, rows=10)
    return xai.with_evidence(x, irrelevant=models.masks_like(rng, x)), y


FIT = {"batch_size": 4, "epochs": 2}


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_eager_and_xla_train_like_the_graph(loss, data):
    base = mlp()
    graph, lines = trained(base, LOSSES[loss](), *data, FIT, jit_compile=False)
    eager, eager_lines = trained(base, LOSSES[loss](), *data, FIT, run_eagerly=True)
    xla, xla_lines = trained(base, LOSSES[loss](), *data, FIT, jit_compile=True)
    assert_close(eager, graph)
    assert_close(xla, graph)
    for line in lines:
        np.testing.assert_allclose(eager_lines[line], lines[line], rtol=1e-4)
        np.testing.assert_allclose(xla_lines[line], lines[line], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_steps_per_execution(jit_compile, data):
    """Noise depends on the step, so that LIMEFidelity shows whether the steps are counted one by one."""
    base = mlp()
    losses = [LOSSES["right_reasons"](), LOSSES["lime_fidelity"]()]
    fit_options = {"batch_size": 5, "epochs": 2}
    one, _ = trained(base, losses, *data, fit_options, jit_compile=jit_compile)
    two, _ = trained(base, losses, *data, fit_options, jit_compile=jit_compile, steps_per_execution=2)
    assert_close(two, one)


def under(policy, build):
    """A model built under a dtype policy."""
    keras.config.set_dtype_policy(policy)
    try:
        return build()
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    ("policy", "jit_compile"), [("mixed_float16", False), ("mixed_float16", True), ("mixed_bfloat16", False)]
)
def test_mixed_precision(policy, jit_compile, data):
    """The same training within the 11 or 8 bits of the policy, with a penalty that falls."""
    plain, mixed = mlp(), under(policy, mlp)
    mixed.set_weights(plain.get_weights())
    loss = lambda: xai.losses.RightReasons(weight=5.0)
    expected, exact = trained(plain, loss(), *data, {"epochs": 8})
    weights, lines = trained(mixed, loss(), *data, {"epochs": 8}, jit_compile=jit_compile)
    assert_close(weights, expected, 0.02)
    assert all(w.dtype == np.float32 for w in weights)
    line = lines["xai_right_reasons_loss"]
    np.testing.assert_allclose(line, exact["xai_right_reasons_loss"], rtol=0.05)
    assert line[-1] < 0.5 * line[0]


@pytest.mark.parametrize("variant", ["linear", "ridge", "one_coordinate"])
def test_lime_fidelity_in_bfloat16(variant, data):
    """A residual of rounding errors would be far above that of float32."""
    plain, mixed = mlp(), under("mixed_bfloat16", mlp)
    mixed.set_weights(plain.get_weights())
    line = {}
    for name, base in {"float32": plain, "mixed_bfloat16": mixed}.items():
        _, lines = trained(base, xai.losses.LIMEFidelity(variant, scale=1.0, weight=0), *data)
        line[name] = lines["xai_lime_fidelity_loss"]
    np.testing.assert_allclose(line["mixed_bfloat16"], line["float32"], rtol=0.05)


def test_float16_scales_the_loss(data):
    """Keras wraps the optimizer of a float16 model, as it does for the plain model."""
    model = under("mixed_float16", lambda: models.compiled(mlp(), LOSSES["right_reasons"](), optimizer="sgd"))
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)


@pytest.mark.parametrize("kind", ["dataset", "dataset_of_evidence", "tensors", "generator"])
def test_other_data_trains_like_arrays(kind, data):
    evidence, y = data
    rows = tf.data.Dataset.from_tensor_slices((evidence["xai_inputs"], evidence["xai_irrelevant"], y))
    pack = lambda x, mask, y: (xai.with_evidence(x, irrelevant=mask), y)
    sources = {
        "dataset": lambda: (rows.batch(4).map(pack), None),
        "dataset_of_evidence": lambda: (tf.data.Dataset.from_tensor_slices(data).batch(4), None),
        "tensors": lambda: (keras.tree.map_structure(tf.constant, evidence), tf.constant(y)),
        "generator": lambda: (Batches(evidence, y), None),
    }
    base = mlp()
    arrays, _ = trained(base, LOSSES["right_reasons"](), evidence, y, FIT)
    x, labels = sources[kind]()
    options = FIT if labels is not None else {"epochs": 2, "batch_size": None}
    weights, _ = trained(base, LOSSES["right_reasons"](), x, labels, options)
    assert_close(weights, arrays, 1e-6)


class Batches(keras.utils.PyDataset):
    """Batches of four rows."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return -(-len(self.y) // 4)

    def __getitem__(self, index):
        rows = slice(4 * index, 4 * index + 4)
        return keras.tree.map_structure(lambda leaf: leaf[rows], self.x), self.y[rows]


def test_mask_of_one_row_serves_all(rng):
    x, y = models.table(rng)
    row = np.array([1, 0, 1, 0])
    base = mlp()
    once, _ = trained(base, LOSSES["right_reasons"](), xai.with_evidence(x, irrelevant=row), y, FIT)
    every = xai.with_evidence(x, irrelevant=np.tile(row.astype("float32"), (len(x), 1)))
    assert_identical(once, trained(base, LOSSES["right_reasons"](), every, y, FIT)[0])


def test_boolean_masks_and_relevant_masks(rng):
    x, y = models.table(rng)
    irrelevant = models.masks_like(rng, x)
    base = mlp()
    weights = [
        trained(base, LOSSES["right_reasons"](), evidence, y, FIT)[0]
        for evidence in (
            xai.with_evidence(x, irrelevant=irrelevant),
            xai.with_evidence(x, irrelevant=irrelevant.astype(bool)),
            xai.with_evidence(x, relevant=irrelevant == 0),
        )
    ]
    assert_identical(weights[1], weights[0])
    assert_identical(weights[2], weights[0])


def test_bytes_train_like_floats(rng):
    """Pixels 0 to 255 as they come, with the model rescaling them."""
    pixels = rng.integers(0, 256, (8, 4, 4, 1)).astype("uint8")
    y = rng.integers(0, 3, 8)
    mask = np.ones((4, 4, 1), "float32")
    layers = [keras.Input((4, 4, 1)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    base = keras.Sequential([*layers, keras.layers.Dense(3, "softmax")])
    loss = lambda: xai.losses.RightReasons(weight=1e4)
    weights, lines = trained(base, loss(), xai.with_evidence(pixels, irrelevant=mask), y, FIT)
    floats = xai.with_evidence(pixels.astype("float32"), irrelevant=mask)
    expected, expected_lines = trained(base, loss(), floats, y, FIT)
    assert_close(weights, expected, 1e-6)
    assert lines["xai_right_reasons_loss"][0] > 0
    np.testing.assert_allclose(lines["loss"], expected_lines["loss"], rtol=1e-6)
