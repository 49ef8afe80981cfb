"""Right for the right reasons: no attribution where an expert says that there is no reason."""

import keras
import tensorflow as tf

from tf_xai.core import trees
from tf_xai.losses.base import AttributionLoss


@keras.saving.register_keras_serializable("tf_xai")
class RightReasons(AttributionLoss):
    """Penalises attributions inside the irrelevant part of the inputs.

        penalty_n = sum_d (A_nd * a_nd)^2,    a = d sum_k log p_k / d x  by default

    A is the mask of `with_evidence(x, irrelevant=A)`, or `1 - relevant`. The sum of log-probabilities over all classes
    is the paper's choice (over both classes of every sigmoid unit); a regression takes its output. Any other explainer
    explains the true class.

    The scale of the inputs sets the scale of the gradient: a weight of 1000 for pixels 0 to 255 (the paper) is
    1000 / 255^2 = 0.015 for pixels 0 to 1. Weights up to 100 times larger did as well on decoy MNIST.

    Args:
        explainer: Name of a method, or an `Explainer`.
        **common: See `ExplanationLoss`.

    Reference: Ross, Hughes, Doshi-Velez, 2017, https://arxiv.org/abs/1703.03717
    """

    needs_evidence = "irrelevant"

    def __init__(self, explainer="gradient", **common):
        super().__init__(explainer, **common)

    @property
    def _of_the_paper(self):
        return self.explainer.method == "gradient" and not self.explainer.options and self.explainer.space == "output"

    def bind(self, model):
        bound = super().bind(model)
        if self._of_the_paper and bound.score.is_classifier:
            return self.explaining(space="all_log_probabilities").bind(model)
        return bound

    def target(self, score, labels, outputs):
        if self._of_the_paper and score.is_classifier:
            return tf.ones_like(score.values(outputs))
        return super().target(score, labels, outputs)

    def call(self, explain, batch):
        wrong = trees.multiply(batch.irrelevant, self.attributions(explain, batch))
        return trees.sum_features(trees.square(wrong))
