"""Guidance by evidence: what speaks for the answer is to lie where an expert says that the reason is."""

import keras
import tensorflow as tf

from tf_xai.core import maps, resize, trees
from tf_xai.losses.contrast import ContrastLoss
from tf_xai.losses.faint import damped

# Energy on the evidence below this share of all attribution is none: a ratio of tiny numbers is noise, and steep.
FAINT = 1e-3


@keras.saving.register_keras_serializable("tf_xai")
class EnergyGuidance(ContrastLoss):
    """Penalises the part of the positive attribution that lies outside the evidence.

        penalty_n = 1 - sum_i M_ni max(a_ni, 0) / sum_i max(a_ni, 0)

    M is the mask of `with_evidence(x, relevant=M)`, or `1 - irrelevant`. A ratio: making all attributions smaller earns
    nothing. A mask with one channel speaks of places, whose channels are summed first; one with all channels speaks of
    every number. A row with an empty mask has penalty 0: nothing is known about it.

    A row without (noteworthy) energy on its evidence has `1 - sum_i M_ni a_ni / sum_i |a_ni|`, from 1 to 2, whose
    gradient lifts the evidence and nothing else: so that also a map learns that is negative there, or everywhere. No
    attribution at all is 1.

    A ratio is the steeper the less there is to divide by: the rows that the model is least sure of would lead. So the
    gradient of a row, not its penalty, is multiplied by its attribution over the median of the batch's rows that have
    any (of the replica's part), at most 1.

    What is explained is the logit of the true class, or the output of a regression, unless the explainer has a `space`.
    The sign of maps is kept (`relu=False`), for the positive part is taken here. At a layer, or on the native grid of
    Grad-CAM (`resize=False`), the mask is averaged over the area of every position.

    Args:
        explainer: Name of a method, or an `Explainer`.
        **common: See `ExplanationLoss`.

    Reference: Rao et al., 2023, https://arxiv.org/abs/2303.11932
    """

    needs_evidence = "relevant"

    def __init__(self, explainer="grad_cam", **common):
        super().__init__(explainer, **common)

    def bind(self, model):
        # The positive part is taken here, from maps that keep their sign: under a ReLU a dead one would stay dead.
        return super().bind(model, **({"relu": False} if self.explainer.has("relu") else {}))

    def call(self, explain, batch):
        values, masks = self._side_by_side(explain, batch)
        energy, size = tf.nn.relu(values), _sum(tf.abs(values))
        inside = _sum(masks * energy)
        found, known = inside > FAINT * size, _sum(masks) > 0
        part = tf.where(found, inside, _sum(masks * values))
        # Were the size to follow, it would grow: by what speaks against the answer elsewhere.
        whole = tf.where(found, _sum(energy), tf.stop_gradient(size))
        penalty = tf.where(known, 1 - tf.math.divide_no_nan(part, whole), 0.0)
        return damped(penalty, whole, known & batch.counted)

    def _side_by_side(self, explain, batch):
        """Attributions and masks at the same places, each `(batch, places)`."""
        values, masks = self.attributions(explain, batch), batch.relevant
        if self.explainer.layer is not None:
            values, masks = _at_layer(values, masks, maps.told_apart(explain.score, batch.inputs))
        pairs = [_at_places(*pair) for pair in zip(trees.leaves(values), trees.leaves(masks), strict=True)]
        return [trees.columns(leaves) for leaves in zip(*pairs, strict=True)]


def _at_layer(values, masks, inputs):
    """The output of a layer on the grid of its input, and the mask of that input with one channel."""
    values = maps.on_grid(values, inputs)
    axes = values.shape.rank - 2
    if axes < 1:
        raise ValueError(
            f"Evidence has places at a layer with spatial axes, `(batch, ..., channels)`, only. Received a layer of "
            f"shape {tuple(values.shape)}. Pass another `layer=`, or none to explain the inputs."
        )
    mask = trees.leaves(masks)[maps.home_of(axes, inputs)]
    mask = mask[..., None] if mask.shape.rank == axes + 1 else tf.reduce_mean(mask, axis=-1, keepdims=True)
    return values, mask


def _at_places(values, mask):
    """One leaf of the attributions and its mask, in one shape."""
    if values.shape.rank > 2 and mask.shape[-1] == 1:
        values = tf.reduce_sum(values, axis=-1, keepdims=True)
    for axis in range(1, values.shape.rank):
        if mask.shape[axis] is None or mask.shape[axis] not in (1, values.shape[axis]):
            mask = resize.average(mask, tf.shape(values)[axis], axis)
    return values, tf.broadcast_to(mask, tf.shape(values))


def _sum(places):
    return tf.reduce_sum(places, axis=1)
