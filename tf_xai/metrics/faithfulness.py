"""Metrics of whether the score does what the attributions say."""

import tensorflow as tf

from tf_xai.core import baselines, random, regions, surrogate, trees
from tf_xai.core.variants import map_variants


def deletion(score, inputs, target, attributions, *, baseline="zeros", steps=16, chunk=None):
    """Area under the score while the features go, the most important first; lower is better.

    Features are ordered by signed attribution, over all inputs together; in images the channels of a pixel go
    together. Each step replaces an equal share by the baseline.

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Array, tensor or a nest of them, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        attributions: Tree like `inputs`, or that broadcasts to it.
        baseline: What replaces a feature, see `core.baselines.resolve`.
        steps: Equal parts of the features.
        chunk: Steps in one forward pass; None bounds the memory.

    Returns: `(batch,)`, in units of the score: the trapezoid rule over the share removed, 0 to 1.
    Cost: `steps + 1` forward passes.

    Reference: Petsiuk et al., 2018, https://arxiv.org/abs/1806.07421
    """
    return _area(score, inputs, target, attributions, baseline, steps, chunk, inserting=False)


def insertion(score, inputs, target, attributions, *, baseline="zeros", steps=16, chunk=None):
    """Area under the score while the features come back, the most important first; higher is better.

    Arguments, result and cost as for `deletion`; the curve starts at the baseline and ends at the inputs.

    Reference: Petsiuk et al., 2018, https://arxiv.org/abs/1806.07421
    """
    return _area(score, inputs, target, attributions, baseline, steps, chunk, inserting=True)


def _area(score, inputs, target, attributions, baseline, steps, chunk, inserting):
    inputs, attributions = trees.tensors(inputs), trees.tensors(attributions)
    start = baselines.resolve(baseline, inputs)
    ranks, count = _ranks(attributions, inputs)

    def variant(k):
        """The inputs after `k` steps."""

        def leaf(x, b, rank):
            if rank is None:
                return trees.repeat(x, tf.shape(k)[0])
            moved = rank[None] * steps < trees.align(k, x.shape.rank + 1) * count
            return tf.where(moved, x[None], b[None]) if inserting else tf.where(moved, b[None], x[None])

        leaves = zip(trees.leaves(inputs), trees.leaves(start), ranks, strict=True)
        return trees.pack(inputs, [leaf(*each) for each in leaves])

    curve = map_variants(score, variant, steps + 1, inputs, target, chunk)
    return (tf.reduce_sum(curve, axis=0) - (curve[0] + curve[-1]) / 2) / steps


def _ranks(attributions, inputs):
    """The place of every feature in the order of removal, as leaves that broadcast to the inputs, and their number.

    Masks are never removed: their rank is None.
    """
    pooled = [
        tf.reduce_sum(a, axis=-1, keepdims=True) if x.shape.rank > 3 else a
        for a, x in zip(trees.leaves(attributions), trees.leaves(inputs), strict=True)
        if trees.is_float(x)
    ]
    flat = tf.concat([tf.reshape(a, [tf.shape(a)[0], -1]) for a in pooled], axis=1)
    order = tf.argsort(flat, axis=1, direction="DESCENDING", stable=True)
    ranks = tf.argsort(order, axis=1, stable=True)
    parts = iter(tf.split(ranks, [tf.reduce_prod(tf.shape(a)[1:]) for a in pooled], axis=1, num=len(pooled)))
    shapes = iter(pooled)
    shaped = [
        tf.reshape(next(parts), tf.shape(next(shapes))) if trees.is_float(x) else None for x in trees.leaves(inputs)
    ]
    return shaped, tf.shape(flat)[1]


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
