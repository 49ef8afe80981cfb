"""LIME against the lime package, scikit-learn and closed forms."""

from inspect import signature

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests import models
from tf_xai.attributions.lime import fit, lime
from tf_xai.core import neighbours
from tf_xai.core.games import Game
from tf_xai.core.score import Score

lime_tabular = pytest.importorskip("lime.lime_tabular")

OPTIONS = {name: option.default for name, option in signature(lime).parameters.items() if option.kind == 3}
CASES = {
    "quartiles": {"discretize": True},
    "normal": {"discretize": False},
    "around": {"discretize": False, "sample_around_instance": True},
}


@pytest.fixture
def background(rng):
    """Columns of several widths and forms; one of them holds two values only, one hardly varies."""
    table = rng.normal(size=(300, 4)) * [1, 2, 0.5, 1] + [0, 1, 0, 0]
    table[:, 2] = table[:, 2] > 0.2
    return table.astype("float32")


@pytest.fixture
def x(rng):
    return rng.normal(size=(5, 4)).astype("float32")


def _fit(score, x, target=None, **options):
    """Values and R2, as NumPy arrays."""
    values, r2 = fit(score, tf.constant(x), target, **{**OPTIONS, **options})
    return values.numpy(), r2.numpy()


def _package(model, row, background, target, seeds, **options):
    """Coefficients, in the order of the columns, and R2 of the lime package: `(seeds, columns)` and `(seeds,)`."""
    options = {"discretize_continuous": options.pop("discretize"), **options}
    found = []
    for seed in range(seeds):
        explainer = lime_tabular.LimeTabularExplainer(background.astype("float64"), random_state=seed, **options)
        predict = lambda rows: model(tf.constant(rows, tf.float32)).numpy()
        e = explainer.explain_instance(row.astype("float64"), predict, labels=(target,), num_features=4)
        found.append(([weight for _, weight in sorted(e.local_exp[target])], e.score))
    return map(np.array, zip(*found, strict=True))


@pytest.mark.parametrize("case", CASES)
def test_coefficients_and_r2_are_those_of_the_package(case, background, x):
    model, target = models.mlp(activation="relu"), tf.constant([0, 1, 2, 0, 1])
    ours, r2 = zip(
        *[_fit(Score(model), x, target, background=background, seed=seed, **CASES[case]) for seed in range(8)],
        strict=True,
    )
    for row in (0, 1):
        theirs, theirs_r2 = _package(model, x[row], background, int(target[row]), seeds=4, **CASES[case])
        mine = np.array(ours)[:, row]
        error = np.sqrt(mine.var(axis=0) / 8 + theirs.var(axis=0) / 4)
        # Five standard errors, where the effect itself is far larger; the spread over seeds is of the same size.
        assert np.all(np.abs(mine.mean(axis=0) - theirs.mean(axis=0)) < 5 * error + 1e-4)
        assert np.abs(mine).max() > 20 * error.max()
        assert 0.2 < mine.std() / theirs.std() < 5
        assert np.mean(r2, axis=0)[row] == pytest.approx(theirs_r2.mean(), abs=0.03)


def test_quartiles_are_drawn_as_the_package_draws_them(background, x):
    count = 20000
    column = lambda i: Game(lambda z, target: z[:, i], tf.constant(x), None, "features")
    near = [neighbours.quartiles(column(i), background, count, 0) for i in range(4)]
    table = [each.values.numpy()[:, 0] for each in near]
    explainer = lime_tabular.LimeTabularExplainer(background.astype("float64"), random_state=0)
    _, theirs = explainer._LimeTabularExplainer__data_inverse(x[0].astype("float64"), count)
    shares = np.linspace(0.02, 0.98, 25)
    for ours, other in zip(table, theirs.T, strict=True):
        spread = other.std()
        np.testing.assert_allclose(np.quantile(ours, shares), np.quantile(other, shares), atol=0.12 * spread)
    own = 1 + near[0].moves(tf.range(count)).numpy()
    quartile = lambda rows: explainer.discretizer.discretize(rows.astype("float64"))
    expected = quartile(np.array(table).T) == quartile(x[0])
    assert (own[0] == expected).mean() > 0.999


