"""LIME: a simple model of the score around every row."""

import tensorflow as tf

from tf_xai.core import baselines, checks, neighbours
from tf_xai.core import surrogate as surrogates
from tf_xai.core.decision_tree import fit as fit_tree
from tf_xai.core.games import Game
from tf_xai.core.regions import share
from tf_xai.core.score import resolve

# Whether it is a tree.
SURROGATES = {"linear": False, "tree": True}

# By `discretize` and `sample_around_instance`.
TABLES = {
    (True, False): neighbours.quartiles,
    (False, False): neighbours.normal,
    (False, True): neighbours.around,
}

# As many as the lime package draws: for tables, and for images.
SAMPLES = {False: 5000, True: 1000}


def lime(
    score,
    inputs,
    target=None,
    *,
    background=None,
    discretize=True,
    sample_around_instance=False,
    baseline="zeros",
    regions=None,
    samples=None,
    kernel_width=None,
    features=None,
    surrogate="linear",
    ridge=1.0,
    seed=0,
    chunk=None,
):
    """Fits a weighted ridge regression, or a tree, to the score of the neighbours of every row.

        a = argmin_a sum_s w(z_s) (score(z_s) - a_0 - a . r(z_s))^2 + ridge |a|^2,   w(z) = exp(-D(x, z)^2 / 2 width^2)

    As in the lime package; the draws are the same for all rows. With a background (tables, also series and images as
    tables), every feature is a column:

    - `discretize`: neighbours are drawn column by column from the quartiles of the background; `r` is 1 where a value
      is in the quartile of the row's, else 0.
    - not `discretize`: normal neighbours, with the spread of the background, around its mean or around the row;
      `r` is the standardised column.

    `D` is the Euclidean distance of `r(x)` and `r(z)`, the width 0.75 times the root of the number of columns.

    Without one, regions of the inputs are hidden, that is replaced by a baseline, and `r` is 1 where they are shown. Of
    images every second one is hidden (lime_image), else a uniform number of them (lime_text); `D` is the cosine
    distance, the width 0.25.

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        background: Rows of the training data, nested like the inputs; a few thousand are plenty. None hides regions.
        discretize: Whether to explain quartiles instead of the numbers themselves.
        sample_around_instance: Whether to draw around the row, not around the mean; with `discretize=False` only.
        baseline: What replaces hidden regions. See `core.baselines.resolve`.
        regions: What is hidden together. See `core.regions`.
        samples: Neighbours of a row, with the row itself; None takes 5,000 with a background and 1,000 without.
        kernel_width: Width of the kernel, in units of `D`.
        features: The most columns or regions that get a value: chosen by forward selection up to 6 of them, beyond by
            the largest share in a first fit. None takes all.
        surrogate: "linear", or "tree": a regression tree of depth 4. Its values are what the splits on the way to the
            row's leaf add to the mean: they sum to the tree's prediction less its mean.
        ridge: Penalty on the squared coefficients.
        seed: Integer; None draws anew at every call.
        chunk: Neighbours in one forward pass; None bounds the memory.

    Returns: Tree like `inputs`, same shapes, float32; units: score, per standard deviation of a column that is not
        discretised. The value of a region is shared equally among its features.
    Raises: ValueError for options that contradict each other, or a background or baseline of another structure.
    Properties: with `ridge=0`, without a background, exact on functions that are linear in the regions. Differentiable
        in the score where the surrogate is linear; a tree is not, and not under XLA. Cost: `samples` forward passes;
        of one row for the whole batch where neighbours are drawn around the mean of a background.

    >>> import tensorflow as tf
    >>> values = lime(lambda x, target: x[:, 0] + 2 * x[:, 1], tf.constant([[2.0, 3.0]]), samples=50, ridge=0.0)
    >>> values.numpy().round(3).tolist()
    [[2.0, 6.0]]

    Reference: Ribeiro et al., 2016, https://arxiv.org/abs/1602.04938
    """
    neighbourhood = {"discretize": discretize, "sample_around_instance": sample_around_instance, "seed": seed}
    replaced = {"background": background, "baseline": baseline, "regions": regions, "chunk": chunk}
    fitted = {"kernel_width": kernel_width, "features": features, "surrogate": surrogate, "ridge": ridge}
    return fit(score, inputs, target, samples=samples, **neighbourhood, **replaced, **fitted)[0]


def fit(score, inputs, target, *, samples, kernel_width, features, surrogate, ridge, **neighbourhood):
    """What `lime` returns for the same options, and the weighted R2 of every row's surrogate, `(batch,)`."""
    if kernel_width is not None and not kernel_width > 0:
        raise ValueError(f"`kernel_width` must be larger than 0. Received: kernel_width={kernel_width!r}.")
    if not ridge >= 0:
        raise ValueError(f"`ridge` must not be negative. Received: ridge={ridge!r}.")
    tree = checks.choose("surrogate", surrogate, SURROGATES)
    target = resolve(score, inputs, target)
    game, near, count = _neighbours(score, inputs, target, samples, **neighbourhood)
    if not ridge and count < game.players.count + 2:
        raise ValueError(
            f"`lime` with `ridge=0` needs at least {game.players.count + 3} samples for {game.players.count} players. "
            f"Received: samples={samples}. Pass more, or a `ridge`."
        )
    values = near.values - score(inputs, target)

    weigh = lambda moves: near.weigh(moves, kernel_width)
    covariances = surrogates.moments(near.moves, weigh, values, inputs)
    kept = _select(covariances, features, near.instance)
    if tree:
        moves = near.moves(tf.range(count))
        fitted, r2 = fit_tree(moves, weigh(moves), values, kept)
    else:
        fitted, r2 = surrogates.solve(covariances, ridge, kept)
    return share(fitted, game.players, inputs), r2


def _select(covariances, features, instance):
    """`(batch, players)`: ones for the players that get a value, zeros for the others."""
    players = covariances.shape[-1] - 1
    if features is None or features >= players:
        return tf.ones_like(covariances[:, 0, :-1])
    checks.positive("features", features)
    if features <= 6:
        return surrogates.forward_selection(covariances, features)
    return surrogates.highest_weights(covariances, features, instance)


def _neighbours(
    score, inputs, target, samples, background, discretize, sample_around_instance, baseline, regions, seed, chunk
):
    """The game of the rows, their neighbours, and how many of these there are."""
    if sample_around_instance and (background is None or discretize):
        raise ValueError(
            "`sample_around_instance` needs `discretize=False` and a `background`, whose spread is that of the draws. "
            f"Received: discretize={discretize} and {'no' if background is None else 'a'} background."
        )
    if background is not None and regions is not None:
        raise ValueError(
            "`background` and `regions` exclude each other: with a background every feature is a column. Received "
            "both. Leave out `background` to hide regions."
        )
    if not isinstance(discretize, bool):
        raise ValueError(f"`discretize` must be True, for quartiles, or False. Received: discretize={discretize!r}.")
    samples = SAMPLES[background is None] if samples is None else samples
    if samples < 3:
        raise ValueError(f"`samples` must be at least 3. Received: samples={samples!r}.")
    count = samples - 1  # the row itself is one of the samples
    if background is None:
        game = Game(score, inputs, target, regions, baseline=baseline, chunk=chunk)
        return game, neighbours.hidden(game, count, seed), count
    baselines.check_background(background, inputs)
    game = Game(score, inputs, target, "features", chunk=chunk)
    return game, TABLES[discretize, sample_around_instance](game, background, count, seed), count
