"""What guidance and priors explain: why this class, and not another."""

import tensorflow as tf

from tf_xai.losses.base import AttributionLoss


class ContrastLoss(AttributionLoss):
    """A penalty on attributions of logits, where the model has any and the explainer has no `space` of its own.

    Of one class among several it is the logit less the mean of all. The logit alone would leave a way round: what is
    forbidden to speak for a class can still speak against all others.
    """

    def bind(self, model, **options):
        bound = self.explaining(**options).bind(model)
        plain = self.explainer.space == "output" and bound.score.is_classifier
        return self.explaining(space="logit", **options).bind(model) if plain else bound

    def target(self, score, labels, outputs):
        target = super().target(score, labels, outputs)
        if score.space != "logit" or score.link.settle(score.classes).kind != "softmax":
            return target
        weights = tf.one_hot(target, score.classes) if target.dtype.is_integer else target
        return weights - tf.reduce_mean(weights, axis=-1, keepdims=True)
