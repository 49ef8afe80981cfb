"""FidelityLoss: it is the metric, and its gradient."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.losses.models import (
    assert_gradients_by_finite_differences,
    network,
    rough,
    rows,
    trained,
    weight_gradients,
)
from tests.models import linear, mlp, regression, tokens, two_outputs

FidelityLoss = xai.losses.FidelityLoss


@pytest.fixture
def x(rng):
    return rng.normal(size=(6, 4)).astype("float32")


@pytest.fixture
def curved():
    model = regression()
    model.compile("sgd", "mse")
    return model


@keras.saving.register_keras_serializable("tests")
def total(score, inputs, target, attributions, *, power=2):
    """A metric of one's own."""
    return tf.reduce_sum(tf.abs(attributions), axis=1) ** power


def by_metric(model, x, metric, explainer, **options):
    """The metric as a user computes it, of a regression."""
    bound = explainer.bind(model)
    return metric(bound.score, x, np.zeros(len(x), int), bound(x, np.zeros(len(x), int)), **options)


@pytest.mark.parametrize(
    ("metric", "explainer", "options"),
    [
        ("completeness", xai.Explainer("gradient_input"), {}),
        ("completeness", xai.Explainer("integrated_gradients", steps=1, baseline=0.5), {"baseline": 0.5}),
        ("infidelity", xai.Explainer("gradient_input"), {"samples": 4}),
        ("infidelity", xai.Explainer("gradient_input"), {"samples": 3, "scale": 1.0, "normalize": True}),
        ("infidelity", xai.Explainer("integrated_gradients", steps=2, baseline=0.5), {"baseline": 0.5}),
    ],
)
def test_is_the_metric(metric, explainer, options, curved, x):
    given = {name: value for name, value in options.items() if name != "baseline"}
    seed = {"seed": tf.stack([0, 0])} if metric == "infidelity" else {}
    expected = by_metric(curved, x, xai.metrics.METRICS[metric], explainer, **options, **seed)
    np.testing.assert_allclose(rows(FidelityLoss(metric, explainer, **given), curved, x), expected, rtol=1e-3)
    assert np.min(expected) > 0


def test_baseline_and_seed_that_are_given_stay(curved, x):
    loss = FidelityLoss("infidelity", baseline=0.5, seed=3)
    expected = by_metric(curved, x, xai.metrics.infidelity, xai.Explainer("gradient_input"), baseline=0.5, seed=3)
    for step in (0, 1):
        np.testing.assert_allclose(rows(loss, curved, x, step=step), expected, rtol=1e-3)


def test_background_of_the_explainer(curved, x):
    """Completeness is towards the mean score of the background."""
    explainer = xai.Explainer("expected_gradients", background=x[:3], samples=3)
    bound, zeros = explainer.bind(curved), np.zeros(6, int)
    # The draws of the loss and of this call differ, but three of three references are all of them.
    gap = bound.score(x, zeros) - np.mean(bound.score(x[:3], zeros[:3]))
    values = rows(FidelityLoss("completeness", explainer), curved, x)
    sums = bound(x, zeros, seed=tf.stack([0, 0])).numpy().sum(axis=1)
    np.testing.assert_allclose(values, np.abs(sums - gap) / np.abs(gap), rtol=1e-3)


@pytest.mark.parametrize("metric", ["infidelity", "completeness"])
def test_nothing_is_wrong_on_a_linear_model(metric, x, rng):
    model = linear(rng.normal(size=(4, 3)).astype("float32"))
    np.testing.assert_allclose(rows(FidelityLoss(metric), model, x, np.arange(6) % 3), np.zeros(6), atol=1e-5)


def test_normalised_infidelity_is_a_share(curved, x):
    """Scaling the model changes nothing; plain infidelity goes with the square."""
    share, plain = FidelityLoss(normalize=True), FidelityLoss()
    before = rows(share, curved, x).numpy(), rows(plain, curved, x).numpy()
    *hidden, kernel, bias = curved.get_weights()
    curved.set_weights([*hidden, 0.1 * kernel, 0.1 * bias])
    np.testing.assert_allclose(rows(share, curved, x), before[0], rtol=1e-2)
    np.testing.assert_allclose(rows(plain, curved, x), 0.01 * before[1], rtol=1e-2)


def test_logits_are_explained(x):
    """Of a classifier: a saturated probability would be faithful to anything."""
    loss = FidelityLoss()
    assert loss.bind(mlp()).score.space == "logit"
    assert (
        FidelityLoss(explainer=xai.Explainer("gradient_input", space="probability")).bind(mlp()).score.space != "logit"
    )


