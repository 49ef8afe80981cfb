"""AttributionPrior against closed forms, and its known properties."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.losses.models import assert_gradients_by_finite_differences, network, rows, trained, weight_gradients
from tests.models import cnn, dict_model, linear, mlp, tokens

AttributionPrior = xai.losses.AttributionPrior
ZEROS = np.zeros((6, 1), "float32")
GRAPH = np.array([[0, 2, 0, 0], [2, 0, 1, 0], [0, 1, 0, 3], [0, 0, 3, 0]], "float32")
KINDS = {"sparse": {}, "l1": {}, "graph": {"graph": GRAPH}}


@pytest.fixture
def x(rng):
    return rng.normal(size=(6, 4)).astype("float32")


def regressor(kernel):
    model = linear(np.reshape(kernel, (-1, 1)).astype("float32"))
    model.compile("sgd", "mse")
    return model


def prior(kind, explainer="gradient_input", **options):
    return AttributionPrior(kind, explainer, **{**KINDS.get(kind, {}), **options})


def gini(use):
    """Half the mean difference of all pairs, relative to the mean."""
    pairs = sum(abs(one - other) for one in use for other in use)
    return pairs / (2 * len(use) * sum(use))


def laplacian(use, graph=GRAPH):
    """Differences along the edges, and what they would be if only one end of each were used."""
    pairs = [(i, j) for i in range(len(use)) for j in range(len(use))]
    apart = sum(graph[i, j] * (use[i] - use[j]) ** 2 for i, j in pairs)
    return apart / sum(2 * graph[i, j] * use[i] ** 2 for i, j in pairs)


def total_variation(maps):
    """Mean difference of all neighbours, by twice the standard deviation, for maps `(n, height, width, channels)`."""
    values = []
    for one in maps:
        steps = np.concatenate([np.abs(np.diff(one, axis=axis)).ravel() for axis in (0, 1)])
        values.append(steps.mean() / (2 * one.std()))
    return np.array(values)


CLOSED = {
    "sparse": lambda phi: np.full(len(phi), 1 - gini(np.abs(phi).mean(axis=0))),
    "l1": lambda phi: np.abs(phi).mean(axis=1) / np.sqrt(np.square(phi).mean(axis=1)),
    "graph": lambda phi: np.full(len(phi), laplacian(np.abs(phi).mean(axis=0))),
}


@pytest.mark.parametrize("kind", KINDS)
def test_closed_forms(kind, x, rng):
    kernel = rng.normal(size=(4, 1))
    value = rows(prior(kind), regressor(kernel), x, ZEROS)
    np.testing.assert_allclose(value, CLOSED[kind](x * kernel.T), rtol=1e-4)


@pytest.mark.parametrize("features", [1, 2, 7, 30])
def test_gini_is_that_of_all_pairs(features, rng):
    """Also where several features are used alike."""
    x, kernel = np.ones((2, features), "float32"), rng.integers(0, 4, features) + 0.5
    value = rows(prior("sparse"), regressor(kernel), x, ZEROS[:2])
    np.testing.assert_allclose(value, np.full(2, 1 - gini(kernel)), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2])
def test_total_variation(channels, rng):
    x = rng.normal(size=(6, 4, 5, channels)).astype("float32")
    value = rows(prior("smooth"), flattened((4, 5, channels)), x, ZEROS)
    np.testing.assert_allclose(value, total_variation(x), rtol=1e-4)


def flattened(shape, kernel=1.0):
    """The sum of all numbers, so that gradient times input is the input."""
    dense = keras.layers.Dense(1, use_bias=False)
    model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), dense])
    dense.kernel.assign(tf.fill(dense.kernel.shape, kernel))
    model.compile("sgd", "mse")
    return model


def test_landmarks_of_total_variation(rng):
    """0 for a flat map, 1 for a chequerboard, 1 / sqrt(pi) for noise, next to 0 for a slope."""
    height, width = np.mgrid[:64, :64]
    maps = [np.full((64, 64), 3.7), (-1.0) ** (height + width), rng.normal(size=(64, 64)), height + width]
    value = rows(prior("smooth"), flattened((64, 64, 1)), np.stack(maps).astype("float32")[..., None], ZEROS[:4])
    np.testing.assert_allclose(value, [0, 1, np.pi**-0.5, 0.019], atol=0.02)
    assert value[0] == 0


def test_a_row_and_a_column_are_maps(rng):
    """Neighbours along an axis of length one there are none."""
    x = rng.normal(size=(6, 1, 9, 1)).astype("float32")
    steps = np.abs(np.diff(x[:, 0, :, 0], axis=1)).mean(axis=1)
    value = rows(prior("smooth"), flattened((1, 9, 1)), x, ZEROS)
    np.testing.assert_allclose(value, steps / (2 * x.std(axis=(1, 2, 3))), rtol=1e-4)


@pytest.mark.parametrize("kind", [*KINDS, "smooth"])
def test_making_attributions_smaller_earns_nothing(kind, rng):
    shape = (4,) if kind != "smooth" else (4, 4, 1)
    x = rng.normal(size=(6, *shape)).astype("float32")
    x[:, 0] *= 3  # features that are used alike leave little to a graph
    value = lambda factor: rows(prior(kind), flattened(shape, factor), x, ZEROS)
    np.testing.assert_allclose(value(1e-4), value(1.0), rtol=1e-4)
    assert value(1.0).numpy().min() > 0.05


@pytest.mark.parametrize("kind", [*KINDS, "smooth"])
def test_a_constant_model_has_the_largest_penalty(kind, rng):
    """Without any attribution 1, with a gradient of zero and not NaN."""
    shape = (4,) if kind != "smooth" else (4, 4, 1)
    model, x = flattened(shape, 0.0), rng.normal(size=(6, *shape)).astype("float32")
    penalty = lambda: rows(prior(kind), model, x, ZEROS)
    np.testing.assert_array_equal(penalty(), np.ones(6))
    assert all((slope.numpy() == 0).all() for slope in weight_gradients(model, penalty))


@pytest.mark.parametrize("kind", ["sparse", "l1"])
def test_landmarks_of_sparsity(kind):
    """1 where all features are alike; 1 / d or its root where there is one."""
    x = np.ones((6, 4), "float32")
    np.testing.assert_allclose(rows(prior(kind), regressor([2, 2, -2, 2]), x, ZEROS), np.ones(6), rtol=1e-6)
    least = {"sparse": 0.25, "l1": 0.5}[kind]
    np.testing.assert_allclose(rows(prior(kind), regressor([0, 0, -2, 0]), x, ZEROS), np.full(6, least), rtol=1e-6)


def test_features_of_every_rows_own():
    """One feature per row, another in every row: sparse by row, not in all."""
    x = np.eye(4, dtype="float32")
    of = lambda kind: rows(prior(kind), regressor([1, 1, 1, 1]), x, ZEROS[:4]).numpy()
    np.testing.assert_allclose(of("l1"), np.full(4, 0.5), rtol=1e-6)
    np.testing.assert_allclose(of("sparse"), np.ones(4), rtol=1e-6)


def test_landmarks_of_graphs(x):
    """Neighbours alike 0; only one of every pair of neighbours 1; the diagonal does not count."""
    x = np.ones((6, 4), "float32")
    of = lambda kernel, graph=GRAPH: rows(prior("graph", graph=graph), regressor(kernel), x, ZEROS).numpy()
    np.testing.assert_allclose(of([2, -2, 2, 2]), np.zeros(6), atol=1e-6)
    np.testing.assert_allclose(of([2, 0, 1, 0]), np.ones(6), rtol=1e-6)
    np.testing.assert_array_equal(of([2, 0, 1, 3], GRAPH + 5 * np.eye(4)), of([2, 0, 1, 3]))
    np.testing.assert_allclose(of([2, 0, 1, 3], 10 * GRAPH), of([2, 0, 1, 3]), rtol=1e-5)


@pytest.mark.parametrize("layer", [None, "first"])
def test_the_picture_or_the_output_of_a_layer(layer, rng):
    explainer = xai.Explainer("gradient_input", space="logit", **({} if layer is None else {"layer": layer}))
    contrast = np.eye(3, dtype="float32")[np.zeros(5, int)] - 1 / 3
    model, x = cnn(), rng.normal(size=(5, 8, 8, 1)).astype("float32")
    expected = total_variation(explainer.bind(model)(x, contrast).numpy())
    np.testing.assert_allclose(rows(prior("smooth", explainer), model, x), expected, rtol=1e-4)


def test_the_inputs_that_have_spatial_axes(rng):
    """The picture of a dict, and the positions of tokens."""
    explain = lambda model: xai.Explainer("gradient_input", space="logit").bind(model)
    contrast = lambda classes: np.eye(classes, dtype="float32")[np.zeros(5, int)] - 1 / classes
    model = dict_model()
    x = {"image": rng.normal(size=(5, 6, 6, 1)).astype("float32"), "age": rng.normal(size=(5, 2)).astype("float32")}
    expected = total_variation(explain(model)(x, contrast(3))["image"].numpy())
    np.testing.assert_allclose(rows(prior("smooth"), model, x), expected, rtol=1e-4)
    model, ids = tokens(), rng.integers(0, 10, (5, 5)).astype("int32")
    each = explain(model)(ids, contrast(2)).numpy()
    expected = np.abs(np.diff(each, axis=1)).mean(axis=1) / (2 * each.std(axis=1))
    np.testing.assert_allclose(rows(prior("smooth"), model, ids), expected, rtol=1e-3)


@pytest.mark.parametrize("kind", [*KINDS, "smooth"])
def test_gradient_by_finite_differences(kind, x):
    model = network("tanh")
    if kind == "smooth":
        model = keras.Sequential([keras.Input((4, 1)), keras.layers.Flatten(), model])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        x = x[..., None]
    y = np.arange(6) % 3
    assert_gradients_by_finite_differences(model, lambda: rows(prior(kind), model, x, y), step=5e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS, "smooth"])
def test_eager_graph_and_xla(kind, rng):
    shape = (4,) if kind != "smooth" else (4, 4, 1)
    model, x = flattened(shape), rng.normal(size=(6, *shape)).astype("float32")
    loss = prior(kind, xai.Explainer("expected_gradients", samples=2))
    call = lambda x: rows(loss, model, x, ZEROS)
    eager = call(x)
    for jit_compile in (False, True):
        np.testing.assert_allclose(tf.function(call, jit_compile=jit_compile)(x), eager, rtol=1e-4)


def test_draws_of_expected_gradients_are_new_at_every_step(x):
    loss, model = prior("l1", xai.Explainer("expected_gradients", samples=1)), mlp()
    first, again, second = (rows(loss, model, x, step=step) for step in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (np.abs(first - second) > 1e-6).any()


def learnt(kind, weight, model, x, y, **options):
    """Attributions after training, and the error that is left."""
    keras.utils.set_random_seed(0)
    base = keras.models.clone_model(model)
    error = trained(base, "mse", x, y, prior(kind, **options, weight=weight), steps=200, rate=0.01)
    return xai.explain(base, x, method="gradient_input", verbose=0).values, error


def copies(rng):
    """One number eight times over, so that any of the columns will do."""
    x = np.repeat(rng.normal(size=(64, 1)), 8, axis=1).astype("float32")
    return mlp(8, 1, final=None), x, x[:, :1]


def test_sparse_chooses_among_features_that_tell_the_same(rng):
    data, of = copies(rng), lambda values: gini(np.abs(values).mean(axis=0))
    (plain, _), (sparse, error) = (learnt("sparse", weight, *data) for weight in (0.0, 1.0))
    assert of(plain) < 0.5 and of(sparse) > 0.8 and error < 0.02


def test_a_graph_makes_neighbours_alike(rng):
    graph = np.eye(8, k=1) + np.eye(8, k=-1)
    data, of = copies(rng), lambda values: laplacian(np.abs(values).mean(axis=0), graph)
    (plain, _), (alike, error) = (learnt("graph", weight, *data, graph=graph) for weight in (0.0, 1.0))
    assert of(plain) > 0.1 and of(alike) < 0.01 and error < 0.02


def test_smooth_makes_neighbours_alike(rng):
    """A series of noise around a level, and the level is asked for: any filter will do."""
    level = rng.normal(size=(64, 1)).astype("float32")
    x = level[..., None] + np.zeros((64, 12, 1), "float32")
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="random_normal")
    model = keras.Sequential([keras.Input((12, 1)), keras.layers.Flatten(), dense])
    of = lambda values: (np.abs(np.diff(values, axis=1)).mean(axis=1) / values.std(axis=1)).mean() / 2
    (plain, _), (smooth, error) = (learnt("smooth", weight, model, x, level) for weight in (0.0, 1.0))
    assert of(plain) > 0.3 and of(smooth) < 0.2 and error < 0.02


def test_unknown_kind():
    with pytest.raises(ValueError, match=r"Unknown `kind`.*'smooth'.*Did you mean 'sparse'"):
        AttributionPrior("sparce")


def test_smooth_needs_neighbours(x):
    with pytest.raises(ValueError, match=r"spatial axes.*Received shapes: \(6, 4\).*'sparse'"):
        rows(prior("smooth"), mlp(), x)


@pytest.mark.parametrize(
    "graph",
    [
        None,
        [1, 2, 3],
        np.eye(4),
        np.ones((3, 4)),
        np.triu(np.ones((4, 4))),
        -GRAPH,
        np.zeros((4, 4)),
        np.full((4, 4), np.nan),
    ],
)
def test_what_is_no_graph(graph):
    with pytest.raises(ValueError, match=r"`graph` must hold weights `\(features, features\)`"):
        AttributionPrior("graph", graph=graph)


def test_a_graph_of_other_features(x):
    with pytest.raises(ValueError, match=r"Expected: \(4, 4\). Received: \(3, 3\)"):
        rows(prior("graph", graph=np.ones((3, 3))), mlp(), x)


def test_a_graph_for_another_kind():
    with pytest.raises(ValueError, match=r"`graph` is for `kind='graph'`\. Received: kind='sparse'"):
        AttributionPrior("sparse", graph=GRAPH)
