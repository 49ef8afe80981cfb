"""Integrated gradients, straight or along a blur, with as many steps as asked for or as completeness needs."""

from functools import partial

import tensorflow as tf

from tf_xai.core import baselines, checks, quadrature, trees
from tf_xai.core.gradients import gradients
from tf_xai.core.score import resolve
from tf_xai.core.variants import sum_variants

# Doublings of `steps` that a tolerance may ask for.
DOUBLINGS = 6


def integrated_gradients(
    score,
    inputs,
    target=None,
    *,
    baseline="zeros",
    path="straight",
    steps=32,
    rule="gauss_legendre",
    tolerance=None,
    chunk=None,
):
    """Integrates the gradient along a path from a baseline, x(0) = b to x(1) = x.

        a_i = integral_0^1 d score(x(t)) / d x_i * d x_i(t) / dt dt
        straight: x(t) = b + t (x - b),    blur: x(t) = x blurred by a Gaussian of a tenth of its length times 1 - t

    A blurred input holds less and less of what there is to see, and nothing that is not in the input.

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        baseline: See `core.baselines.resolve`; "blur" for the blurred path, which begins there.
        path: "straight", or "blur" for inputs with spatial axes.
        steps: Points on the path.
        rule: "gauss_legendre", "trapezoid" or "riemann" (the right sum of the paper).
        tolerance: Largest residual, as a share of `|score(x) - score(b)|`. Rows above it are done again with twice the
            steps, up to `64 * steps`; None keeps `steps` for all rows. Not under XLA.
        chunk: Path points in one forward pass; None bounds the memory.

    Returns: Tree like `inputs`, same shapes, float32; units: score.
    Raises: TypeError for integer inputs; ValueError for a baseline of another structure, or where no path begins.
    Properties: completeness up to the error of the rule; implementation invariance; exact on linear models.
        Differentiable. Cost: `steps` forward and backward passes.

    >>> import tensorflow as tf
    >>> values = integrated_gradients(lambda x, target: x[:, 0] * x[:, 1], tf.constant([[2.0, 3.0]]), steps=2)
    >>> [round(v, 4) for v in values.numpy()[0].tolist()]
    [3.0, 3.0]

    Reference: Sundararajan et al., 2017, https://arxiv.org/abs/1703.01365; blur: Xu et al., 2020,
    https://arxiv.org/abs/2004.03383
    """
    target = resolve(score, inputs, target)
    integrate = partial(checks.choose("path", path, PATHS), score, chunk=chunk)
    if path == "blur" and not (isinstance(baseline, str) and baseline == "blur"):
        raise ValueError(
            f"`path='blur'` begins at the blurred input. Received: baseline={checks.in_words(baseline)!r}. Pass "
            "`baseline='blur'`."
        )
    start = baselines.resolve(baseline, inputs)
    if tolerance is not None:
        return _refine(integrate, score, inputs, start, target, steps, rule, tolerance)
    return integrate(inputs, start, target, quadrature.rule(rule, steps))


def _straight(score, inputs, start, target, quadrature_rule, chunk):
    nodes, weights = quadrature_rule
    delta = trees.subtract(inputs, start)

    def point(k):
        return trees.axpy(tf.gather(nodes, k), delta, start)

    slope = sum_variants(partial(gradients, score), point, weights, inputs, target, chunk)
    return trees.multiply(delta, slope)


def _blur(score, inputs, start, target, quadrature_rule, chunk):
    nodes, weights = quadrature_rule

    def point(k):
        """Points on the path, and how fast it goes there."""
        way = [_blurred(leaf, 1 - tf.gather(nodes, k)) for leaf in trees.leaves(inputs)]
        return tuple(trees.pack(inputs, part) for part in zip(*way, strict=True))

    def step(way, target):
        point, speed = way
        return trees.multiply(gradients(score, point, target), speed)

    return sum_variants(step, point, weights, inputs, target, chunk)


def _blurred(leaf, shares):
    if not trees.is_float(leaf):
        repeated = trees.repeat(leaf, tf.shape(shares)[0])
        return repeated, trees.zeros_like(repeated)
    values, slopes = tf.map_fn(
        lambda share: baselines.blurred(leaf, share), shares, fn_output_signature=(leaf.dtype, leaf.dtype)
    )
    return values, -slopes


PATHS = {"straight": _straight, "blur": _blur}


def allowed(tolerance, end, origin):
    """The largest residual between two scores that a tolerance allows.

    Differences below float32's resolution of the scores can not be told from zero.
    """
    return tolerance * abs(end - origin) + 1e-6 * (abs(end) + abs(origin))


def _refine(integrate, score, inputs, start, target, steps, rule, tolerance):
    """Doubles the steps for the rows whose residual is above the tolerance, until none is left."""
    if not 0 < tolerance < 1:
        raise ValueError(f"`tolerance` must lie between 0 and 1. Received: tolerance={tolerance}.")
    checks.positive("steps", steps)
    rules = [quadrature.rule(rule, steps * 2**level) for level in range(DOUBLINGS + 1)]
    nodes, weights = (
        tf.RaggedTensor.from_row_lengths(tf.concat(parts, 0), [len(part) for part in parts])
        for parts in zip(*rules, strict=True)
    )
    end, origin = score(inputs, target), score(start, target)

    def unfinished(level, values):
        return tf.abs(trees.sum_features(values) - (end - origin)) > allowed(tolerance, end, origin)

    def improve(level, values):
        rows = tf.where(unfinished(level, values))[:, 0]
        some = [trees.take(tree, rows) for tree in (inputs, start)]
        aim = None if target is None else tf.gather(target, rows)
        better = integrate(*some, aim, (nodes[level], weights[level]))
        update = lambda old, new: tf.tensor_scatter_nd_update(old, rows[:, None], new)
        return level + 1, trees.map_leaves(update, values, better)

    first = integrate(inputs, start, target, rules[0])
    return tf.while_loop(
        lambda level, values: (level < len(rules)) & tf.reduce_any(unfinished(level, values)),
        improve,
        (tf.constant(1), first),
        maximum_iterations=DOUBLINGS,
    )[1]
