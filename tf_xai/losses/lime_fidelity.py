"""The LIME loss: a model that a linear surrogate describes well around every example."""

import keras
import tensorflow as tf

from tf_xai.core import checks, random, regions, surrogate
from tf_xai.core.score import Score
from tf_xai.core.variants import map_variants
from tf_xai.losses.base import ExplanationLoss

# Features beyond which twice as many neighbours of every row are no sensible default.
MANY = 256

VARIANTS = ("linear", "ridge", "one_coordinate")


@keras.saving.register_keras_serializable("tf_xai")
class LIMEFidelity(ExplanationLoss):
    """Penalises what a local linear surrogate `g` leaves unexplained.

        penalty_n = mean_s (f(x_n + e_s) - g_n(x_n + e_s))^2 / var_s f(x_n + e_s),    e_s ~ N(0, scale^2 I)

    `f` is the logit of the true class, or the output of a regression; `g` the least-squares fit on the same neighbours.
    (A probability would not do: being sure would pass for being linear.) The noise is shared by the rows of a batch and
    new at every step, so one QR factorisation serves them all. Mean and variance count degrees of freedom: the penalty
    is `1 - R^2`, adjusted.

    Args:
        variant: "linear"; "ridge", with a penalty of 1 on the coefficients, as lime has it; or "one_coordinate", which
            perturbs one random feature per step.
        samples: Neighbours of every row. None takes the larger of 20 and twice the number of features, and 20 for one
            coordinate. "linear" needs more than features + 1.
        scale: Standard deviation of the neighbourhood, in units of the inputs (0.5 for standardised columns).
        normalize: Whether to divide by the variance of `f` on the neighbourhood, so that flattening `f` earns nothing.
            Without it the penalty is in squared units of the score.
        **common: See `ExplanationLoss`; `auto_share` is 0.05 by default.

    Reference: Plumb et al., 2020 (ExpO fidelity), https://arxiv.org/abs/1902.06787
    """

    def __init__(self, variant="linear", samples=None, scale=0.5, normalize=True, **common):
        super().__init__(**{"auto_share": 0.05, **common})
        checks.choose("variant", variant, dict.fromkeys(VARIANTS, variant))
        if samples is not None:
            checks.positive("samples", samples)
        if not scale > 0:
            raise ValueError(f"`scale` must be larger than 0. Received: scale={scale!r}.")
        self.variant, self.samples, self.scale, self.normalize = variant, samples, scale, normalize

    def bind(self, model):
        score = Score(model, output=self.output)
        return Score(model, output=self.output, space="logit") if score.is_classifier else score

    def call(self, explain, batch):
        players = regions.resolve("features", batch.inputs)
        design, ridge = self._design(batch.seed, players.count)
        variant = surrogate.perturbed(batch.inputs, players, self.scale * design)
        samples = design.shape[0]
        values = map_variants(explain, variant, samples, batch.inputs, batch.target, chunk=samples)
        if self.variant == "one_coordinate":
            design = tf.reduce_sum(design, axis=1, keepdims=True)
        residual, total = surrogate.fit(design, values, ridge=ridge)
        residual = residual / (samples - 1 - design.shape[1] if self.variant != "ridge" else samples)
        if not self.normalize:
            return residual
        variance = total / (samples - 1)
        # Differences below float32's resolution of f count as none: there is nothing to explain.
        varies = variance > tf.square(1e-6 * tf.reduce_max(tf.abs(values), axis=0))
        return tf.where(varies, residual / tf.where(varies, variance, 1.0), 0.0)

    def _design(self, seed, count):
        """Standard normal noise `(samples, features)`, and the ridge penalty of the fit."""
        if not count:
            raise ValueError(
                "`LIMEFidelity` adds noise to floating inputs, and all inputs are integer or boolean. For token ids, "
                "train the model from the output of its embedding on."
            )
        if self.variant != "one_coordinate" and self.samples is None and count > MANY:
            raise ValueError(
                f"`LIMEFidelity(variant={self.variant!r})` takes twice as many samples as features, and there are "
                f"{count} features. Pass `variant='one_coordinate'`, or `samples=` if that is what you want."
            )
        samples = self.samples or (20 if self.variant == "one_coordinate" else max(20, 2 * count))
        least = {"linear": count + 1, "one_coordinate": 2, "ridge": 0}[self.variant]
        if samples <= least:
            raise ValueError(
                f"`LIMEFidelity(variant={self.variant!r})` needs more than {least} samples for {count} features. "
                f"Received: samples={samples}. Pass more, or `variant='ridge'`."
            )
        if self.variant != "one_coordinate":
            return random.normal(seed, (samples, count)), float(self.variant == "ridge")
        place = tf.one_hot(tf.cast(random.uniform(random.fold(seed, 1), ()) * count, tf.int32), count)
        return random.normal(seed, (samples, 1)) * place, 0.0

    def get_config(self):
        own = {name: getattr(self, name) for name in ("variant", "samples", "scale", "normalize")}
        return {**own, **super().get_config()}
