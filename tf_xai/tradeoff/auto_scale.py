"""Penalties whose size follows that of the task loss."""

from typing import ClassVar

import keras
import tensorflow as tf

from tf_xai.tradeoff.base import LARGEST, Fixed


@keras.saving.register_keras_serializable("tf_xai")
class AutoScale(Fixed):
    """All penalties together always count as much as a share of the task loss.

        factor = share * mean(|task|) / mean(sum_i weight_i * penalty_i)

    The means are running ones; a task loss such as a cosine similarity may be negative. A penalty that shrinks gets a
    larger factor, as if its logarithm were minimised: progress is relative. `weight="auto"` of a loss, in contrast, is
    set once, by the first step.

    Args:
        share: The penalties' part, in units of the task loss.
        momentum: Of the running means, in [0, 1); 0.98 looks back some fifty steps.
    """

    varies = True
    start: ClassVar = {"task": 0.0, "penalty": 0.0}

    def __init__(self, share=0.1, momentum=0.98):
        if not share > 0:
            raise ValueError(f"`share` must be larger than 0. Received: share={share!r}.")
        if not 0 <= momentum < 1:
            raise ValueError(f"`momentum` must be at least 0 and less than 1. Received: momentum={momentum!r}.")
        self.share, self.momentum = share, momentum

    def factor(self, state, step):
        # Both means started at zero alike, which their ratio does not show.
        ratio = tf.math.divide_no_nan(state["task"], state["penalty"])
        return tf.minimum(self.share * ratio, LARGEST)

    def update(self, state, task, penalty):
        sensible = tf.math.is_finite(task) & tf.math.is_finite(penalty)
        for name, value in {"task": tf.abs(task), "penalty": penalty}.items():
            mean = self.momentum * state[name] + (1 - self.momentum) * value
            state[name].assign(tf.where(sensible, mean, state[name]))

    def get_config(self):
        return {"share": self.share, "momentum": self.momentum}