def test_one_forward_pass_of_the_draws_serves_all_rows(background, x):
    rows = []

    class Counting(keras.Model):
        def call(self, inputs):
            rows.append(len(inputs))
            return tf.nn.softmax(inputs)

    score = Score(Counting())
    for case, each in (("quartiles", 99), ("normal", 99), ("around", 99 * 5)):
        rows.clear()
        lime(score, tf.constant(x), tf.zeros(5, tf.int32), background=background, samples=100, **CASES[case])
        assert sum(rows) == each + 5


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("weights", [False, True])
def test_sharing_changes_nothing(case, weights, background, x):
    """A `Score` is asked for all targets at once, any other function for one after the other."""
    score, target = Score(models.mlp()), tf.constant([0, 1, 2, 0, 1])
    target = tf.one_hot(target, 3) - 0.2 if weights else target
    options = {"background": background, "samples": 60, **CASES[case]}
    alone = lambda z, t: score(z, t)
    np.testing.assert_allclose(_fit(score, x, target, **options)[0], _fit(alone, x, target, **options)[0], atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_tables_in_graphs_under_xla_and_in_chunks(case, background, x):
    target = tf.constant([0, 1, 2, 0, 1])
    bound = xai.Explainer("lime", background=background, samples=50, **CASES[case]).bind(models.mlp())
    eager = bound.attribute(tf.constant(x), target)
    assert np.all(np.any(eager != 0, axis=1))
    compiled = tf.function(bound.attribute, jit_compile=True, autograph=False)
    for other in (bound(tf.constant(x), target), compiled(tf.constant(x), target)):
        np.testing.assert_allclose(other, eager, rtol=1e-3, atol=1e-5)
    for chunk in (1, 7):
        np.testing.assert_allclose(bound.attribute(tf.constant(x), target, chunk=chunk), eager, rtol=1e-4, atol=1e-6)
    alone = bound.attribute(tf.constant(x[1:2]), target[1:2])
    np.testing.assert_allclose(alone, eager[1:2], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_tables_are_differentiable(case, background, x):
    model = models.mlp()
    bound = xai.Explainer("lime", background=background, samples=50, **CASES[case]).bind(model)
    loss = lambda: tf.reduce_sum(tf.square(bound.attribute(tf.constant(x), tf.zeros(5, tf.int32))))
    kernel = model.layers[0].kernel
    with tf.GradientTape() as tape:
        value = loss()
    slope = tape.gradient(value, kernel.value)
    direction = tf.constant(np.random.default_rng(0).normal(size=kernel.shape), tf.float32)
    ends = []
    for sign in (1, -2):
        kernel.assign_add(sign * 0.01 * direction)
        ends.append(float(loss()))
    assert float(tf.reduce_sum(slope * direction)) == pytest.approx((ends[0] - ends[1]) / 0.02, rel=0.02)


def test_masks_are_carried_from_the_row(background, x):
    mask = np.array([[True], [False], [True], [False], [True]])
    inputs = {"m": tf.constant(mask), "x": tf.constant(x)}
    score = lambda z, target: tf.where(z["m"][:, 0], z["x"][:, 0], z["x"][:, 1])
    nested = {"m": mask[:1], "x": background}
    values = lime(score, inputs, background=nested, discretize=False, samples=200, ridge=0.0)
    largest = np.abs(values["x"]).argmax(axis=1)
    np.testing.assert_array_equal(largest, np.where(mask[:, 0], 0, 1))
    np.testing.assert_array_equal(values["m"], np.zeros((5, 1)))
    scale = background.std(axis=0)[:2]
    np.testing.assert_allclose(values["x"].numpy()[[0, 1], [0, 1]], scale, rtol=1e-4)


@pytest.mark.parametrize(("shape", "kind"), [((8, 8, 1), "image"), ((12, 2), "series"), ((5,), "table")])
def test_masks_weights_and_fit_by_hand(shape, kind, rng):
    from sklearn.linear_model import Ridge

    x = rng.normal(size=(2, *shape)).astype("float32")
    weights = rng.normal(size=shape).astype("float32")
    axes = list(range(1, len(shape) + 1))
    score = lambda z, target: tf.tanh(tf.reduce_sum(z * weights, axes) / 4)
    seen = []
    watched = lambda z, target: (seen.append(z.numpy()), score(z, target))[1]
    values, r2 = _fit(watched, x, samples=300, baseline=0.5, chunk=1000)
    varied = next(z for z in seen if len(z) == 299 * 2).reshape(299, 2, *shape)
    shown = np.concatenate([np.ones((1, *shape)), varied[:, 0] != 0.5])
    cells = [np.ravel(shown[:, *corner]) for corner in _corners(shape, kind)]
    design = np.stack(cells, axis=1)
    share = design.mean()
    assert share == pytest.approx(0.5 if kind == "image" else (len(cells) - 1) / 2 / len(cells), abs=0.04)
    distance = 1 - np.sqrt(design.mean(axis=1))
    kernel = np.sqrt(np.exp(-(distance**2) / 0.25**2))
    for row in range(2):
        labels = np.r_[score(x, None).numpy()[row], score(varied[:, row], None)]
        ridge = Ridge(alpha=1.0).fit(design, labels, sample_weight=kernel)
        expected = [values[row][corner] * np.prod(shape) / len(cells) for corner in _corners(shape, kind)]
        np.testing.assert_allclose(np.ravel(expected), ridge.coef_, rtol=1e-3, atol=1e-5)
        assert r2[row] == pytest.approx(ridge.score(design, labels, kernel), abs=1e-4)


def _corners(shape, kind):
    """One feature of every region: pixels here, steps of a series, columns."""
    if kind == "table":
        return [(i,) for i in range(shape[0])]
    return [(*index, 0) for index in np.ndindex(shape[:-1])]


@pytest.mark.parametrize("features", [2, 7])
def test_features_limits_the_columns(features, rng):
    weights = np.array([5.0, 0.1, -3.0, 2.0, 0.0, 1.0, -0.5, 0.2, 0.3], "float32")
    score = lambda z, target: tf.linalg.matvec(z, weights)
    values, r2 = _fit(score, np.ones((2, 9), "float32"), features=features, samples=400)
    strongest = set(np.argsort(-np.abs(weights))[:features])
    for row in range(2):
        assert set(np.flatnonzero(values[row])) == strongest
    assert np.all(r2 < _fit(score, np.ones((2, 9), "float32"), samples=400)[1])


def test_trees_add_up_and_follow_steps(background, rng):
    from sklearn.tree import DecisionTreeRegressor

    x = np.array([[1.0, 1.0, 0.0, 0.0], [-1.0, -1.0, 0.0, 0.0]], "float32")
    score = lambda z, target: tf.where((z[:, 0] > 0) & (z[:, 3] > -0.5), 3.0, 0.0)
    options = {"background": background, "discretize": False, "surrogate": "tree", "samples": 500}
    values, r2 = _fit(score, x, **options)
    assert np.all(r2 > 0.97) and np.all(values[:, 1:3] == 0)
    near = neighbours.normal(Game(score, tf.constant(x), None, "features"), background, 499, 0)
    moves = np.pad(near.moves(tf.range(499)), [[0, 0], [1, 0], [0, 0]])
    scores = np.vstack([score(x, None), near.values])
    for row in range(2):
        kernel = neighbours.euclidean(tf.constant(moves))[row]
        tree = DecisionTreeRegressor(max_depth=4, random_state=0).fit(moves[row], scores[:, row], kernel)
        expected = tree.predict(moves[row, :1])[0] - np.average(scores[:, row], weights=kernel)
        assert values[row].sum() == pytest.approx(expected, abs=1e-4)
    limited, _ = _fit(score, x, features=1, **options)
    assert np.all((limited != 0).sum(axis=1) <= 1)


def test_trees_run_in_graphs_and_are_the_same_alone(x):
    bound = xai.Explainer("lime", surrogate="tree", samples=60).bind(models.mlp())
    together = bound(tf.constant(x), tf.zeros(5, tf.int32))
    np.testing.assert_allclose(bound(tf.constant(x[:1]), tf.zeros(1, tf.int32)), together[:1], atol=1e-6)
    np.testing.assert_allclose(bound.attribute(tf.constant(x), tf.zeros(5, tf.int32)), together, atol=1e-6)


def test_regions_share_their_coefficient(rng):
    x = rng.normal(size=(2, 6)).astype("float32")
    weights = np.array([1.0, 2, -1, 3, 0.5, -2], "float32")
    score = lambda z, target: tf.linalg.matvec(z, weights)
    values, r2 = _fit(score, x, regions=[[0, 3], [1, 2, 4], [5]], samples=50, ridge=0.0)
    for group in ([0, 3], [1, 2, 4], [5]):
        assert np.ptp(values[:, group], axis=1).max() < 1e-5
        np.testing.assert_allclose(values[:, group].sum(axis=1), (x * weights)[:, group].sum(axis=1), rtol=1e-4)
    np.testing.assert_allclose(r2, 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"surrogate": "forest"}, "Unknown `surrogate`"),
        ({"sample_around_instance": True}, "`sample_around_instance` needs `discretize=False` and a `background`"),
        ({"background": np.ones((3, 4), "float32"), "regions": "cells"}, "`background` and `regions` exclude"),
        ({"background": [np.ones((3, 4))]}, "`background` must have the structure of `inputs`"),
        ({"kernel_width": 0}, "`kernel_width` must be larger than 0"),
        ({"ridge": -1.0}, "`ridge` must not be negative"),
        ({"samples": 0}, "`samples` must be at least 3"),
        ({"features": 0}, "`features` must be an integer of at least 1"),
    ],
)
def test_wrong_options(options, message, x):
    with pytest.raises(ValueError, match=message):
        lime(lambda z, target: z[:, 0], tf.constant(x), **options)


def test_integers_have_no_columns():
    ids = tf.ones((2, 3), tf.int32)
    with pytest.raises(TypeError, match="all inputs are integer or boolean"):
        lime(lambda z, target: tf.cast(z[:, 0], tf.float32), ids, background=ids)


def test_explain(background, x):
    options = {"method": "lime", "background": background, "samples": 300, "verbose": 0}
    model = models.mlp()
    whole, parts = xai.explain(model, x, 1, **options), xai.explain(model, x, 1, batch_size=2, **options)
    np.testing.assert_allclose(parts.values, whole.values, atol=1e-5)
