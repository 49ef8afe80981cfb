"""The best explanations that a bound on the task loss allows."""

import keras
import tensorflow as tf

from tf_xai.tradeoff.base import Fixed

# Beyond these the penalty weighs everything or nothing; further it need not go, for it has to come back.
LARGEST = 1e6


@keras.saving.register_keras_serializable("tf_xai")
class Constraint(Fixed):
    """Minimises the penalties subject to `task <= factor * bound`, by dual ascent on a multiplier.

        total = task + exp(s) * sum_i weight_i * penalty_i,    s <- s + rate * (1 - task / (factor * bound))

    `exp(-s)` is the multiplier of the constraint, and its logarithm ascends: penalties count for more while there is
    room below the bound, for less while the task loss is above it. It is saved with the model.

    Args:
        bound: The task loss of a plain model, such as `plain.evaluate(x, y)` gives it, or any other.
        factor: What the task loss may be in units of the bound: 1.02 allows it to be 2 % larger.
        rate: Of the ascent: how much `s` moves in a step in which the task loss is nothing. One step moves it by
            `rate` at most.

    Reference: Rezende, Viola, 2018 (GECO), https://arxiv.org/abs/1810.00597
    """

    varies = True
    start = {"log_factor": 0.0}

    def __init__(self, bound, factor=1.0, rate=0.01):
        for name, value in {"bound": bound, "factor": factor, "rate": rate}.items():
            if not value > 0:
                raise ValueError(f"`{name}` must be larger than 0. Received: {name}={value!r}.")
        self.bound, self.allowed, self.rate = float(bound), float(factor), float(rate)

    def factor(self, state, step):
        return tf.exp(state["log_factor"])

    def update(self, state, task, penalty):
        slack = 1 - task / (self.allowed * self.bound)
        # A task loss far above the bound, as at the start, says no more than one that is twice as large.
        slack = tf.where(tf.math.is_finite(slack), tf.clip_by_value(slack, -1.0, 1.0), 0.0)
        end = tf.math.log(LARGEST)
        state["log_factor"].assign(tf.clip_by_value(state["log_factor"] + self.rate * slack, -end, end))

    def get_config(self):
        return {"bound": self.bound, "factor": self.allowed, "rate": self.rate}
