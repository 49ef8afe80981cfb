"""SHAPTarget against NumPy on linear models, and its known properties."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.losses.models import assert_gradients_by_finite_differences, network, rows, weight_gradients
from tests.losses.shapley import EXPLAINERS, WEIGHTS, logistic, profile
from tests.models import dict_model, mlp, regression, tokens

SHAPTarget = xai.losses.SHAPTarget
# A target of every kind that a linear model with WEIGHTS misses.
TARGETS = {"shares": [1, 1, 0, 2], "values": [1.0, 0, -1, 2], "ranking": [2, 4, 1, 3], "signs": [1, 1, 0, -1]}
# Every kind with one explainer, and every explainer with one kind.
PAIRS = [*((kind, "expected_gradients") for kind in TARGETS), ("shares", "deep_lift"), ("shares", "kernel_shap")]


@pytest.fixture
def x(rng):
    return rng.normal(size=(6, 4)).astype("float32")


def value(kind, model, x, target=None, explainer="deep_lift", y=None):
    loss = SHAPTarget(TARGETS[kind] if target is None else target, kind, explainer)
    return rows(loss, model, x, np.zeros((len(x), 1)) if y is None else y).numpy()


def test_shares(x):
    expected = np.square(profile(x * WEIGHTS.T) - np.array([1, 1, 0, 2]) / 4).sum()
    np.testing.assert_allclose(value("shares", logistic(), x), np.full(6, expected), rtol=1e-5)


def test_the_size_of_shares_does_not_matter(x):
    np.testing.assert_allclose(
        value("shares", logistic(), x, [10, 10, 0, 20.0]), value("shares", logistic(), x), rtol=1e-5
    )


def test_values(x):
    """Relative to the stated ones, row by row."""
    target = np.array(TARGETS["values"])
    expected = np.square(x * WEIGHTS.T - target).sum(axis=1) / np.square(target).sum()
    np.testing.assert_allclose(value("values", logistic(), x), expected, rtol=1e-5)


def test_values_of_nothing(x):
    """Without a size to be relative to, squares are squares."""
    expected = np.square(x * WEIGHTS.T).sum(axis=1)
    np.testing.assert_allclose(value("values", logistic(), x, np.zeros(4)), expected, rtol=1e-5)


def test_ranking(x):
    share, target = profile(x * WEIGHTS.T), TARGETS["ranking"]
    pairs = [(i, j) for i in range(4) for j in range(4) if target[i] > target[j]]
    hinges = [max(0, 0.1 - (share[i] - share[j]) / (share[i] + share[j])) for i, j in pairs]
    assert len(pairs) == 6 and 0 < sum(hinge > 0 for hinge in hinges) < 6
    np.testing.assert_allclose(value("ranking", logistic(), x), np.full(6, np.mean(hinges)), rtol=1e-4)


def test_an_order_that_is_there_asks_for_nothing(x):
    """Only the order of the numbers counts, and equal ones are not compared."""
    order = np.argsort(np.argsort(np.abs(WEIGHTS[:, 0])))
    x = np.sign(x)
    np.testing.assert_array_equal(value("ranking", logistic(), x, order), np.zeros(6))
    np.testing.assert_array_equal(value("ranking", logistic(), x, np.exp(5.0 * order)), np.zeros(6))
    np.testing.assert_array_equal(value("ranking", logistic(), x, [0, 0, 1, 0]), np.zeros(6))
    assert value("ranking", logistic(), x, [1, 0, 0, 0]).min() > 0.3


def test_signs(x):
    """What more of a feature does: on a linear model the sign of its weight, whatever the row."""
    sizes = np.abs(x * WEIGHTS.T)
    total = sizes[:, [0, 1, 3]].sum(axis=1).mean()
    np.testing.assert_allclose(value("signs", logistic(), x), sizes[:, [1, 3]].sum(axis=1) / total, rtol=1e-5)
    np.testing.assert_array_equal(value("signs", logistic(), x, np.sign(WEIGHTS[:, 0])), np.zeros(6))
    np.testing.assert_allclose(value("signs", logistic(), x, -np.sign(WEIGHTS[:, 0])).mean(), 1, rtol=1e-5)


@pytest.mark.parametrize("background", [None, np.array([[1, 0, 2, 0], [3, 0, 0, -2]], "float32")])
def test_signs_against_a_background(background, x):
    """Above or below the mean of the background, or of the batch; with every reference drawn once no noise is left."""
    options = {"samples": 5} if background is None else {"samples": 2, "background": background}
    explainer = xai.Explainer("expected_gradients", **options)
    right = np.sign(WEIGHTS[:, 0])
    found = value("signs", logistic(), x, right, explainer)
    np.testing.assert_allclose(found, np.zeros(6), atol=1e-5)
    np.testing.assert_allclose(value("signs", logistic(), x, -right, explainer).mean(), 1, rtol=1e-4)


def test_signs_of_a_baseline(x):
    explainer = xai.Explainer("kernel_shap", samples=16, baseline=np.array([1.0, -1, 0, 3], "float32"))
    np.testing.assert_allclose(value("signs", logistic(), x, np.sign(WEIGHTS[:, 0]), explainer), np.zeros(6), atol=1e-5)


@pytest.mark.parametrize("kind", ["shares", "values", "ranking", "signs"])
def test_labels_do_not_change_the_sense_of_a_unit(kind, x):
    """What speaks for the second class is positive in rows of either class, of a sigmoid unit and of two logits."""
    unit, pair = logistic(), keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    pair.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    pair.set_weights([np.hstack([-WEIGHTS, WEIGHTS]) / 2, np.zeros(2)])
    ones, mixed = np.ones((6, 1)), np.arange(6)[:, None] % 2
    np.testing.assert_allclose(value(kind, unit, x, y=ones), value(kind, unit, x, y=mixed), rtol=1e-6)
    np.testing.assert_allclose(value(kind, pair, x, y=mixed[:, 0]), value(kind, unit, x), rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "explainer"), [("signs", "deep_lift"), ("ranking", "expected_gradients"), ("shares", "kernel_shap")]
)
def test_flattening_the_model_earns_nothing(kind, explainer, x):
    of = lambda factor: value(kind, logistic(factor * WEIGHTS), x, explainer=EXPLAINERS[explainer])
    np.testing.assert_allclose(of(1e-3), of(1), rtol=2e-2, atol=1e-3)


@pytest.mark.parametrize(("kind", "explainer"), PAIRS)
def test_constant_model(kind, explainer, x):
    """No attribution at all: a penalty for everything but signs, and finite gradients."""
    model = mlp(final=None)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([0 * kernel, bias])
    loss = SHAPTarget(TARGETS[kind], kind, EXPLAINERS[explainer])
    penalty = lambda: rows(loss, model, x, np.arange(6) % 3)
    expected = {"shares": 0.375, "values": 1.0, "ranking": 0.1, "signs": 0.0}[kind]
    np.testing.assert_allclose(penalty(), np.full(6, expected), rtol=1e-6)
    assert all(np.isfinite(slope).all() for slope in weight_gradients(model, penalty))


def test_a_teacher_is_explained_alike(x):
    """Same rows, same explainer, same draws: a model is no distance from itself; nothing moves the teacher."""
    model, other = network("tanh"), network("tanh")
    own, loss = SHAPTarget(model, "values"), SHAPTarget(other, "values", EXPLAINERS["expected_gradients"])
    assert np.abs(rows(own, model, x, np.arange(6) % 3, step=3)).max() < 1e-6
    explain = xai.Explainer("expected_gradients", samples=3, space="logit")
    y, seed = np.arange(6) % 3, tf.constant([0, 5])
    weights = np.eye(3, dtype="float32")[y] - 1 / 3
    values = [explain.bind(each)(x, weights, seed=seed).numpy() for each in (model, other)]
    expected = np.square(values[0] - values[1]).sum(axis=1) / np.square(values[1]).sum(axis=1).mean()
    np.testing.assert_allclose(rows(loss, model, x, y, step=5), expected, rtol=1e-4)
    with tf.GradientTape() as tape:
        penalty = tf.reduce_mean(rows(loss, model, x, y))
    assert tape.gradient(penalty, other.trainable_variables) == [None] * 4


def test_nested_inputs(rng):
    """A number per input is shared by its features."""
    model = dict_model()
    x = {"image": rng.normal(size=(5, 6, 6, 1)).astype("float32"), "age": rng.normal(size=(5, 2)).astype("float32")}
    values = xai.Explainer("deep_lift", space="logit").bind(model)(x, np.eye(3, dtype="float32")[[0] * 5] - 1 / 3)
    columns = np.concatenate([np.reshape(values[name], (5, -1)) for name in ("age", "image")], axis=1)
    target = np.concatenate([[3, 3], np.ones(36)])
    expected = np.square(profile(columns) - target / target.sum()).sum()
    found = rows(SHAPTarget({"image": 1, "age": [3, 3]}, explainer="deep_lift"), model, x)
    np.testing.assert_allclose(found, np.full(5, expected), rtol=1e-4)


@pytest.mark.parametrize("kind", TARGETS)
def test_token_ids(kind, rng):
    """Tokens have values where they are looked up, with the sign of their own."""
    ids, target = rng.integers(0, 10, (6, 5)).astype("int32"), [*TARGETS[kind], 0]
    model, loss = tokens(), SHAPTarget(target, kind, "deep_lift")
    values = xai.Explainer("deep_lift", space="logit").bind(model)(ids, np.tile([[-1.0, 1.0]], (6, 1))).numpy()
    if kind == "signs":
        against = np.maximum(-np.array(target) * values, 0).sum(axis=1)
        expected = against / np.abs(target * values).sum(axis=1).mean()
        np.testing.assert_allclose(rows(loss, model, ids), expected, rtol=1e-4)
    assert max(np.abs(slope).max() for slope in weight_gradients(model, lambda: rows(loss, model, ids))) > 1e-4


@pytest.mark.parametrize(("kind", "explainer"), PAIRS)
def test_gradient_by_finite_differences(kind, explainer, x):
    model, loss = network("tanh"), SHAPTarget(TARGETS[kind], kind, EXPLAINERS[explainer])
    x += 0.7 * np.sign(x)  # away from the kink of |a|
    penalty = tf.function(lambda: rows(loss, model, x, np.arange(6) % 3))
    assert_gradients_by_finite_differences(model, penalty)


@pytest.mark.slow
@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_eager_graph_and_xla(explainer, x):
    """Of all kinds together, as that compiles once."""
    model, kinds = network("tanh"), [*TARGETS.items(), ("values", network("tanh"))]
    losses = [SHAPTarget(target, kind, EXPLAINERS[explainer]) for kind, target in kinds]
    call = lambda: tf.stack([rows(loss, model, x, np.arange(6) % 3) for loss in losses])
    for compiled in (tf.function(call), tf.function(call, jit_compile=True)):
        np.testing.assert_allclose(compiled(), call(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "target", "words"),
    [
        ("shares", [1, -1, 1], "numbers of at least 0, not all 0"),
        ("shares", np.zeros(3), "numbers of at least 0, not all 0"),
        ("shares", [np.nan, 1, 1], "numbers of at least 0"),
        ("shares", [], "numbers of at least 0"),
        ("values", [np.inf, 0, 0], "numbers"),
        ("values", ["a", "b"], "numbers"),
        ("ranking", [1, 1, 1], "numbers, not all equal"),
        ("signs", [1, 2, 0], "-1, 0 and 1, not all 0"),
        ("signs", [0, 0], "-1, 0 and 1, not all 0"),
    ],
)
def test_a_target_that_says_something(kind, target, words):
    with pytest.raises(ValueError, match=f"`target` must hold {words}.*kind='{kind}'"):
        SHAPTarget(target, kind)


def test_unknown_kind():
    with pytest.raises(ValueError, match=r"Unknown `kind`.*Did you mean 'shares'"):
        SHAPTarget([1, 2], "share")


@pytest.mark.parametrize("kind", ["shares", "ranking", "signs"])
def test_a_teacher_has_values(kind):
    with pytest.raises(ValueError, match=f"may be the `target` for kind='values'. Received: kind='{kind}'"):
        SHAPTarget(mlp(), kind)


@pytest.mark.parametrize("explainer", ["gradient", xai.Explainer("deep_lift", layer=0)])
def test_signs_need_a_reference(explainer):
    with pytest.raises(ValueError, match=r"`SHAPTarget\(kind='signs'\)` needs an explainer that compares"):
        SHAPTarget([1, 0], "signs", explainer)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ([1, 2, 3], r"`target` must broadcast to one row.*Expected: \(4,\). Received: \(3,\)"),
        (np.ones((6, 4)), r"`target` must broadcast to one row.*Received: \(6, 4\)"),
        ({"a": [1, 2, 3, 4]}, "`target` must have the structure of `inputs`"),
    ],
)
def test_a_target_of_other_inputs(target, message, x):
    with pytest.raises(ValueError, match=message):
        rows(SHAPTarget(target, explainer=EXPLAINERS["expected_gradients"]), regression(), x, np.zeros((6, 1)))
