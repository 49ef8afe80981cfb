"""Stable explanations: attributions that stay as they are when the inputs change a little."""

import keras
import tensorflow as tf

from tf_xai.core import trees
from tf_xai.core.gradients import fixed, gradients
from tf_xai.losses import noise
from tf_xai.losses.contrast import ContrastLoss


@keras.saving.register_keras_serializable("tf_xai")
class AttributionStability(ContrastLoss):
    """Penalises how far attributions move within a small neighbourhood of every row.

        penalty_n = ||a(x_n) - a(x_n + e_n)||^2 / ||a(x_n)||^2,    |e_ni| <= radius

    `e` is drawn uniformly, anew at every step; or it goes from there to the corner of the neighbourhood to which the
    distance grows, in one step of the sign of its gradient. The target is the same at both places, and so are the draws
    of methods that draw any. A ratio: making all attributions smaller earns nothing. A row whose attributions are all
    zero has penalty 0.

    What is explained is the logit of the true class, or the output of a regression, unless the explainer has a `space`.
    A ReLU network has the same gradients almost everywhere nearby: its penalty is one of few kinks, and `adversarial`
    finds nothing to climb. Smooth activations are better.

    Args:
        radius: Half the width of the neighbourhood, in units of the inputs.
        explainer: Name of a method, or an `Explainer`.
        adversarial: Whether to take the step, which costs a second-order gradient.
        **common: See `ExplanationLoss`.

    Reference: Yeh et al., 2019 (the distance, there its largest value), https://arxiv.org/abs/1901.09392; in training:
    Chen et al., 2019, https://arxiv.org/abs/1905.09957
    """

    def __init__(self, radius=0.1, explainer="gradient", adversarial=False, **common):
        super().__init__(explainer, **common)
        if not radius > 0:
            raise ValueError(f"`radius` must be larger than 0. Received: radius={radius!r}.")
        self.radius, self.adversarial = radius, adversarial

    def call(self, explain, batch):
        here = self.attributions(explain, batch)
        there = self.attributions(explain, batch._replace(inputs=self._neighbours(explain, batch, here)))
        return _distance(here, there)

    def _neighbours(self, explain, batch, here):
        """A row near every row."""
        moves = trees.map_leaves(lambda u: self.radius * (2 * u - 1), noise.uniform(self, explain.score, batch))
        moved = lambda moves: trees.map_leaves(
            lambda x, move: x + move if trees.is_float(x) else x, batch.inputs, moves
        )
        if not self.adversarial:
            return moved(moves)
        distance = lambda inputs, _: _distance(here, self.attributions(explain, batch._replace(inputs=inputs)))
        with fixed():
            slopes = gradients(distance, moved(moves))
        # Where the distance is flat, the draw stays.
        climb = lambda slope, move: tf.where(slope == 0, move, self.radius * tf.cast(tf.sign(slope), move.dtype))
        return trees.map_leaves(tf.stop_gradient, moved(trees.map_leaves(climb, slopes, moves)))

    def get_config(self):
        own = {"radius": self.radius, "adversarial": self.adversarial}
        return {**super().get_config(), **own}


def _distance(here, there):
    """`||here - there||^2 / ||here||^2` of every row, 0 where there is nothing here."""
    gap = trees.sum_features(trees.square(trees.map_leaves(tf.subtract, here, there)))
    return tf.math.divide_no_nan(gap, trees.sum_features(trees.square(here)))
