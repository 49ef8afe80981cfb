"""Randomised weights: against a copy of the model that has them, and that the model itself keeps its own."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import tf_xai as xai
from tests.models import cnn, mlp, nested, regression, subclassed, transformer
from tf_xai import metrics
from tf_xai.core import random, randomised


@pytest.fixture
def x(rng):
    return tf.constant(rng.normal(size=(6, 8, 8, 1)), tf.float32)


TARGET = tf.constant([0, 1, 2, 0, 1, 2])


def spearman(a, b):
    flat = lambda values: np.abs(values).reshape(len(values), -1)
    return [scipy.stats.spearmanr(*pair).statistic for pair in zip(flat(a), flat(b), strict=True)]


def test_layers_from_the_output_on():
    model = cnn()
    groups = randomised.layers(model)
    assert [variable.path for variable in groups[0]] == [v.path for v in model.layers[-1].trainable_variables]
    assert sum(map(len, groups)) == len(model.trainable_variables)


@pytest.mark.parametrize("model", [cnn, mlp, transformer, subclassed, nested])
def test_whether_layers_are_frozen_makes_no_difference(model):
    """What was learnt is drawn anew in the same order, frozen or not; statistics stay."""
    model = model()
    names = [variable.path for variable in model.trainable_variables]
    assert [variable.path for variable in randomised.weights(model)] == names
    model.trainable = False
    assert not model.trainable_variables
    assert [variable.path for variable in randomised.weights(model)] == names


@keras.saving.register_keras_serializable("tests")
class Shift(keras.layers.Layer):
    """Adds a table of constants."""

    def build(self, shape):
        self.table = self.add_weight(shape=shape[1:], initializer="ones", trainable=False, name="table")

    def call(self, x):
        return x + self.table


def test_what_was_never_there_to_be_trained_stays(tmp_path):
    """Moving statistics, those of `Normalization`, constants, seeds; also in a model that has been loaded."""
    normal = keras.layers.Normalization()
    normal.adapt(np.random.default_rng(0).normal(size=(9, 4)))
    frozen = keras.layers.Dense(3, trainable=False)
    others = [keras.layers.BatchNormalization(), keras.layers.Dropout(0.5), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((4,)), normal, Shift(), frozen, *others])
    model.save(tmp_path / "model.keras")
    for each in (model, keras.saving.load_model(tmp_path / "model.keras")):
        names = [variable.path.rpartition("/")[2] for variable in randomised.weights(each)]
        assert names == ["kernel", "bias", "gamma", "beta", "kernel", "bias"]


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("method", ["gradient", "integrated_gradients", "deep_lift"])
def test_parameter_randomisation(method, frozen, x):
    """The mean over copies in which one layer after the other has the random weights, frozen or not."""
    model = cnn()
    model.trainable = not frozen
    explain, copy = xai.Explainer(method).bind(model), keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    own, expected = explain(x, TARGET).numpy(), []
    place = {id(variable): i for i, variable in enumerate(randomised.weights(model))}
    for number, variables in enumerate(randomised.layers(model)):
        for variable, values in randomised.draws(variables, random.fold(7, number)):
            randomised.weights(copy)[place[id(variable)]].assign(values)
        expected.append(spearman(own, xai.Explainer(method).bind(copy)(x, TARGET).numpy()))
    got = metrics.parameter_randomisation(explain.score, x, TARGET, own, explain=explain, seed=7)
    np.testing.assert_allclose(got, np.mean(expected, axis=0), atol=1e-3)


def test_the_model_is_left_alone(x):
    model = cnn()
    explain = xai.Explainer("integrated_gradients").bind(model)
    weights, own = model.get_weights(), explain(x, TARGET).numpy()
    for name in ("parameter_randomisation", "efficient_mprt"):
        metrics.METRICS[name](explain.score, x, TARGET, own, explain=explain)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(explain(x, TARGET), own)


def test_what_does_not_look_at_the_model_does_not_change(x):
    """1 for an edge detector, and no less order."""
    model = cnn()
    edges = lambda inputs, target: tf.abs(inputs - tf.roll(inputs, 1, axis=1))
    score = xai.Score(model)
    for name, expected in (("parameter_randomisation", 1), ("efficient_mprt", 0)):
        found = metrics.METRICS[name](score, x, TARGET, edges(x, TARGET), explain=edges)
        np.testing.assert_allclose(found, np.full(6, expected), atol=1e-5)


def test_draws_have_the_mean_and_the_spread_of_the_weights():
    variable = keras.Variable(np.random.default_rng(0).normal(3, 0.5, (100, 100)).astype("float32"))
    ((same, values),) = randomised.draws([variable], 0)
    assert same is variable
    np.testing.assert_allclose([np.mean(values), np.std(values)], [3, 0.5], rtol=0.02)
    assert abs(np.corrcoef(np.ravel(values), np.ravel(variable.numpy()))[0, 1]) < 0.05


def test_efficient_mprt_is_the_change_of_entropy(x):
    model = cnn()
    explain = xai.Explainer("gradient").bind(model)
    own = explain(x, TARGET).numpy()
    pairs = randomised.draws(randomised.weights(model), 3)
    other = randomised.under(pairs, lambda: explain(x, TARGET)).numpy()
    entropy = lambda values: np.array(
        [scipy.stats.entropy(np.histogram(row.astype("float64"), bins=100)[0]) for row in values.reshape(6, -1)]
    )
    expected = entropy(other) / entropy(own) - 1
    got = metrics.efficient_mprt(explain.score, x, TARGET, own, explain=explain, seed=3)
    np.testing.assert_allclose(got, expected, atol=0.02)  # values at the edge of a bin may fall on either side


def test_random_logit_of_two_classes(rng):
    """The gradients of two softmax outputs are opposite."""
    x = tf.constant(rng.normal(size=(6, 4)), tf.float32)
    explain = xai.Explainer("gradient").bind(mlp(classes=2))
    target = tf.constant([0, 1, 0, 1, 0, 1])
    got = metrics.random_logit(explain.score, x, target, explain(x, target), explain=explain)
    np.testing.assert_allclose(got, -np.ones(6), rtol=1e-5)


def test_random_logit_takes_another_class(x):
    score, asked = xai.Score(cnn()), []
    look = lambda inputs, target: asked.append(target.numpy()) or inputs
    for seed in range(30):
        metrics.random_logit(score, x, TARGET, x, explain=look, seed=seed)
    assert all((other != TARGET.numpy()).all() for other in asked)
    assert {tuple(sorted(set(column))) for column in np.transpose(asked)} == {(1, 2), (0, 2), (0, 1)}


def test_random_logit_needs_classes(rng):
    x = tf.constant(rng.normal(size=(3, 4)), tf.float32)
    explain = xai.Explainer("gradient").bind(regression())
    with pytest.raises(ValueError, match="compares classes"):
        metrics.random_logit(explain.score, x, tf.zeros(3, tf.int32), explain(x), explain=explain)
