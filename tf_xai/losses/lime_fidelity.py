"""The LIME loss: a model that a linear surrogate describes well around every example."""

import keras
import tensorflow as tf

from tf_xai.core import checks, random, surrogate
from tf_xai.losses import neighbourhoods
from tf_xai.losses.neighbourhoods import Neighbours, SurrogateLoss, relative

VARIANTS = ("linear", "ridge", "one_coordinate")
NEIGHBOURHOODS = ("gaussian", "resampled", "regions")


@keras.saving.register_keras_serializable("tf_xai")
class LIMEFidelity(SurrogateLoss):
    """Penalises what a local linear surrogate `g` leaves unexplained.

        penalty_n = mean_s w_s (f(z_ns) - g_n(z_ns))^2 / var_s f(z_ns),    z_ns = x_n + e_s,  e_s ~ N(0, scale^2 I)

    `f` is the logit of the true class, or the output of a regression; `g` the least-squares fit on the same neighbours.
    (A probability would not do: being sure would pass for being linear.) The draws are shared by the rows of a batch
    and new at every step, so one QR factorisation serves them all. Mean and variance count degrees of freedom: the
    penalty is `1 - R^2`, adjusted.

    Neighbours z with weights w, and what g sees of them:

    - "gaussian": noise on every feature, which is what g sees; all weigh the same. For tables.
    - "resampled": a random half of the features has the values of another row of the batch, and g sees which, 0 or 1,
      as lime's discretised tables have it; all weigh the same. For tables with categories, and what noise would take
      off the data. The other row is the same for all neighbours of a row, so that additive models have no penalty. (A
      batch of one row has no other one: its penalty is 0.)
    - "regions": some regions of an image or tokens of a text have the baseline, and g sees which, 0 or 1; drawn and
      weighted as by lime, the row itself among them. Token ids have it where they are embedded.

    Args:
        variant: "linear"; "ridge", with a penalty of 1 on the coefficients, as lime has it; or "one_coordinate", which
            adds noise to one random feature per step.
        samples: Neighbours of every row. None takes the larger of 20 and twice the number of features or regions, and
            20 for one coordinate. "linear" needs more than features + 1.
        scale: Standard deviation of the Gaussian noise, in units of the inputs (0.5 for standardised columns).
        normalize: Whether to divide by the variance of `f` on the neighbourhood, so that flattening `f` earns nothing.
            Without it the penalty is in squared units of the score.
        neighbourhood: "gaussian", "resampled" or "regions".
        regions: Features that are resampled or hidden together, see `core.regions`: such as "patches", labels of
            segments, or None for every column, every token and the cells of a grid.
        baseline: What hidden regions have, see `core.baselines`.
        **common: See `ExplanationLoss`; `auto_share` is 0.05 by default.

    Reference: Plumb et al., 2020 (ExpO fidelity), https://arxiv.org/abs/1902.06787; Ribeiro et al., 2016,
    https://arxiv.org/abs/1602.04938
    """

    def __init__(
        self,
        variant="linear",
        samples=None,
        scale=0.5,
        normalize=True,
        neighbourhood="gaussian",
        regions=None,
        baseline="zeros",
        **common,
    ):
        super().__init__(samples, scale, normalize, **common)
        checks.choose("variant", variant, dict.fromkeys(VARIANTS))
        checks.choose("neighbourhood", neighbourhood, dict.fromkeys(NEIGHBOURHOODS))
        if variant == "one_coordinate" and neighbourhood != "gaussian":
            raise ValueError(
                "`variant='one_coordinate'` needs the noise of `neighbourhood='gaussian'`: through one feature's own "
                f"value and another one a line always goes. Received: {neighbourhood!r}. Pass `variant='linear'`."
            )
        if regions is not None and neighbourhood == "gaussian":
            raise ValueError(
                "`regions` are what `neighbourhood='regions'` hides or `neighbourhood='resampled'` draws anew. "
                "Received: neighbourhood='gaussian', which adds noise to every feature. Pass one of the others."
            )
        self.variant, self.neighbourhood, self.regions, self.baseline = variant, neighbourhood, regions, baseline

    def call(self, explain, batch):
        near = self._neighbours(explain, batch)
        samples, columns = near.design.shape
        sums = surrogate.fit(near.design, near.values, near.weights, ridge=float(self.variant == "ridge"))
        residual, total = (part / tf.reduce_mean(near.weights) for part in sums)
        residual /= samples if self.variant == "ridge" else samples - 1 - columns
        return relative(residual, total / (samples - 1), near.values) if self.normalize else residual

    def _neighbours(self, score, batch):
        if self.neighbourhood == "gaussian":
            return self._around(score, batch)
        resampled = self.neighbourhood == "resampled"
        baseline = neighbourhoods.another_row(batch.seed) if resampled else self.baseline
        game = neighbourhoods.game(score, batch, self.regions, baseline)
        draw = neighbourhoods.resampled if resampled else neighbourhoods.hidden
        return draw(game, self._samples(game.players.count), batch.seed)

    def _around(self, score, batch):
        """Noise on all features, or on one of them."""
        remedy = "pass `neighbourhood='regions'`"
        players = neighbourhoods.columns("LIMEFidelity", score, batch.inputs, remedy)
        if self.variant != "one_coordinate":
            design = noise = random.normal(batch.seed, (self._samples(players.count), players.count))
        else:
            place = tf.cast(random.uniform(random.fold(batch.seed, 1), ()) * players.count, tf.int32)
            design = random.normal(batch.seed, (self._samples(1), 1))
            noise = design * tf.one_hot(place, players.count)
        values = neighbourhoods.moved(score, batch, players, self.scale * noise)
        return Neighbours(design, values, tf.ones([design.shape[0]]))

    def _samples(self, columns):
        """The neighbours of every row: but for a ridge, enough for the fit to leave something over."""
        instead = "`variant='one_coordinate'`" if self.neighbourhood == "gaussian" else "`regions=` of more features"
        return self._count(columns, 1 if self.variant == "ridge" else columns + 1, instead)

    def get_config(self):
        own = {"variant": self.variant, "neighbourhood": self.neighbourhood}
        given = {"regions": self.regions, "baseline": self.baseline}
        return {**own, **keras.saving.serialize_keras_object(given), **super().get_config()}
