"""Shapley values as somebody wants them: shares, values, an order or signs."""

import keras
import numpy as np
import tensorflow as tf

from tf_xai.core import baselines, checks, trees
from tf_xai.core.gradients import fixed
from tf_xai.losses.shap import SHAPLoss, arrays, importance, numbers, of_row

# How much more attribution than the next one a feature of a ranking has to have, in units of both together.
MARGIN = 0.1


@keras.saving.register_keras_serializable("tf_xai")
class SHAPTarget(SHAPLoss):
    """Penalises the distance between Shapley values `a` and stated ones.

        shares:   sum_i (p_i - t_i)^2,    p_i = sum_n |a_ni| / sum_n sum_j |a_nj|,  t normalised to sum 1
        values:   sum_i (a_ni - t_ni)^2 / mean_n sum_i t_ni^2
        ranking:  mean over i above j of max(0, 0.1 - (p_i - p_j) / (p_i + p_j))
        signs:    sum_i max(0, -t_i s_ni a_ni) / mean_n sum_i |t_i a_ni|,    s_ni = sign(x_ni - mean reference_ni)

    `a` are Shapley values of the log-odds of two classes, of the true class's logit less the mean of all among several
    (a number added to all of them would dilute every share), of the logits of a row's labels, or of a regression's
    output. All distances are relative, so that flattening the model earns nothing.

    "shares" is bounded, as a cross-entropy is not, whose gradient explodes at features without any attribution.
    "ranking" reads only the order of `t`, larger numbers for more important features; equal ones are not compared, and
    an order that is reached asks for nothing more. "signs" says what more of a feature does: with +1 it is to raise the
    score, with -1 to lower it, 0 has no opinion; so a value counts against its reference, and speaks for +1 if it is
    positive above it or negative below it. Where values are sampled, as by `expected_gradients`, the reference of a row
    is the mean of all it may draw: few `samples` leave some penalty in a model that has all signs right. Shares and
    ranking are those of a batch, the same for all its rows; replicas of a `tf.distribute` strategy take their own rows.
    Without any attribution "shares" is at its value for p = 0, and the gradient is 0.

    Args:
        target: Numbers like one row of the inputs, to which they broadcast; for "values" also a Keras model, the
            teacher, with outputs like the model's: it is explained on the same rows with the same explainer and the
            same draws, is saved with the loss, weights and all, and stays as it is.
        kind: "shares", "values", "ranking" or "signs".
        explainer: Name of a method, or an `Explainer`: "expected_gradients", "deep_lift", or "kernel_shap" with few
            samples.
        **common: See `ExplanationLoss`.

    Reference: Erion et al., 2021, https://arxiv.org/abs/1906.10670
    """

    def __init__(self, target, kind="shares", explainer="expected_gradients", **common):
        super().__init__(explainer, **common)
        checks.choose("kind", kind, KINDS)
        self.kind, self.wanted = kind, _read(target, kind)
        compares = self.explainer.has("background") or self.explainer.has("baseline")
        if kind == "signs" and (self.explainer.layer is not None or not compares):
            raise ValueError(
                "`SHAPTarget(kind='signs')` needs an explainer that compares the inputs with a reference. Received: "
                f"{self.explainer!r}. Pass 'expected_gradients', 'deep_lift' or 'kernel_shap'."
            )

    def bind(self, model, **options):
        if isinstance(self.wanted, Teacher):
            # Here, not in the graph of a step: what a bound explainer keeps serves in other graphs too.
            self.wanted.explain = super().bind(self.wanted.model, **options)
        return super().bind(model, **options)

    def penalty(self, values, batch):
        if isinstance(self.wanted, Teacher):
            with fixed():
                wanted = tf.stop_gradient(trees.columns(self.attributions(self.wanted.explain, batch)))
        else:
            wanted = of_row("target", self.wanted, values)
        values = trees.columns(values)
        if self.kind == "signs":
            values *= self._sides(batch.inputs)
        return tf.broadcast_to(KINDS[self.kind](values, wanted, batch), tf.shape(values)[:1])

    def _sides(self, inputs):
        """1 where an input is above the mean of its references, -1 below, 0 there; 1 for what are no quantities."""
        background = self.explainer.option("background")
        if background is not None or not self.explainer.has("baseline"):
            mean = lambda rows: tf.reduce_mean(tf.cast(rows, tf.float32), axis=0)
            reference = trees.map_leaves(mean, inputs if background is None else background)
        else:
            reference = baselines.resolve(self.explainer.option("baseline"), inputs)
        above = lambda x, r: tf.sign(tf.cast(x, tf.float32) - tf.cast(r, tf.float32))
        one = lambda x, r: above(x, r) if trees.is_float(x) else tf.ones(tf.shape(x))
        return trees.columns(trees.map_leaves(one, inputs, reference))

    def own(self):
        return {"target": self.wanted, "kind": self.kind}


