"""A weight that grows while the training goes on."""

import keras
import tensorflow as tf

from tf_xai.tradeoff.base import Fixed


@keras.saving.register_keras_serializable("tf_xai")
class Schedule(Fixed):
    """No penalty for the first `warmup` training steps, then linearly more for `ramp` steps, up to its weight.

    Args:
        warmup: Steps (batches, not epochs) in which only the task counts.
        ramp: Steps from nothing to everything; 0 jumps.
    """

    varies = True

    def __init__(self, warmup=0, ramp=0):
        for name, value in {"warmup": warmup, "ramp": ramp}.items():
            if isinstance(value, bool) or int(value) != value or value < 0:
                raise ValueError(f"`{name}` must be a number of steps, at least 0. Received: {name}={value!r}.")
        self.warmup, self.ramp = warmup, ramp

    def factor(self, state, step):
        since = tf.cast(step + 1 - self.warmup, tf.float32)
        return tf.clip_by_value(since / max(1, self.ramp), 0.0, 1.0)

    def get_config(self):
        return {"warmup": self.warmup, "ramp": self.ramp}
