"""`compile(tradeoff=...)`: steps by hand, ways to run `fit`, logs, saving."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.models import mlp, tokens
from tests.training import models
from tests.training.models import assert_close, assert_identical, compiled, fit, trained
from tests.training.test_modes import under
from tf_xai.losses import ExplanationLoss
from tf_xai.tradeoff import MGDA, AutoScale, Constraint, Fixed, PCGrad, Schedule

RightReasons, LIMEFidelity = xai.losses.RightReasons, xai.losses.LIMEFidelity
TRADEOFFS = {
    "schedule": lambda: Schedule(warmup=1, ramp=3),
    "auto_scale": lambda: AutoScale(0.3, 0.5),
    "constraint": lambda: Constraint(0.9, 1.1, 0.2),
    "pcgrad": PCGrad,
    "mgda": MGDA,
}
FACTOR = "xai_tradeoff_factor"
VARYING = ["schedule", "auto_scale", "constraint"]
MERGING = ["pcgrad", "mgda"]
RUN = {"batch_size": 4, "epochs": 2}
MODES = {"eager": {"run_eagerly": True}, "steps": {"steps_per_execution": 3}, "xla": {"jit_compile": True}}


@pytest.fixture
def data(rng):
    """Ten rows with evidence: three batches of four, the last one short."""
    x, y = models.table(rng, rows=10)
    return xai.with_evidence(x, irrelevant=models.masks_like(rng, x)), y


def losses():
    """Two penalties, of which one is not due at every step."""
    return [RightReasons(weight=0.5), LIMEFidelity(scale=1.0, every=2, fraction=0.5)]


def true_class(y):
    """The score of `space='log_probability'`."""
    return lambda p: tf.math.log(tf.gather(p, y, batch_dims=1))


def parts_by_hand(base, evidence, y):
    """Task loss, and the penalties of `RightReasons` as in the paper and of the true class, as functions."""
    x, masks = evidence["xai_inputs"], evidence["xai_irrelevant"]
    penalty = lambda score: tf.reduce_mean(models.squared_gradients(base, score, x, masks))
    return [
        lambda: models.mean_crossentropy(y, base(x)),
        lambda: 0.5 * penalty(models.log_probabilities),
        lambda: 2.0 * penalty(true_class(y)),
    ]


def two_reasons():
    other = xai.Explainer("gradient", space="log_probability")
    return [RightReasons(weight=0.5), RightReasons(other, weight=2.0, name="other")]


@pytest.mark.parametrize("many", [1, 2])
@pytest.mark.parametrize("tradeoff", MERGING)
def test_merged_step_by_hand(tradeoff, many, data):
    """The gradients of task and penalties, merged, times the learning rate; the logged loss is their sum."""
    base = mlp()
    parts, gradients, values = parts_by_hand(base, *data)[: many + 1], [], []
    for part in parts:
        with tf.GradientTape() as tape:
            values.append(part())
        gradients.append(tape.gradient(values[-1], base.trainable_variables, unconnected_gradients="zero"))
    merged = TRADEOFFS[tradeoff]().merge(gradients)
    expected = [w - models.RATE * g for w, g in zip(base.trainable_variables, merged, strict=True)]
    plain = [w - models.RATE * sum(gs) for w, *gs in zip(base.trainable_variables, *gradients, strict=True)]
    model = compiled(base, two_reasons()[:many], tradeoff=TRADEOFFS[tradeoff](), metrics=["accuracy"])
    lines = fit(model, *data)
    assert_close(models.trainable(base), expected)
    assert max(np.abs(e - p).max() for e, p in zip(expected, plain, strict=True)) > 1e-3  # it makes a difference
    np.testing.assert_allclose(lines["loss"], [sum(values)], rtol=1e-5)
    assert {"accuracy", "xai_right_reasons_loss"} < set(lines) and FACTOR not in lines


@pytest.mark.parametrize("tradeoff", MERGING)
def test_merged_gradients_of_a_penalty_that_does_not_reach_all_layers(tradeoff, data):
    (evidence, y), base = data, mlp()
    x, loss, gradients = evidence["xai_inputs"], models.Hidden(base), []
    for part in (lambda: models.mean_crossentropy(y, base(x)), lambda: tf.reduce_mean(loss.of(x))):
        with tf.GradientTape() as tape:
            value = part()
        slopes = tape.gradient(value, base.trainable_variables)
        pairs = zip(slopes, base.trainable_variables, strict=True)
        gradients.append([tf.zeros_like(v) if s is None else s for s, v in pairs])
    merged = TRADEOFFS[tradeoff]().merge(gradients)
    expected = [w - models.RATE * g for w, g in zip(base.trainable_variables, merged, strict=True)]
    fit(compiled(base, loss, tradeoff=TRADEOFFS[tradeoff]()), x, y)
    assert_close(models.trainable(base), expected)


@pytest.mark.parametrize("tradeoff", VARYING)
def test_steps_with_a_factor_by_hand(tradeoff, data):
    """Loss, line and weights of four steps, with the factor that the trade-off has for their losses."""
    base = mlp()
    reference = keras.models.clone_model(base)
    by_hand = TRADEOFFS[tradeoff]()
    state = {name: tf.Variable(start) for name, start in by_hand.start.items()}
    model = compiled(base, two_reasons(), tradeoff=TRADEOFFS[tradeoff]())
    for step in range(4):
        reference.set_weights(base.get_weights())
        task, *penalties = parts_by_hand(reference, *data)
        before = [float(task()), float(sum(penalty() for penalty in penalties))]
        by_hand.update(state, *map(tf.constant, before))
        factor = float(by_hand.factor(state, tf.constant(step)))
        weighted = lambda f=factor, parts=penalties: f * sum(part() for part in parts)
        expected = models.step_by_hand(reference, data[0]["xai_inputs"], data[1], models.mean_crossentropy, weighted)
        lines = fit(model, *data)
        np.testing.assert_allclose(lines[FACTOR], [factor], rtol=1e-4)
        np.testing.assert_allclose(lines["loss"], [before[0] + factor * before[1]], rtol=1e-4)
        assert_close(models.trainable(base), expected)


def test_fixed_is_the_default(data):
    base = mlp()
    expected, lines = trained(base, losses(), *data, RUN)
    weights, found = trained(base, losses(), *data, RUN, tradeoff=Fixed())
    assert_identical(weights, expected)
    np.testing.assert_equal(found, lines)
    assert FACTOR not in lines


@pytest.mark.slow
@pytest.mark.parametrize("tradeoff", TRADEOFFS)
@pytest.mark.parametrize("mode", MODES)
def test_modes_train_alike(mode, tradeoff, data):
    """Eagerly, several steps at a time, or with XLA like the graph; with losses that are not always due."""
    base = mlp()
    options = MODES[mode]
    expected, lines = trained(base, losses(), *data, RUN, tradeoff=TRADEOFFS[tradeoff](), jit_compile=False)
    weights, found = trained(base, losses(), *data, RUN, tradeoff=TRADEOFFS[tradeoff](), **options)
    assert_close(weights, expected)
    assert set(found) == set(lines)
    for line, values in lines.items():
        np.testing.assert_allclose(found[line], values, rtol=1e-4, err_msg=line)


@pytest.mark.parametrize("tradeoff", TRADEOFFS)
def test_mixed_float16(tradeoff, data):
    """The same training within the 11 bits of float16, with a loss that is scaled and gradients that are not."""
    plain, mixed = mlp(), under("mixed_float16", mlp)
    mixed.set_weights(plain.get_weights())
    options = {"tradeoff": TRADEOFFS[tradeoff]()}
    expected, lines = trained(plain, RightReasons(), *data, RUN, optimizer=keras.optimizers.SGD(0.1), **options)
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=1024.0)
    weights, found = trained(mixed, RightReasons(), *data, RUN, optimizer=scaled, **options)
    assert_close(weights, expected, 0.02)
    for line in ("loss", "xai_right_reasons_loss"):
        np.testing.assert_allclose(found[line], lines[line], rtol=0.05)


@pytest.mark.parametrize("tradeoff", MERGING)
def test_overflow_skips_the_step(tradeoff, data):
    """A scale that float16 can not hold is halved, and the weights stay."""
    base = under("mixed_float16", mlp)
    start = base.get_weights()
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=2.0**40)
    fit(compiled(base, RightReasons(), tradeoff=TRADEOFFS[tradeoff](), optimizer=scaled), *data)
    assert_identical(base.get_weights(), start)
    assert float(scaled.dynamic_scale) == 2.0**39


class LargeScores(ExplanationLoss):
    """The squared score of the true class."""

    def bind(self, model):
        return xai.Score(model)

    def call(self, explain, batch):
        return tf.square(explain(batch.inputs, batch.target))


@pytest.mark.parametrize("tradeoff", TRADEOFFS)
def test_embeddings(tradeoff, rng):
    """Their gradients are indexed slices; a step by hand has dense ones."""
    ids, y = rng.integers(0, 10, (6, 5)), rng.integers(0, 2, 6)
    base = tokens()
    values, slopes = [], []
    for part in (
        lambda: models.mean_crossentropy(y, base(ids)),
        lambda: tf.reduce_mean(tf.square(tf.gather(base(ids), y, batch_dims=1))),
    ):
        with tf.GradientTape() as tape:
            values.append(part())
        slopes.append([tf.convert_to_tensor(g) for g in tape.gradient(values[-1], base.trainable_variables)])
    made = TRADEOFFS[tradeoff]()
    if made.merges:
        merged = made.merge(slopes)
    else:
        state = {name: tf.Variable(start) for name, start in made.start.items()}
        made.update(state, *values)
        merged = [t + made.factor(state, tf.constant(0)) * p for t, p in zip(*slopes, strict=True)]
    expected = [w - models.RATE * g for w, g in zip(base.trainable_variables, merged, strict=True)]
    fit(compiled(base, LargeScores(), tradeoff=made), ids, y)
    assert_close(models.trainable(base), expected)


@pytest.mark.parametrize("tradeoff", TRADEOFFS)
def test_rows_of_weight_zero_are_none(tradeoff, data):
    """Four rows, or ten of which four count two and a half times: Keras divides by ten."""
    evidence, y = data
    base, make = mlp(), TRADEOFFS[tradeoff]
    first = keras.tree.map_structure(lambda leaf: leaf[:4], evidence)
    expected, _ = trained(base, RightReasons(), first, y[:4], {"epochs": 2}, tradeoff=make())
    weights = 2.5 * (np.arange(10) < 4).astype("float32")
    found, _ = trained(base, RightReasons(), evidence, y, {"sample_weight": weights, "epochs": 2}, tradeoff=make())
    assert_close(found, expected)


@pytest.mark.parametrize("tradeoff", TRADEOFFS)
def test_without_explanation_losses_it_is_plain_training(tradeoff, data):
    base = mlp()
    expected, lines = trained(base, [], *data, RUN)
    weights, found = trained(base, [], *data, RUN, tradeoff=TRADEOFFS[tradeoff]())
    assert_close(weights, expected, 1e-6)
    np.testing.assert_allclose(found["loss"], lines["loss"], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("tradeoff", TRADEOFFS)
def test_evaluate_is_that_of_the_base(tradeoff, data):
    """It teaches the trade-off nothing, logs no factor, and its loss is the task's."""
    base = mlp()
    model = compiled(base, losses(), tradeoff=TRADEOFFS[tradeoff]())
    lines = fit(model, *data, **RUN, validation_data=data)
    assert not [line for line in lines if line.startswith("val_") and "factor" in line]
    numbers = [variable.numpy() for variable in model.training_state.variables]
    result = model.evaluate(*data, verbose=0, return_dict=True)
    assert FACTOR not in result
    np.testing.assert_allclose(
        result["loss"], models.mean_crossentropy(data[1], base(data[0]["xai_inputs"])), rtol=1e-5
    )
    assert_identical([variable.numpy() for variable in model.training_state.variables], numbers)