@keras.saving.register_keras_serializable("tf_xai")
class Teacher:
    """A model that is saved with its weights, and what explains it."""

    def __init__(self, model):
        self.model, self.explain = model, None

    def get_config(self):
        return {"model": keras.saving.serialize_keras_object(self.model), "weights": self.model.get_weights()}

    @classmethod
    def from_config(cls, config):
        model = keras.saving.deserialize_keras_object(config["model"])
        model.set_weights(keras.saving.deserialize_keras_object(config["weights"]))
        return cls(model)


def _shares(values, target, batch):
    """Between shares of all attribution of the batch and stated ones: squared distance."""
    return tf.reduce_sum(tf.square(importance(batch.weighted(values)) - target / tf.reduce_sum(target)))


def _values(values, target, batch):
    """Between values, in units of the mean square of the stated ones (of the score, where these are all 0)."""
    scale = batch.mean(tf.reduce_sum(tf.square(tf.broadcast_to(target, tf.shape(values))), axis=1))
    return tf.reduce_sum(tf.square(values - target), axis=1) / tf.where(scale > 0, scale, 1.0)


def _ranking(values, target, batch):
    """Of all pairs in a stated order those whose shares are not in it, by a margin."""
    share = importance(batch.weighted(values))
    lead = tf.math.divide_no_nan(share[:, None] - share, share[:, None] + share)
    above = tf.cast(target[:, None] > target, tf.float32)
    return tf.reduce_sum(above * tf.nn.relu(MARGIN - lead)) / tf.reduce_sum(above)


def _signs(values, target, batch):
    """The share of the attribution with an opinion on it that goes against it, in parts of the mean row."""
    against = tf.reduce_sum(tf.nn.relu(-target * values), axis=1)
    total = tf.reduce_sum(tf.abs(target * values), axis=1)
    return tf.math.divide_no_nan(against, batch.mean(total))


KINDS = {"shares": _shares, "values": _values, "ranking": _ranking, "signs": _signs}

# What finite numbers a target may hold: in words, and as a function of all of them.
SENSIBLE = {
    "shares": ("numbers of at least 0, not all 0", lambda each: each.min() >= 0 and each.any()),
    "values": ("numbers", lambda each: True),
    "ranking": ("numbers, not all equal", lambda each: np.ptp(each) > 0),
    "signs": ("-1, 0 and 1, not all 0", lambda each: np.isin(each, (-1, 0, 1)).all() and each.any()),
}


def _read(target, kind):
    """Numbers as arrays, a model as a `Teacher`."""
    if isinstance(target, Teacher):
        return target
    if isinstance(target, keras.Model):
        if kind != "values":
            raise ValueError(f"A model may be the `target` for kind='values'. Received: kind={kind!r}. Pass numbers.")
        return Teacher(getattr(target, "_tf_xai_base", target))
    rows = arrays(target)
    words, sensible = SENSIBLE[kind]
    if not (numbers(rows).size and sensible(numbers(rows))):
        raise ValueError(
            f"`target` must hold {words}, for kind={kind!r}. Received: {checks.in_words(target)}. Pass them like one "
            "row of the inputs."
        )
    return trees.map_leaves(lambda array: array.astype("float32"), rows)
