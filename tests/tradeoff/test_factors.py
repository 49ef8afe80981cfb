"""Schedule, AutoScale and Constraint step by step, against NumPy; their arguments and their configuration."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_xai.tradeoff import MGDA, AutoScale, Constraint, Fixed, PCGrad, Schedule
from tf_xai.tradeoff.constraint import AIM, BAND, MOMENTUM, SHARE

CONFIGURED = [
    Fixed(),
    AutoScale(0.3, 0.5),
    Constraint([0.8, 0.7], 1.02, 0.2, 5),
    MGDA(normalize=False),
    PCGrad(),
    Schedule(2, 7),
]


def factors(tradeoff, tasks, penalties):
    """The factor of every step, of steps with these losses."""
    state = {name: tf.Variable(start) for name, start in tradeoff.start.items()}
    found = []
    for step, (task, penalty) in enumerate(zip(tasks, penalties, strict=True)):
        tradeoff.update(state, tf.constant(task, tf.float32), tf.constant(penalty, tf.float32))
        found.append(float(tradeoff.factor(state, tf.constant(step))))
    return found


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule(), [1, 1, 1, 1, 1, 1]),
        (Schedule(warmup=2), [0, 0, 1, 1, 1, 1]),
        (Schedule(ramp=4), [0.25, 0.5, 0.75, 1, 1, 1]),
        (Schedule(warmup=3, ramp=2), [0, 0, 0, 0.5, 1, 1]),
        (Schedule(warmup=9), [0, 0, 0, 0, 0, 0]),
    ],
)
def test_schedule(schedule, expected):
    np.testing.assert_allclose(factors(schedule, [1.0] * 6, [1.0] * 6), expected, rtol=1e-6)


def test_automatic_scale_is_the_ratio_of_running_means(rng):
    tasks, penalties = rng.uniform(0.5, 2, (2, 40))
    weights = 0.9 ** np.arange(40)[::-1]
    ratio = [
        np.dot(tasks[: i + 1], weights[-i - 1 :]) / np.dot(penalties[: i + 1], weights[-i - 1 :]) for i in range(40)
    ]
    np.testing.assert_allclose(factors(AutoScale(0.3, 0.9), tasks, penalties), 0.3 * np.array(ratio), rtol=1e-4)


def test_automatic_scale_keeps_its_share():
    """From the first step on, and however much the penalty shrinks."""
    tasks, penalties = np.full(300, 2.0), 5 * 0.97 ** np.arange(300)
    parts = np.multiply(factors(AutoScale(0.1, 0.5), tasks, penalties), penalties)
    assert parts[0] == pytest.approx(0.2)
    np.testing.assert_allclose(parts, 0.2, rtol=0.05)


@pytest.mark.parametrize("tradeoff", [AutoScale(), Constraint(0.5)])
def test_a_penalty_of_nothing_has_a_finite_factor(tradeoff):
    assert np.isfinite(factors(tradeoff, [1.0, 0.1, 0.1] * 50, [0.0] * 150)).all()
    assert np.isfinite(factors(tradeoff, [1.0, 0.1, 0.1] * 50, [1e-38] * 150)).all()
    assert np.isfinite(factors(tradeoff, [0.0] * 150, [1.0] * 150)).all()


def test_a_negative_task_loss_scales_by_its_size():
    """Such as a cosine similarity: penalties are to be minimised all the same."""
    assert factors(AutoScale(0.3), [-1.0, -0.5], [2.0, 1.0]) == factors(AutoScale(0.3), [1.0, 0.5], [2.0, 1.0])


def test_a_penalty_that_comes_late_finds_the_factor_of_a_small_one():
    late, small = (factors(Constraint(2.0), [1.0] * 20, [before] * 10 + [1.0] * 10) for before in (0.0, 1e-20))
    np.testing.assert_allclose(late, small, rtol=1e-6)
    assert late[9] > 1


@pytest.mark.parametrize("tradeoff", [AutoScale(), Constraint(0.5)])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_step_that_is_not_finite_teaches_nothing(tradeoff, bad):
    """Loss scaling skips such steps as well."""
    good = factors(tradeoff, [1.0, 0.9, 0.8], [1.0, 1.0, 1.0])
    task = factors(tradeoff, [1.0, 0.9, bad, 0.8], [1.0, 1.0, 1.0, 1.0])
    penalty = factors(tradeoff, [1.0, 0.9, 0.9, 0.8], [1.0, 1.0, bad, 1.0])
    assert np.isfinite(task).all() and np.isfinite(penalty).all()
    if isinstance(tradeoff, AutoScale):
        assert task[3] == penalty[3] == good[2]


def constraint_by_hand(tasks, penalties, bound, rate):
    task, penalty, seen, s, found = 0.0, 0.0, 0.0, 0.0, []
    for t, p in zip(tasks, penalties, strict=True):
        task, penalty = MOMENTUM * task + (1 - MOMENTUM) * t, MOMENTUM * penalty + (1 - MOMENTUM) * p
        seen = MOMENTUM * seen + 1 - MOMENTUM
        slack = np.clip(np.log(AIM * bound / (task / seen)) / BAND, -1, 1)
        s = np.clip(s + rate * slack, *np.log([task / penalty / SHARE, task / penalty * SHARE]))
        found.append(np.exp(s + slack))
    return found


def test_constraint_by_hand(rng):
    """Above the bound, around it and below it; up to both ends of the share."""
    tasks = np.concatenate([np.full(100, 1.0), rng.uniform(0.4, 0.6, 100), np.full(100, 0.1)])
    penalties = rng.uniform(1, 2, 300)
    expected = constraint_by_hand(tasks, penalties, 1.2 * 0.4, 0.1)
    np.testing.assert_allclose(factors(Constraint(0.4, 1.2, 0.1), tasks, penalties), expected, rtol=1e-3)


def test_constraint_goes_the_right_way():
    above, below = (factors(Constraint(1.0), [task] * 20, [1.0] * 20) for task in (1.3, 0.7))
    assert (np.diff(above) < 0).all() and above[0] < 1
    assert (np.diff(below) > 0).all() and below[0] > 1
    assert factors(Constraint(1.0, factor=1.3), [AIM * 1.3] * 20, [1.0] * 20) == pytest.approx([1] * 20, rel=1e-4)


def test_a_bound_that_falls_with_the_epochs():
    """Of three epochs of ten steps, of which the last one's stays."""
    losses, middles = np.array([2.0, 1.0, 0.6]), [5, 15, 25]
    followed = np.interp(np.arange(1, 61), middles, losses)
    constraint = Constraint(losses, 1.1, steps_per_epoch=10)
    state = {name: tf.Variable(start) for name, start in constraint.start.items()}
    found = []
    for _ in followed:
        state["steps"].assign_add(1.0)
        found.append(float(constraint._bound(state)))
    np.testing.assert_allclose(found, followed, rtol=1e-5)
    last = factors(constraint, [AIM * 1.1 * 0.6] * 200, [1.0] * 200)
    assert last[4] > 2 and np.ptp(last[-5:]) < 1e-3  # far below the bound at first, on it in the end


