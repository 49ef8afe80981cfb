"""`every` and `fraction`: which steps have a penalty, of which rows, and how much it counts."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.models import mlp
from tests.training import models
from tests.training.models import assert_close, compiled, fit, trained
from tf_xai.losses import ExplanationLoss

LINE = "xai_seen_loss"
MODES = {"graph": {"jit_compile": False}, "eager": {"run_eagerly": True}, "xla": {"jit_compile": True}}


class Seen(ExplanationLoss):
    """The penalty of a row is its second column, times what the model makes of it over itself: a one with a slope.

    It counts how often it is computed.
    """

    def __init__(self, **common):
        super().__init__(**common)
        self.calls = tf.Variable(0, trainable=False)

    def bind(self, model):
        return xai.Score(model)

    def call(self, explain, batch):
        self.calls.assign_add(1)
        score = explain(batch.inputs, batch.target)
        return batch.inputs[:, 1] * score / tf.stop_gradient(score)


@pytest.fixture
def data(rng):
    """Eight rows; the second column has a bit for every one, so that a sum says which rows are in it."""
    x, y = models.table(rng, rows=8)
    x[:, 1] = 2.0 ** np.arange(8)
    return x, y


def rows_of(mean, many):
    """The rows whose second column has this mean."""
    total = round(float(mean) * many)
    return [row for row in range(8) if total >> row & 1]


def task_loss(base, x, y, sample_weight=1.0):
    rows = keras.losses.sparse_categorical_crossentropy(y, base(x)).numpy()
    return float(np.mean(sample_weight * rows))


@pytest.mark.parametrize("mode", MODES)
def test_only_steps_that_are_due_compute_the_penalty(mode, data):
    """The second fit goes on counting where the first one stopped."""
    loss = Seen(every=3, weight=0.0)
    model = compiled(mlp(), loss, **MODES[mode])
    loss.calls.assign(0)
    lines = fit(model, *data, epochs=5)[LINE] + fit(model, *data, epochs=3)[LINE]
    assert loss.calls.numpy() == 3  # steps 0, 3 and 6
    mean = np.mean(data[0][:, 1])
    np.testing.assert_allclose(lines, [mean, np.nan, np.nan, mean, np.nan, np.nan, mean, np.nan], rtol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_a_penalty_that_is_due_counts_for_all(mode, data):
    """By hand: task plus three times the weighted penalty, task, task, and so on."""
    x, y = data
    base = mlp()
    reference = keras.models.clone_model(base)
    reference.set_weights(base.get_weights())
    model = compiled(base, Seen(every=3, weight=1e-4), **MODES[mode])
    for step in range(5):
        task = task_loss(reference, x, y)
        factor = 3e-4 if step % 3 == 0 else 0.0
        score = lambda: tf.gather(reference(x), y, batch_dims=1)
        penalty = lambda f=factor, s=score: f * tf.reduce_mean(x[:, 1] * s() / tf.stop_gradient(s()))
        weights = models.step_by_hand(reference, x, y, models.mean_crossentropy, penalty)
        lines = fit(model, x, y)
        assert_close(models.trainable(base), weights)
        np.testing.assert_allclose(lines["loss"], [task + factor * np.mean(x[:, 1])], rtol=1e-5)
        reference.set_weights(base.get_weights())


@pytest.mark.parametrize("mode", MODES)
def test_layers_that_the_penalty_does_not_reach(mode, data):
    """They learn from the task alone."""
    (x, y), base = data, mlp()
    loss = models.Hidden(base, every=2)
    penalty = lambda: 2 * tf.reduce_mean(loss.of(x))
    expected = models.step_by_hand(base, x, y, models.mean_crossentropy, penalty)
    fit(compiled(base, loss, **MODES[mode]), x, y)
    assert_close(models.trainable(base), expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("every", [1, 2])
def test_rows_take_turns(mode, every, data):
    """A quarter of the rows at a time, the next ones whenever the penalty is due."""
    model = compiled(mlp(), Seen(every=every, fraction=0.25), **MODES[mode])
    means = fit(model, *data, epochs=5 * every)[LINE][::every]
    assert [rows_of(mean, 2) for mean in means] == [[0, 1], [2, 3], [4, 5], [6, 7], [0, 1]]


def test_turns_go_on_over_the_end_of_the_batch(data):
    """Of seven rows a half are four."""
    x, y = data
    means = fit(compiled(mlp(), Seen(fraction=0.5)), x[:7], y[:7], epochs=3)[LINE]
    assert [rows_of(mean, 4) for mean in means] == [[0, 1, 2, 3], [0, 4, 5, 6], [1, 2, 3, 4]]


def test_the_line_is_the_mean_of_the_rows_that_were_computed(data):
    """Batches of three, three and two rows, of which the second is not due, then only it."""
    x, y = data
    lines = fit(compiled(mlp(), Seen(every=2)), x, y, batch_size=3, epochs=2)[LINE]
    np.testing.assert_allclose(lines, [np.mean(x[[0, 1, 2, 6, 7], 1]), np.mean(x[3:6, 1])], rtol=1e-5)


def test_sample_weights_follow_their_rows(data):
    x, y = data
    base = mlp()
    model = compiled(base, Seen(fraction=0.25, weight=0.5))
    weights = np.linspace(0, 2, 8, dtype="float32")
    for rows in ([0, 1], [2, 3], [4, 5]):
        expected = task_loss(base, x, y, weights) + 0.5 * np.mean(weights[rows] * x[rows, 1])
        lines = fit(model, x, y, sample_weight=weights)
        np.testing.assert_allclose(lines["loss"], [expected], rtol=1e-5)
        counted = [row for row in rows if weights[row] > 0]
        np.testing.assert_allclose(lines[LINE], [np.mean(x[counted, 1])], rtol=1e-5)


def test_validation_sees_every_row_at_every_batch(data):
    """And the penalty counts once in it."""
    x, y = data
    base = mlp()
    model = compiled(base, Seen(every=4, fraction=0.25, weight=0.5), penalize_validation=True)
    lines = fit(model, x, y, validation_data=(x, y), validation_batch_size=4, epochs=2)
    np.testing.assert_allclose(lines["val_" + LINE], 2 * [np.mean(x[:, 1])], rtol=1e-5)
    expected = task_loss(base, x, y) + 0.5 * np.mean(x[:, 1])
    np.testing.assert_allclose(lines["val_loss"][-1], expected, rtol=1e-5)


def test_an_automatic_weight_does_not_depend_on_how_often(data):
    """It is the share of the task loss over the penalty; where the penalty is due, it counts so many times."""
    x, y = data
    base = mlp()
    task = task_loss(base, x, y)
    lines = fit(compiled(base, Seen(every=4, weight="auto", auto_share=0.5)), x, y)
    np.testing.assert_allclose(lines["xai_seen_weight"], [0.5 * task / np.mean(x[:, 1])], rtol=1e-5)
    np.testing.assert_allclose(lines["loss"], [3 * task], rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_modes_train_alike(jit_compile, rng):
    """A penalty on gradients, with noise, eagerly, in a graph or XLA, one step per execution or three."""
    x, y = models.table(rng)
    data = xai.with_evidence(x, irrelevant=models.masks_like(rng, x)), y
    base = mlp()
    losses = lambda: [
        xai.losses.RightReasons(every=2),
        xai.losses.LIMEFidelity(fraction=0.5),
        xai.losses.RightReasons(every=3, fraction=0.3, name="seldom"),
    ]
    run = {"batch_size": 4, "epochs": 3}
    expected, lines = trained(base, losses(), *data, run, run_eagerly=True)
    weights, found = trained(base, losses(), *data, run, jit_compile=jit_compile, steps_per_execution=3)
    assert_close(weights, expected)
    for line, values in lines.items():
        np.testing.assert_allclose(found[line], values, rtol=1e-4, err_msg=line)


@pytest.mark.parametrize(("name", "bad"), [("every", 0), ("every", 1.5), ("fraction", 0), ("fraction", 1.1)])
def test_arguments_out_of_range(name, bad):
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: {name}={bad}"):
        xai.losses.RightReasons(**{name: bad})
