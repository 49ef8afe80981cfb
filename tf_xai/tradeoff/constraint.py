"""The best explanations that a bound on the task loss allows."""

from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from tf_xai.core import checks
from tf_xai.tradeoff.base import LARGEST, Fixed

# Of the running means, which look back some twenty steps.
MOMENTUM = 0.95

# What is aimed at, in units of what is allowed: the task loss swings by a percent or two.
AIM = 0.98

# A task loss that is off it by such a share is answered with full force.
BAND = 0.1

# Without the slack the weighted penalty counts for so many times the task loss at most, and for its inverse at least.
# Both ends are near enough to come back from.
SHARE = 100.0

# Below it a mean is as good as zero, which nothing can be divided by.
TINY = 1e-12


@keras.saving.register_keras_serializable("tf_xai")
class Constraint(Fixed):
    """Minimises the penalties subject to `task <= factor * bound`.

        total = task + exp(s + slack) * sum_i weight_i * penalty_i,    s <- s + rate * slack

    where `slack` is `log(0.98 * factor * bound / mean(task))` in tenths, cut to [-1, 1]. `exp(-s)` is the multiplier of
    the constraint: below the bound the penalties count for more from step to step, above it for less. The slack itself
    answers at once, which keeps the task loss from swinging around its bound. `exp(s)` lets penalties count for 0.01 to
    100 times the task loss; a third of the first, `0.01 / e`, is what an unreachable bound leaves of them.

    A bound that is only reached at the end asks for the task alone until then, and for whatever shortcut there is. So
    give the losses of a plain model at all its epochs where there is no time to spare: at every step the task loss is
    compared with that of the plain model by then. A learning rate that falls to zero settles the task loss on the last.

    Args:
        bound: The task loss of a plain model, as `plain.evaluate(x, y)` gives it for the training data, or any other;
            or its losses at all epochs, `plain.history.history["loss"]`, of which the last one stays.
        factor: What the task loss may be, in units of the bound: 1.02 allows it to be 2 % larger.
        rate: How much `s` moves in a step at most.
        steps_per_epoch: Training steps of those epochs.

    Reference: Stooke, Achiam, Abbeel, 2020 (proportional and integral control of a multiplier),
    https://arxiv.org/abs/2007.03964; Rezende, Viola, 2018 (GECO), https://arxiv.org/abs/1810.00597
    """

    varies = True
    start: ClassVar = {"task": 0.0, "penalty": 0.0, "seen": 0.0, "log_factor": 0.0, "steps": 0.0}

    def __init__(self, bound, factor=1.0, rate=0.05, steps_per_epoch=None):
        for name, value in {"bound": bound, "factor": factor, "rate": rate}.items():
            if not (np.size(value) and np.all(np.asarray(value, float) > 0)):
                raise ValueError(f"`{name}` must be larger than 0. Received: {name}={value!r}.")
        self.bounds, self.allowed, self.rate = np.ravel(bound).astype(float).tolist(), float(factor), float(rate)
        if len(self.bounds) > 1:
            checks.positive("steps_per_epoch", steps_per_epoch)
        self.steps_per_epoch = steps_per_epoch

    def factor(self, state, step):
        return tf.exp(state["log_factor"] + self._slack(state))

    def update(self, state, task, penalty):
        sensible = tf.math.is_finite(task) & tf.math.is_finite(penalty)
        for name, value in {"task": task, "penalty": penalty, "seen": 1.0}.items():
            mean = MOMENTUM * state[name] + (1 - MOMENTUM) * value
            state[name].assign(tf.where(sensible, mean, state[name]))
        state["steps"].assign_add(1.0)
        ratio = tf.clip_by_value(state["task"] / tf.maximum(state["penalty"], TINY), 1 / LARGEST, LARGEST)
        low, high = tf.math.log(ratio / SHARE), tf.math.log(ratio * SHARE)
        log_factor = state["log_factor"] + self.rate * self._slack(state)
        state["log_factor"].assign(tf.clip_by_value(log_factor, low, high))

    def _slack(self, state):
        """From -1, far above the bound, to 1, far below it; 0 before the first step."""
        # A mean of so few steps is as much too small as `seen` is: all of them started at zero.
        ratio = AIM * self.allowed * self._bound(state) * state["seen"] / tf.maximum(state["task"], TINY)
        return tf.where(state["seen"] > 0, tf.clip_by_value(tf.math.log(ratio) / BAND, -1.0, 1.0), 0.0)

    def _bound(self, state):
        """The bound by now: losses of epochs are those of their middle, and change evenly from one to the next."""
        epochs = tf.convert_to_tensor(state["steps"]) / float(self.steps_per_epoch or 1) - 0.5
        epochs = tf.clip_by_value(epochs, 0.0, len(self.bounds) - 1.0)
        last, bounds = tf.cast(epochs, tf.int32), tf.constant(self.bounds)
        here, there = (tf.gather(bounds, tf.minimum(k, len(self.bounds) - 1)) for k in (last, last + 1))
        return here + (epochs - tf.floor(epochs)) * (there - here)

    def get_config(self):
        bound = self.bounds if len(self.bounds) > 1 else self.bounds[0]
        own = {"bound": bound, "factor": self.allowed, "rate": self.rate}
        return {**own, "steps_per_epoch": self.steps_per_epoch}
