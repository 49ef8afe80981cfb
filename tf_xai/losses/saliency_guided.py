"""Saliency-guided training: a prediction that rests on the features which the explanation names."""

import keras
import tensorflow as tf

from tf_xai.core import links, ranks, trees
from tf_xai.core.gradients import fixed
from tf_xai.losses import noise
from tf_xai.losses.contrast import ContrastLoss


@keras.saving.register_keras_serializable("tf_xai")
class SaliencyGuided(ContrastLoss):
    """Penalises what the least relevant features do to the prediction.

        penalty_n = KL(p(x_n) || p(x'_n)),    x' = x with noise in the `share` of features with the smallest |a|

    `p` are the class probabilities; both classes of every sigmoid unit. A regression has the squared difference of its
    outputs. Every place of a segmentation has a penalty of its own, and the mean counts.

    The noise is uniform between the least and the largest value that a column, or a channel, has in the batch (a table
    of one row has nothing between them, and penalty 0). All
    inputs share one order of features; in images the channels of a pixel go together. Which features are least relevant
    has no gradient: the penalty trains the prediction, at first order. Cost: an explanation and two forward
    passes.

    Args:
        share: Share of the features of every row that are replaced, above 0 and below 1; one of them at least.
        explainer: Name of a method, or an `Explainer`. Of a classifier it explains the logit of the true class, unless
            it has a `space`.
        **common: See `ExplanationLoss`.

    Reference: Ismail, Corrada Bravo, Feizi, 2021, https://arxiv.org/abs/2111.14338
    """

    of_attributions = False

    def __init__(self, share=0.5, explainer="gradient", **common):
        super().__init__(explainer, **common)
        if not 0 < share < 1:
            raise ValueError(f"`share` must lie between 0 and 1. Received: share={share!r}.")
        self.share = share

    def call(self, explain, batch):
        # Both in inference mode: with BatchNorm or Dropout the outputs of the training pass are those of another model.
        whole, part = (_values(explain.score, inputs) for inputs in (batch.inputs, self._changed(explain, batch)))
        gap = tf.exp(whole) * (whole - part) if explain.score.is_classifier else tf.square(whole - part)
        places = tf.reduce_sum(gap, axis=-1)
        return tf.reduce_mean(tf.reshape(places, [tf.shape(places)[0], -1]), axis=1)

    def _changed(self, explain, batch):
        """The inputs with noise in the place of their least relevant features."""
        draws = trees.leaves(noise.uniform(self, explain.score, batch))
        with fixed():
            sizes = trees.map_leaves(tf.abs, self.attributions(explain, batch))
        order, count = ranks.descending(sizes, batch.inputs)
        replaced = tf.cast(tf.round(self.share * tf.cast(count, tf.float32)), tf.int32)
        kept = count - tf.maximum(replaced, 1)

        def leaf(x, draw, rank):
            if rank is None:
                return x
            axes = list(range(x.shape.rank - 1))
            least, largest = tf.reduce_min(x, axes, keepdims=True), tf.reduce_max(x, axes, keepdims=True)
            return tf.where(rank < kept, x, least + draw * (largest - least))

        leaves = trees.leaves(batch.inputs)
        changed = [leaf(*each) for each in zip(leaves, draws, order, strict=True)]
        return trees.map_leaves(tf.stop_gradient, trees.pack(batch.inputs, changed))

    def get_config(self):
        return {"share": self.share, **super().get_config()}


def _values(score, inputs):
    """The logarithms of all probabilities, or the outputs of a regression: `(batch, ..., classes)`."""
    space = "all_log_probabilities" if score.is_classifier else "output"
    return links.convert(score.select(score.model(inputs, training=False)), score.link, space)