def test_losses_of_epochs_need_their_steps():
    with pytest.raises(ValueError, match="`steps_per_epoch` must be an integer of at least 1"):
        Constraint([2.0, 1.0])


@pytest.mark.slow
def test_constraint_comes_back_from_its_ends():
    """A bound that was out of reach for long is answered as soon as it is met."""
    long, short = (
        factors(Constraint(0.5), [1.0] * steps + [0.3] * 200, [1.0] * (steps + 200)) for steps in (2000, 200)
    )
    assert long[1999] == pytest.approx(1 / SHARE / np.e, rel=1e-3)
    np.testing.assert_allclose(long[-200:], short[-200:], rtol=1e-3)
    assert long[-1] > 1


@pytest.mark.parametrize("tradeoff", [AutoScale(), Constraint(0.5), Schedule(3), Fixed()])
def test_before_the_first_step(tradeoff):
    """As a validation sees it that comes first."""
    state = {name: tf.Variable(start) for name, start in tradeoff.start.items()}
    expected = (
        1.0 if isinstance(tradeoff, (Constraint, Fixed)) and not isinstance(tradeoff, (AutoScale, Schedule)) else 0
    )
    assert float(tradeoff.factor(state, tf.constant(0))) == expected


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: AutoScale(share=0), "share"),
        (lambda: AutoScale(share=float("nan")), "share"),
        (lambda: AutoScale(momentum=1.0), "momentum"),
        (lambda: AutoScale(momentum=-0.1), "momentum"),
        (lambda: Constraint(0.0), "bound"),
        (lambda: Constraint(float("nan")), "bound"),
        (lambda: Constraint([]), "bound"),
        (lambda: Constraint([1.0, 0.0], steps_per_epoch=3), "bound"),
        (lambda: Constraint(1.0, factor=-1.0), "factor"),
        (lambda: Constraint(1.0, rate=0.0), "rate"),
        (lambda: Schedule(warmup=-1), "warmup"),
        (lambda: Schedule(ramp=2.5), "ramp"),
        (lambda: Schedule(ramp=True), "ramp"),
    ],
)
def test_arguments_out_of_range(make, name):
    with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {name}="):
        make()


@pytest.mark.parametrize("tradeoff", CONFIGURED, ids=lambda tradeoff: type(tradeoff).__name__)
def test_configuration_round_trip(tradeoff):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(tradeoff))
    assert type(copy) is type(tradeoff)
    assert copy.get_config() == tradeoff.get_config()
    assert repr(copy) == repr(tradeoff)


def test_representations_say_how():
    assert repr(Constraint(0.5, 1.02)) == "Constraint(bound=0.5, factor=1.02, rate=0.05, steps_per_epoch=None)"
