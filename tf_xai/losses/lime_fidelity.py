"""The LIME loss: a model that a linear surrogate describes well around every example."""

import keras
import tensorflow as tf

from tf_xai.core import checks, random, surrogate
from tf_xai.losses import neighbourhoods
from tf_xai.losses.neighbourhoods import Neighbours, SurrogateLoss, relative

VARIANTS = ("linear", "ridge", "one_coordinate")
NEIGHBOURHOODS = ("gaussian", "background", "resampled", "regions")


@keras.saving.register_keras_serializable("tf_xai")
class LIMEFidelity(SurrogateLoss):
    """Penalises what a local linear surrogate `g` leaves unexplained.

        penalty_n = mean_s (f(x_n + e_s) - g_n(x_n + e_s))^2 / var_s f(x_n + e_s),    e_s ~ N(0, scale^2 I)

    `f` is the logit of the true class, or the output of a regression; `g` the least-squares fit on the same neighbours.
    (A probability would not do: being sure would pass for being linear.) The draws are shared by the rows of a batch
    and new at every step, so one QR factorisation serves them all. Mean and variance count degrees of freedom: the
    penalty is `1 - R^2`, adjusted.

    Fewer neighbours than twice the features lie in a random subspace, new at every step, of half as many dimensions `D`
    as neighbours, in which `g` is fitted: `e_s ~ N(0, scale^2 d / D)` along its orthonormal directions, `d` features in
    all. That costs a fraction, and drives at the same models, the linear ones, but is not the same number: a curvature
    that all directions share counts up to `d / D` times as much, and single steps differ widely. Set the weight by hand
    then, and do not stop or choose by the line, of which validation has a single draw.

    Other neighbourhoods than this "gaussian" one:

    - "background": `g_n` is what the lime package fits for tables with `discretize_continuous=False`: a ridge on
      normal columns with the mean and the spread of the batch (of its rows that `fraction` leaves: let them be some
      dozens), weighted by their distance from where it is fitted. The neighbours
      are those of all rows. Every row has its own fit, around a random point `z_n` between it and another row, which is
      judged there: `(f(z_n) - g_n(z_n))^2`. (At the rows themselves the network would learn to be explained there
      alone.) This aims at the very explanations that users of lime get, which are far less local than "gaussian" ones.
    - "resampled": a random half of the features has the values of another row of the batch, and `g` sees which, 0 or
      1, as lime's discretised tables have it. For tables with categories, and wherever noise leaves the data. The
      other row is the same for all neighbours of a row, so that additive models have no penalty.
    - "regions": some regions of an image or tokens of a text have the baseline, and `g` sees which, 0 or 1; drawn and
      weighted as by lime, the row itself among them. Token ids have the baseline where they are embedded.

    For these two a row by itself has no penalty.

    Args:
        variant: "linear"; "ridge", with a penalty of 1 on the coefficients, as lime has it, and always on a background;
            or "one_coordinate", which adds noise to one random feature per step.
        samples: Neighbours of every row. None takes the larger of 20 and twice the number of features or regions, and
            20 for one coordinate; on a background, where all rows have the same ones, the larger of 256 and ten times
            the number of features. "linear" needs at least 3 around the row, and features + 2 where the surrogate sees
            which features are kept.
        scale: Standard deviation of the noise of "gaussian", in units of the inputs (0.5 for standardised columns).
        normalize: Whether to divide by the variance of `f` on the neighbourhood, so that flattening `f` earns nothing.
            Without it the penalty is in squared units of the score.
        neighbourhood: "gaussian", "background", "resampled" or "regions".
        regions: Features that are resampled or hidden together, see `core.regions`: such as "patches", labels of
            segments, or None for every column, every token and the cells of a grid.
        baseline: What the hidden ones of "regions" have, see `core.baselines`.
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
                "`variant='one_coordinate'` needs the noise of `neighbourhood='gaussian'`. Received: "
                f"neighbourhood={neighbourhood!r}. Pass `variant='linear'`."
            )
        if regions is not None and neighbourhood not in ("resampled", "regions"):
            raise ValueError(
                "`regions` are what `neighbourhood='regions'` hides or `neighbourhood='resampled'` draws anew. "
                f"Received: neighbourhood={neighbourhood!r}, which varies every feature. Pass one of the others."
            )
        self.variant, self.neighbourhood, self.regions, self.baseline = variant, neighbourhood, regions, baseline

    @property
    def compares(self):
        """Whether the other rows of the batch say what is usual."""
        return self.neighbourhood in ("background", "resampled")

    def call(self, explain, batch):
        measure = self._off if self.neighbourhood == "background" else self._rest
        unexplained, variance, values = measure(explain, batch)
        return relative(unexplained, variance, values) if self.normalize else unexplained

    def _off(self, score, batch):
        """What the surrogates of lime leave unexplained at their points."""
        columns = self._columns(score, batch).count
        samples = self._count(columns, 1, "`variant='one_coordinate'` around the rows", fewest=256, each=10)
        return neighbourhoods.off_between_rows(score, batch, samples)

    def _rest(self, score, batch):
        """What the surrogates leave unexplained of the neighbours that they are fitted to."""
        near = self._neighbours(score, batch)
        samples, columns = near.design.shape
        ridge = float(self.variant == "ridge")
        sums = surrogate.fit(near.design, near.values, near.weights, ridge)
        residual, total = (part / tf.reduce_mean(near.weights) for part in sums)
        residual /= samples if ridge else samples - 1 - columns
        return residual, total / (samples - 1), near.values

    def _neighbours(self, score, batch):
        if self.neighbourhood == "gaussian":
            return self._around(score, batch)
        resampled = self.neighbourhood == "resampled"
        baseline = neighbourhoods.another_row(batch.seed) if resampled else self.baseline
        game = neighbourhoods.game(score, batch, self.regions, baseline)
        draw = neighbourhoods.resampled if resampled else neighbourhoods.hidden
        return draw(game, self._samples(game.players.count), batch.seed)

    def _around(self, score, batch):
        """Noise on all features, on one of them, or, where there are few neighbours, in a random subspace."""
        players = self._columns(score, batch)
        if self.variant == "one_coordinate":
            place = tf.cast(random.uniform(random.fold(batch.seed, 1), ()) * players.count, tf.int32)
            design = random.normal(batch.seed, (self._samples(1), 1))
            noise = design * tf.one_hot(place, players.count)
        elif self.variant == "linear" and (self.samples or 2 * players.count) < 2 * players.count:
            dimensions = self._samples(1) // 2
            design = random.normal(batch.seed, (self.samples, dimensions))
            drawn = random.normal(random.fold(batch.seed, 1), (players.count, dimensions))
            directions, _ = tf.linalg.qr(drawn)
            noise = (players.count / dimensions) ** 0.5 * tf.matmul(design, directions, transpose_b=True)
        else:
            design = noise = random.normal(batch.seed, (self._samples(players.count), players.count))
        values = neighbourhoods.moved(score, batch, players, self.scale * noise)
        return Neighbours(design, values, tf.ones([design.shape[0]]))

    def _columns(self, score, batch):
        return neighbourhoods.columns("LIMEFidelity", score, batch.inputs, "pass `neighbourhood='regions'`")

    def _samples(self, columns):
        """The neighbours of every row: but for a ridge, enough for the fit to leave something over."""
        few = "`samples=4`, which vary in a random subspace," if self.variant == "linear" else "`variant='linear'`"
        instead = few if self.neighbourhood == "gaussian" else "`regions=` of more features"
        return self._count(columns, 1 if self.variant == "ridge" else columns + 1, instead)

    def get_config(self):
        own = {"variant": self.variant, "neighbourhood": self.neighbourhood}
        given = {"regions": self.regions, "baseline": self.baseline}
        return {**own, **keras.saving.serialize_keras_object(given), **super().get_config()}
