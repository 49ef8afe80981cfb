"""Metrics of whether the score does what the attributions say."""

import tensorflow as tf

from tf_xai.core import baselines, checks, random, regions, surrogate, trees
from tf_xai.core.variants import map_variants, sum_variants


def infidelity(
    score, inputs, target, attributions, *, baseline="zeros", samples=32, scale=0.2, normalize=False, seed=0, chunk=None
):
    """How far contributions are from what random changes of the inputs do to the score; lower is better.

        mean_s (sum_i e_si a_i - (f(x) - f(x - e_s * (x - b))))^2,    e_s ~ N(0, scale^2 I)

    Every feature loses a random share of its difference to the baseline, and is to take the same share of its
    contribution along. So `a` are contributions, as gradient times input and integrated gradients give them (captum's
    `multiply_by_inputs=True`); a feature at its baseline stays there. The draws are the same for every row.

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Array, tensor or a nest of them, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        attributions: Tree like `inputs`, or that broadcasts to it: what shares a value moves together.
        baseline: What features move to, or away from, see `core.baselines.resolve`.
        samples: Changes of every row.
        scale: Standard deviation of the shares.
        normalize: Whether to divide by the value for contributions of zero, so that a flatter score gains nothing.
        seed: Integer.
        chunk: Changes in one forward pass; None bounds the memory.

    Returns: `(batch,)`, 0 or more, in squared units of the score. Normalised, a share: 1 is no better than to say
        nothing; NaN where the score does not change.
    Properties: 0 for the contributions of a linear model. Differentiable. Cost: `samples + 1` forward passes. Judge
        logits (`space="logit"`): a saturated probability hardly feels small changes, whatever is said of them.

    Reference: Yeh et al., 2019, https://arxiv.org/abs/1901.09392
    """
    inputs, attributions = trees.tensors(inputs), trees.tensors(attributions)
    checks.some_floats(inputs)
    delta, whole = trees.subtract(inputs, baselines.resolve(baseline, inputs)), score(inputs, target)

    def variant(k):
        """Changed inputs, what that is to take from the score, and the score as it was."""
        draw = lambda i, a: scale * random.normals(random.fold(seed, i), k, tf.shape(a)[1:])[:, None]
        shares = trees.pack(inputs, [draw(i, a) for i, a in enumerate(trees.leaves(attributions))])
        move = lambda x, d, e: x - tf.cast(e, x.dtype) * d if trees.is_float(x) else trees.repeat(x, tf.shape(k)[0])
        points = trees.map_leaves(move, inputs, delta, shares)
        return points, trees.multiply(shares, attributions), trees.repeat(whole, tf.shape(k)[0])

    def squares(changed, target):
        points, taken, before = changed
        change = before - score(points, target)
        return tf.square(trees.sum_features(taken) - change), tf.square(change)

    weights = tf.fill([samples], 1 / samples)
    error, change = sum_variants(squares, variant, weights, inputs, target, chunk, like=(whole, whole))
    if not normalize:
        return error
    return tf.where(change > 0, error / tf.where(change > 0, change, 1.0), float("nan"))


def lime_fidelity(score, inputs, target, attributions=None, *, samples=256, scale=0.1, seed=0, chunk=None):
    """How well a linear surrogate describes the score around every row; higher is better. A property of the model.

        R^2 of least squares on f(x + scale * z),  z ~ N(0, I),  weighted exp(-|z|^2 / (2 w^2)),  w = 0.75 sqrt(d)

    adjusted for degrees of freedom. The players `d` are the columns of a table, or the cells of a grid over images,
    series and volumes (at most 64 per input).

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Array, tensor or a nest of them, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        attributions: Not used: the surrogate is fitted anew.
        samples: Neighbours of every row; at least four times the players are taken.
        scale: Standard deviation of the neighbourhood, in units of the inputs.
        seed: Integer.
        chunk: Neighbours in one forward pass; None bounds the memory.

    Returns: `(batch,)`, at most 1; exactly 1 on a linear model; NaN where the score is constant, to
        the resolution of float32.
    Cost: `samples` forward passes.

    Reference: Ribeiro et al., 2016, https://arxiv.org/abs/1602.04938
    """
    inputs = trees.tensors(inputs)
    players = regions.resolve("cells", inputs)
    count = players.count
    samples = max(samples, 4 * count)
    design = random.normal(seed, (samples, count))
    variant = surrogate.perturbed(inputs, players, scale * design)
    values = map_variants(score, variant, samples, inputs, target, chunk)
    weights = tf.exp(-tf.reduce_sum(tf.square(design), axis=1) / (2 * 0.75**2 * count))
    residual, total = surrogate.fit(design, values, weights)
    unexplained = (residual / (samples - 1 - count)) / (total / (samples - 1))
    # Differences below float32's resolution of the score can not be told from zero.
    floor = tf.square(1e-6 * tf.reduce_max(tf.abs(values), axis=0)) * tf.reduce_sum(weights)
    return tf.where(total <= floor, float("nan"), 1 - unexplained)