def test_one_of_two_outputs(x):
    model = two_outputs()
    model.compile("sgd", {"label": "sparse_categorical_crossentropy", "amount": "mse"})
    alone = keras.Model(model.input, model.output["amount"])
    alone.compile("sgd", "mse")
    y = {"label": np.zeros(6, int), "amount": np.zeros((6, 1), "float32")}
    value = rows(FidelityLoss(output="amount"), model, x, y)
    np.testing.assert_allclose(value, rows(FidelityLoss(), alone, x, y["amount"]), rtol=1e-5)


def test_metric_of_ones_own(curved, x):
    loss = FidelityLoss(total, "gradient", power=3, weight=2.0)
    assert (loss.name, loss.weight) == ("total", 2.0)
    slopes = xai.Explainer("gradient").bind(curved)(x).numpy()
    np.testing.assert_allclose(rows(loss, curved, x), np.abs(slopes).sum(axis=1) ** 3, rtol=1e-4)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert copy.metric is total and copy.options == {"power": 3}
    np.testing.assert_allclose(rows(copy, curved, x), rows(loss, curved, x), rtol=1e-6)


def test_name_is_that_of_the_metric():
    assert FidelityLoss("completeness").name == "completeness"
    assert FidelityLoss("completeness", name="mine").name == "mine"
    assert "samples=4" in repr(FidelityLoss("infidelity", samples=4))


@pytest.mark.parametrize("metric", ["infidelity", "completeness"])
def test_gradient_by_finite_differences(metric, x):
    """Of completeness that of single rows, which nothing damps."""
    model, loss = network("tanh"), FidelityLoss(metric, **({"samples": 8} if metric == "infidelity" else {}))
    for some in [np.arange(6)] if metric == "infidelity" else [[0], [4]]:
        penalty = partial(rows, loss, model, x[some], np.array(some) % 3)
        assert_gradients_by_finite_differences(model, tf.function(penalty), tolerance=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["infidelity", "completeness"])
def test_modes_agree(metric, x):
    model, loss, y = network("tanh"), FidelityLoss(metric), np.arange(6) % 3
    compute = lambda: rows(loss, model, x, y)
    for jit in (False, True):
        np.testing.assert_allclose(tf.function(compute, jit_compile=jit)(), compute(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("options", [{"metric": "completeness"}, {}, {"normalize": True}])
def test_constant_model_has_no_penalty(options, x):
    """Where the metric is not defined: no NaN, and none in the gradient."""
    model = mlp()
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    penalty = lambda: rows(FidelityLoss(**options), model, x)
    np.testing.assert_array_equal(penalty(), np.zeros(6))
    assert all(np.isfinite(slope).all() for slope in weight_gradients(model, penalty))


def test_fit_makes_gradient_times_input_faithful(rng):
    x = rng.uniform(-1, 1, size=(128, 3)).astype("float32")
    y = (x[:, 0] - x[:, 1] + 0.3 * np.sin(6 * x[:, 2]))[:, None].astype("float32")
    measure = FidelityLoss(normalize=True, seed=0)
    found = {}
    for weight in (0.0, 1.0):
        keras.utils.set_random_seed(4)
        base = rough(3)
        loss = FidelityLoss("infidelity", samples=4, normalize=True, weight=weight)
        assert trained(base, "mse", x, y, loss) < 0.1
        found[weight] = np.mean(rows(measure, base, x, y))
    assert found[1.0] < 0.5 * found[0.0]


@pytest.mark.parametrize("metric", ["deletion", "insertion"])
def test_an_order_has_no_gradient(metric):
    with pytest.raises(ValueError, match=r"an order has no gradient.*SaliencyGuided"):
        FidelityLoss(metric)


def test_errors(x):
    with pytest.raises(ValueError, match="Use `LIMEFidelity`"):
        FidelityLoss("lime_fidelity")
    with pytest.raises(ValueError, match=r"Unknown `metric`.*'infidelity'.*Did you mean 'infidelity'"):
        FidelityLoss("infidelty")
    with pytest.raises(TypeError, match=r"`infidelity` has no option 'sample'.*Did you mean 'samples'"):
        FidelityLoss("infidelity", sample=4)
    ids = np.zeros((2, 5), "int32")
    for metric in ("infidelity", "completeness"):
        with pytest.raises(TypeError, match="Only floating inputs"):
            rows(FidelityLoss(metric), tokens(), ids)
