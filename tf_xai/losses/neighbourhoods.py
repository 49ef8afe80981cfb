"""What the LIME losses have in common: the score that they describe, and the neighbours of the rows of a batch.

The draws are the same for all rows and new at every step, so that one factorisation serves a batch.
"""

from typing import NamedTuple

import tensorflow as tf

from tf_xai.core import checks, neighbours, places, random, regions, surrogate, trees
from tf_xai.core.games import Game
from tf_xai.core.variants import ALL, map_variants
from tf_xai.losses.base import ExplanationLoss

# Features beyond which a multiple of them is no sensible number of neighbours by default.
MANY = 256


class Neighbours(NamedTuple):
    """Neighbours of a batch.

    Attributes:
        design: `(samples, columns)`, what the surrogate sees of them.
        values: `(samples, batch)`, their scores.
        weights: `(samples,)`, what they count.
    """

    design: tf.Tensor
    values: tf.Tensor
    weights: tf.Tensor


class SurrogateLoss(ExplanationLoss):
    """A penalty on local surrogates of the logit of the true class, or of the output of a regression.

    Args:
        samples: Neighbours of every row, or None.
        scale: Standard deviation of a Gaussian neighbourhood, in units of the inputs.
        normalize: Whether the penalty is a share, so that flattening the model earns nothing.
        **common: See `ExplanationLoss`; `auto_share` is 0.05 by default.
    """

    def __init__(self, samples=None, scale=0.5, normalize=True, **common):
        super().__init__(**{"auto_share": 0.05, **common})
        if samples is not None:
            checks.positive("samples", samples)
        if not scale > 0:
            raise ValueError(f"`scale` must be larger than 0. Received: scale={scale!r}.")
        self.samples, self.scale, self.normalize = samples, scale, normalize

    def bind(self, model):
        return self.of_logits(model)

    def _count(self, columns, least, instead, fewest=20, each=2):
        """The neighbours of every row, more than `least`, for so many columns of the design; `each` per column."""
        if self.samples is None and columns > MANY:
            raise ValueError(
                f"`{type(self).__name__}` takes {each} times as many samples as features, and there are {columns} "
                f"features. Pass {instead}, or `samples=` if that is what you want."
            )
        samples = self.samples or max(fewest, each * columns)
        if samples <= least:
            raise ValueError(
                f"`{type(self).__name__}` needs more than {least} samples"
                f"{f' for {columns} features' if columns > 1 else ''}. "
                f"Received: samples={samples}. Pass more, or leave them out."
            )
        return samples

    def get_config(self):
        own = {name: getattr(self, name) for name in ("samples", "scale", "normalize")}
        return {**own, **super().get_config()}


def columns(name, score, inputs, remedy):
    """The features that a loss can add noise to, each a player."""
    leaves, place = trees.leaves(inputs), places.find(score, inputs)
    numbers = {i for i, leaf in enumerate(leaves) if trees.is_float(leaf)}
    if not numbers or (place is not None and numbers.intersection(place.ids)):
        raise ValueError(
            f"`{name}` adds noise to floating inputs, and those of shape {checks.shapes(inputs)} are token ids, "
            f"integers or booleans. For token ids, {remedy}. Pass floats (`x.astype('float32')`) where integers are "
            "quantities."
        )
    return regions.resolve("features", inputs)


def moved(score, batch, players, noise):
    """The scores where `noise[s]` is added to the features of every row: `(samples, batch)`."""
    variant = surrogate.perturbed(batch.inputs, players, noise)
    return map_variants(score, variant, noise.shape[0], batch.inputs, batch.target, chunk=ALL)


def game(score, batch, players, baseline):
    """The games of the rows, in which hidden players have the baseline: at the embeddings of token ids."""
    place, inputs = places.find(score, batch.inputs), batch.inputs
    if place is not None:
        score, inputs = place, place.points(inputs)
        players, baseline = place.regions(players), place.baseline(baseline)
    return Game(score, inputs, batch.target, players, baseline=baseline, chunk=ALL)


def hidden(played, samples, seed):
    """Some players of every row are hidden, and weighted, as lime has it for images and texts: the row itself first."""
    near = neighbours.hidden(played, samples - 1, seed)
    moves = near.moves(tf.range(samples - 1))
    own = played.score(played.inputs, played.target)
    return Neighbours(
        tf.concat([tf.zeros_like(moves[0, :1]), moves[0]], axis=0),
        tf.concat([own[None], near.values], axis=0),
        tf.concat([[1.0], near.weigh(moves, None)[0]], axis=0),
    )


def resampled(played, samples, seed):
    """Every player of a row is hidden in a random half of its neighbours."""
    kept = random.uniform(seed, (samples, played.players.count)) > 0.5
    return Neighbours(tf.cast(kept, tf.float32), played.values(kept), tf.ones([samples]))


def off_between_rows(score, batch, samples):
    """How far lime's surrogates are off at points between two rows, where the batch is the background of its tables.

    Returns: The squared error and the weighted variance of the score on the neighbours, two `(batch,)`, and the scores
        of these, `(samples, batch)`.
    """
    points = between(batch.inputs, batch.counted, random.fold(batch.seed, 1))
    played, own = Game(score, points, batch.target, "features", chunk=ALL), score(points, batch.target)
    near = neighbours.normal(played, batch.inputs, samples, batch.seed, batch.weights)
    values, weigh = near.values - own, lambda moves: near.weigh(moves, None)
    covariances = surrogate.moments(near.moves, weigh, values, points, chunk=ALL)
    slopes, _ = surrogate.solve(covariances, ridge=1.0)
    moves = near.moves(tf.range(samples))
    weights = weigh(moves)
    count = 1 + tf.reduce_sum(weights, axis=1)  # with the point itself
    error = tf.reduce_sum(weights * (tf.transpose(values) - tf.linalg.matvec(moves, slopes)), axis=1) / count
    return tf.square(error), covariances[:, -1, -1] / count, near.values


def between(inputs, counts, seed):
    """For every row a random point on the way to the one before it that counts, `(batch,)` booleans.

    Leaves that are not floating point are the row's own.
    """
    share = random.uniform(seed, (trees.batch_size(inputs),))
    order = tf.argsort(tf.cast(~counts, tf.int32), stable=True)  # what counts comes first
    many = tf.maximum(tf.reduce_sum(tf.cast(counts, tf.int32)), 1)
    before = tf.gather(order, (tf.argsort(order) - 1) % many)

    def point(x):
        if not trees.is_float(x):
            return x
        along = tf.cast(tf.reshape(share, [-1] + [1] * (x.shape.rank - 1)), x.dtype)
        return x + along * (tf.gather(x, before) - x)

    return trees.map_leaves(point, inputs)


def another_row(seed):
    """A baseline: for every row another one of the batch, the same for all its neighbours."""

    def baseline(inputs):
        count = trees.batch_size(inputs)
        others = tf.cast(count, tf.float32) - 1
        shift = 1 + tf.cast(random.uniform(random.fold(seed, 1), ()) * others, tf.int32)
        return trees.take(inputs, (tf.range(count) + shift) % tf.maximum(count, 1))

    return baseline


def relative(part, whole, values):
    """`part / whole`, both in squared units of the score; 0 where the score does not vary.

    Differences below float32's resolution of the values `(samples, batch)` count as none: nothing is left to explain.
    """
    varies = whole > tf.square(1e-6 * tf.reduce_max(tf.abs(values), axis=0))
    return tf.where(varies, part / tf.where(varies, whole, 1.0), 0.0)
