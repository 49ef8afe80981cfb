"""Steady LIME: local linear surrogates that change little from an example to one close by."""

import keras
import tensorflow as tf

from tf_xai.core import random, surrogate
from tf_xai.losses import neighbourhoods
from tf_xai.losses.neighbourhoods import SurrogateLoss, relative


@keras.saving.register_keras_serializable("tf_xai")
class LIMEStability(SurrogateLoss):
    """Penalises how much the coefficients of the local linear surrogate change when the example is moved a little.

        penalty_n = |b(x_n + d) - b(x_n)|^2 / ((|b(x_n)|^2 + |b(x_n + d)|^2) / 2),    d ~ N(0, radius^2 I)

    `b(x)` are the slopes of the least-squares fit to `f` on `x + e_s`, `e_s ~ N(0, scale^2 I)`, where `f` is the logit
    of the true class, or the output of a regression. Both fits are made on the same noise, so that sampling does not
    pass for a change; it is shared by the rows of a batch and, like `d`, new at every step. A linear model has no
    penalty; the largest possible one is 4, for slopes that change their sign.

    Args:
        samples: Neighbours of every row and of every moved row, more than features + 1. None takes the larger of 20
            and twice the number of features.
        scale: Standard deviation of the neighbourhood, in units of the inputs (0.5 for standardised columns).
        radius: Standard deviation of the move, in the same units.
        normalize: Whether to divide by the size of the slopes, so that flattening `f` earns nothing. Without it the
            penalty is in squared units of the score per unit of the inputs.
        **common: See `ExplanationLoss`; `auto_share` is 0.05 by default.

    Reference: Alvarez-Melis, Jaakkola, 2018 (the measure), https://arxiv.org/abs/1806.08049; Plumb et al., 2020 (ExpO
    stability), https://arxiv.org/abs/1902.06787
    """

    def __init__(self, samples=None, scale=0.5, radius=0.1, normalize=True, **common):
        super().__init__(samples, scale, normalize, **common)
        if not radius > 0:
            raise ValueError(f"`radius` must be larger than 0. Received: radius={radius!r}.")
        self.radius = radius

    def call(self, explain, batch):
        remedy = "train the model from the output of its embedding on"
        players = neighbourhoods.columns("LIMEStability", explain, batch.inputs, remedy)
        samples = self._count(players.count, players.count + 1, "`AttributionStability`, which needs no neighbours")
        noise = self.scale * random.normal(batch.seed, (samples, players.count))
        move = self.radius * random.normal(random.fold(batch.seed, 1), (1, players.count))
        values = neighbourhoods.moved(explain, batch, players, tf.concat([noise, move + noise], axis=0))
        here, there = (surrogate.coefficients(noise, part) for part in tf.split(values, 2))
        change = tf.reduce_sum(tf.square(there - here), axis=0)
        if not self.normalize:
            return change
        size = tf.reduce_sum(tf.square(here) + tf.square(there), axis=0) / 2
        # In units of the score, what the slopes make of the noise.
        return relative(self.scale**2 * change, self.scale**2 * size, values)

    def get_config(self):
        return {"radius": self.radius, **super().get_config()}
