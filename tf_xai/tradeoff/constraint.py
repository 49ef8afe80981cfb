"""The best explanations that a bound on the task loss allows."""

from typing import ClassVar

import keras
import tensorflow as tf

from tf_xai.tradeoff.base import LARGEST, Fixed

# Of the running means, which look back some twenty steps.
MOMENTUM = 0.95

# A task loss that is off the bound by such a share is answered with full force.
BAND = 0.1

# The weighted penalty counts for so many times the task loss at most, and for its inverse at least. Both ends are near
# enough to come back from.
SHARE = 100.0

# Below it a mean is as good as zero, which nothing can be divided by.
TINY = 1e-12


@keras.saving.register_keras_serializable("tf_xai")
class Constraint(Fixed):
    """Minimises the penalties subject to `task <= factor * bound`.

        total = task + exp(s + slack) * sum_i weight_i * penalty_i,    s <- s + rate * slack

    where `slack` is `log(factor * bound / mean(task))` in tenths, cut to [-1, 1]. `exp(-s)` is the multiplier of the
    constraint: below the bound the penalties count for more from step to step, above it for less. The slack itself
    answers at once, which keeps the task loss from swinging around its bound. Penalties count for 0.01 to 100 times the
    task loss; the first of these is what an unreachable bound leaves of them.

    The training needs time below the bound: it is to be reached well before the end, as the loss of a model that was
    stopped early is. A learning rate that falls to zero settles the task loss on it.

    Args:
        bound: The task loss of a plain model, as `plain.evaluate(x, y)` gives it for the training data, or any other.
        factor: What the task loss may be, in units of the bound: 1.02 allows it to be 2 % larger.
        rate: How much `s` moves in a step at most.

    Reference: Stooke, Achiam, Abbeel, 2020 (proportional and integral control of a multiplier),
    https://arxiv.org/abs/2007.03964; Rezende, Viola, 2018 (GECO), https://arxiv.org/abs/1810.00597
    """

    varies = True
    start: ClassVar = {"task": 0.0, "penalty": 0.0, "seen": 0.0, "log_factor": 0.0}

    def __init__(self, bound, factor=1.0, rate=0.05):
        for name, value in {"bound": bound, "factor": factor, "rate": rate}.items():
            if not value > 0:
                raise ValueError(f"`{name}` must be larger than 0. Received: {name}={value!r}.")
        self.bound, self.allowed, self.rate = float(bound), float(factor), float(rate)

    def factor(self, state, step):
        return tf.exp(state["log_factor"] + self._slack(state))

    def update(self, state, task, penalty):
        sensible = tf.math.is_finite(task) & tf.math.is_finite(penalty)
        for name, value in {"task": task, "penalty": penalty, "seen": 1.0}.items():
            mean = MOMENTUM * state[name] + (1 - MOMENTUM) * value
            state[name].assign(tf.where(sensible, mean, state[name]))
        ratio = tf.clip_by_value(state["task"] / tf.maximum(state["penalty"], TINY), 1 / LARGEST, LARGEST)
        low, high = tf.math.log(ratio / SHARE), tf.math.log(ratio * SHARE)
        log_factor = state["log_factor"] + self.rate * self._slack(state)
        state["log_factor"].assign(tf.clip_by_value(log_factor, low, high))

    def _slack(self, state):
        """From -1, far above the bound, to 1, far below it; 0 before the first step."""
        # A mean of so few steps is as much too small as `seen` is: all of them started at zero.
        ratio = self.allowed * self.bound * state["seen"] / tf.maximum(state["task"], TINY)
        return tf.where(state["seen"] > 0, tf.clip_by_value(tf.math.log(ratio) / BAND, -1.0, 1.0), 0.0)

    def get_config(self):
        return {"bound": self.bound, "factor": self.allowed, "rate": self.rate}