def test_validation_with_penalties_has_the_factor(data):
    """The loss that training would minimise next."""
    model = compiled(mlp(), two_reasons(), tradeoff=Schedule(warmup=1, ramp=4), penalize_validation=True)
    lines = fit(model, *data, epochs=2, validation_data=data)
    parts = [float(part()) for part in parts_by_hand(model.base, *data)]
    np.testing.assert_allclose(lines["val_loss"][-1], parts[0] + 0.5 * sum(parts[1:]), rtol=1e-4)


def test_the_factor_of_an_epoch_is_that_of_its_last_step(data):
    """Three steps per epoch."""
    model = compiled(mlp(), losses(), tradeoff=Schedule(warmup=2, ramp=10))
    np.testing.assert_allclose(fit(model, *data, batch_size=4, epochs=3)[FACTOR], [0.1, 0.4, 0.7], rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("tradeoff", TRADEOFFS)
def test_load_and_go_on(tradeoff, data, tmp_path):
    """Two epochs, or one, a save, a load and one: with its multiplier and means, in both formats."""
    base = mlp()
    adam = lambda: keras.optimizers.Adam(0.01)
    make = lambda: compiled(base, losses(), optimizer=adam(), tradeoff=TRADEOFFS[tradeoff]())
    start = base.get_weights()
    whole = fit(make(), *data, batch_size=4, epochs=2)
    expected = base.get_weights()
    base.set_weights(start)
    model = make()
    fit(model, *data, batch_size=4)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    other = compiled(mlp(), losses(), optimizer=adam(), tradeoff=TRADEOFFS[tradeoff]())
    other.optimizer.build(other.trainable_variables)
    other.load_weights(tmp_path / "model.weights.h5")
    for loaded in (keras.saving.load_model(tmp_path / "model.keras"), other):
        rest = fit(loaded, *data, batch_size=4)
        for line, values in rest.items():
            np.testing.assert_allclose(values, whole[line][1:], rtol=1e-4, err_msg=line)
        assert_close(loaded.base.get_weights(), expected)


def test_compiling_again_starts_anew(data):
    """The multiplier of one bound is none of another's."""
    model = compiled(mlp(), losses(), tradeoff=Constraint(0.1))
    fit(model, *data, **RUN)
    start = model.base.get_weights()
    lines = []
    for _ in range(2):
        model.base.set_weights(start)
        model.compile("sgd", models.CROSSENTROPY, explanation_loss=losses(), tradeoff=Constraint(5.0))
        lines.append(fit(model, *data, **RUN)[FACTOR])
    assert lines[0] == lines[1] and lines[0][0] > 1


@pytest.mark.parametrize("wrong", ["PCGrad", "pcgrad", Schedule, 0.5, {"share": 1.0}])
def test_a_trade_off_that_is_none(wrong, data):
    with pytest.raises(TypeError, match=r"`tradeoff` takes an object of `tf_xai.tradeoff`, one of .*'Fixed'.*Received"):
        compiled(mlp(), losses(), tradeoff=wrong)
    with pytest.raises(TypeError, match="Did you mean 'PCGrad'"):
        compiled(mlp(), losses(), tradeoff="PCgrad")


def test_a_trade_off_of_ones_own(data):
    """A subclass with a factor is all that it takes."""

    class Half(Fixed):
        varies = True

        def factor(self, state, step):
            return 0.5

    base = mlp()
    half, lines = trained(base, RightReasons(weight=3.0), *data, RUN, tradeoff=Half())
    assert_close(half, trained(base, RightReasons(weight=1.5), *data, RUN)[0], 1e-6)
    assert lines[FACTOR] == [0.5, 0.5]
    with pytest.raises(NotImplementedError, match="Half has no `merge`"):
        Half().merge([])


@pytest.mark.parametrize("tradeoff", [PCGrad(), MGDA()])
@pytest.mark.parametrize("kind", ["unbuilt", "frozen"])
def test_merging_without_weights(kind, tradeoff, rng):
    """A model that gets its weights in the first step trains; one whose weights are frozen stays as it is."""
    x, y = models.table(rng)
    base = keras.Sequential([keras.layers.Dense(5, "gelu"), keras.layers.Dense(3, "softmax")])
    if kind == "frozen":
        base.build((None, 4))
        base.trainable = False
    model = compiled(base, xai.losses.JacobianNorm(), tradeoff=tradeoff)
    fit(model, x, y)
    before = base.get_weights()
    fit(model, x, y)
    moved = [np.abs(after - start).max() > 0 for start, after in zip(before, base.get_weights(), strict=True)]
    assert all(moved) if kind == "unbuilt" else not any(moved)
