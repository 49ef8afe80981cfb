"""Jacobian regularisation: outputs that change little with the inputs."""

import keras
import tensorflow as tf

from tf_xai.core import checks, places, random, trees
from tf_xai.core.gradients import gradients
from tf_xai.core.variants import ALL, map_variants
from tf_xai.losses.base import ExplanationLoss


@keras.saving.register_keras_serializable("tf_xai")
class JacobianNorm(ExplanationLoss):
    """Penalises the slopes of all outputs, which makes gradients small and stable.

        penalty_n = 1/2 ||J_n||_F^2 = C/2 E_v ||v^T J_n||^2,    J_n = d z(x_n) / d x_n,  v uniform on the unit sphere

    `z` are the `C` logits, one of a sigmoid unit; outputs of a regression count as they stand. Every draw of `v` costs
    one gradient, however many outputs there are, and the mean over draws is an unbiased estimate. With one output it is
    exact. Token ids have the Jacobian of their embedding.

    The penalty is in squared units of `z` per unit of the inputs: a flat model has none, so watch the task, too.

    Args:
        draws: Projections of every row.
        **common: See `ExplanationLoss`.

    Reference: Hoffman, Roberts, Yaida, 2019, https://arxiv.org/abs/1908.02729
    """

    on_slopes = True

    def __init__(self, draws=1, **common):
        super().__init__(**common)
        checks.positive("draws", draws)
        self.draws = draws

    def bind(self, model):
        return self.of_logits(model)

    def call(self, explain, batch):
        score, inputs = explain, batch.inputs
        place = places.find(score, inputs)
        if place is not None:
            score, inputs = place, place.points(inputs)
        directions, count = self._directions(explain, batch)

        def variant(k):
            return trees.map_leaves(lambda x: trees.repeat(x, tf.shape(k)[0]), inputs), tf.gather(directions, k)

        def projected(point, _):
            return trees.sum_features(trees.square(gradients(score, *point)))

        return count / 2 * tf.reduce_mean(map_variants(projected, variant, self.draws, inputs, chunk=ALL), axis=0)

    def _directions(self, score, batch):
        """Unit vectors in the space of the outputs, `(draws, batch, ...)`, and its dimension."""
        values, outputs = score.values(batch.outputs), score.select(batch.outputs)
        units = 1 if outputs.shape.rank == 1 else outputs.shape[-1]
        # A sigmoid unit has one logit, which stands last; its negative beside it counts for nothing.
        own = tf.cast(tf.range(values.shape[-1]) >= values.shape[-1] - units, tf.float32)
        draws = own * random.normal(batch.seed, tf.concat([[self.draws], tf.shape(values)], axis=0))
        square = tf.reduce_sum(tf.square(draws), axis=list(range(2, draws.shape.rank)), keepdims=True)
        return draws / tf.sqrt(square), tf.cast(units * tf.reduce_prod(tf.shape(values)[1:-1]), tf.float32)

    def get_config(self):
        return {"draws": self.draws, **super().get_config()}
