"""Metrics of what an attribution promises by definition."""

import tensorflow as tf

from tf_xai.core import baselines, trees


def completeness(score, inputs, target, attributions, *, baseline="zeros", baseline_score=None):
    """How far the attributions are from adding up to the difference they explain; lower is better.

        |sum_i a_i - (f(x) - f(b))| / |f(x) - f(b)|

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Array, tensor or a nest of them, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        attributions: Tree like `inputs`.
        baseline: See `core.baselines.resolve`.
        baseline_score: `(batch,)`, in place of `f(b)`: the mean over a background, for methods that have one.

    Returns: `(batch,)`, 0 or more; NaN where `f(x) = f(b)`. A share without unit.
    Cost: 2 forward passes.

    Reference: Sundararajan et al., 2017, https://arxiv.org/abs/1703.01365
    """
    inputs, attributions = trees.tensors(inputs), trees.tensors(attributions)
    if baseline_score is None:
        baseline_score = score(baselines.resolve(baseline, inputs), target)
    gap = score(inputs, target) - baseline_score
    # Where there is no gap, the division is not made at all: its gradient would not be finite.
    error = tf.abs(trees.sum_features(attributions) - gap) / tf.abs(tf.where(gap == 0, 1.0, gap))
    return tf.where(gap == 0, float("nan"), error)
