"""DeepLIFT, with multipliers that add up on any architecture."""

import tensorflow as tf

from tf_xai.core import baselines, rules, secants, trees
from tf_xai.core.gradients import fill
from tf_xai.core.pairs import Pairs
from tf_xai.core.score import resolve
from tf_xai.core.variants import sum_variants


def deep_lift(score, inputs, target=None, *, baseline="zeros", background=None, chunk=None):
    """Follows the difference from a reference back through every operation.

        a_i = m_i * (x_i - r_i),    sum_i m_i (x_i - r_i) = score(x) - score(r)

    The model runs on the inputs and on the references side by side, and every operation gets multipliers that explain
    the difference of its outputs exactly: secant slopes of functions of one variable, means of both runs where
    activations are multiplied, logarithmic means in a softmax. So the values add up behind normalisation, gates,
    attention and recurrence too. Recurrent layers are unrolled, which takes a fixed number of time steps.

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        baseline: The reference, see `core.baselines.resolve`. Not used with a background.
        background: Tree like `inputs` with any number of rows: the values are the mean over these references.
        chunk: References in one forward pass; None bounds the memory.

    Returns: Tree like `inputs`, same shapes, float32; units: score.
    Raises: TypeError for integer inputs; ValueError for operations that have no rule.
    Properties: completeness, to rounding; exact on linear models. On ReLU networks it is DeepLIFT's rescale rule.
        Differentiable. Cost: 2 forward passes and 1 backward pass per reference.

    >>> import tensorflow as tf
    >>> deep_lift(lambda x, target: x[:, 0] * x[:, 1], tf.constant([[2.0, 3.0]])).numpy().tolist()
    [[3.0, 3.0]]

    Reference: Shrikumar et al., 2017, https://arxiv.org/abs/1704.02685; background: Lundberg and Lee, 2017,
    https://arxiv.org/abs/1705.07874
    """

    def explain(inputs, target):
        target = resolve(score, inputs, target)
        if background is None:
            return _contributions(score, inputs, baselines.resolve(baseline, inputs), target)
        references, count = baselines.references(background, inputs), trees.batch_size(background)
        pair = lambda k: (trees.map_leaves(lambda x: trees.repeat(x, tf.shape(k)[0]), inputs), references(k))
        weights = tf.fill([count], 1 / tf.cast(count, tf.float32))
        contributions = lambda pair, target: _contributions(score, *pair, target)
        return sum_variants(contributions, pair, weights, inputs, target, chunk)

    return rules.in_graph(explain, inputs, target)


def _contributions(score, inputs, start, target):
    """The values against one reference per row."""
    way, other = (rules.Way(*rules.observe(score, tree, target)) for tree in (inputs, start))
    multipliers = fill(way.back(Pairs(way, other, secants.TABLE, "deep_lift")), inputs)
    return trees.multiply(trees.subtract(inputs, start), multipliers)
