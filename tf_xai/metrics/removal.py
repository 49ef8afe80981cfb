"""Metrics of what the score does while features go, or come back, in the order of the attributions."""

import tensorflow as tf

from tf_xai.core import baselines, trees
from tf_xai.core.ranks import descending
from tf_xai.core.variants import map_variants


def deletion(score, inputs, target, attributions, *, baseline="zeros", regions=None, steps=16, chunk=None):
    """Area under the score while the features go, the most important first; lower is better.

    Features are ordered by signed attribution, over all inputs together; in images the channels of a pixel go
    together. Each step replaces an equal share by the baseline.

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Array, tensor or a nest of them, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        attributions: Tree like `inputs`, or that broadcasts to it.
        baseline: What replaces a feature, see `core.baselines.resolve`: such as "zeros", "mean", "blur", other rows
            (`baselines.Samples(x_train)`), or what its neighbours let expect (`baselines.NoisyLinear()`, for images).
        regions: What goes together, by the sum of its attributions, see `core.regions`: such as "patches", "segments"
            or "tokens".
        steps: Equal parts of the features.
        chunk: Steps in one forward pass; None bounds the memory.

    Returns: `(batch,)`, in units of the score: the trapezoid rule over the share removed, 0 to 1.
    Cost: `steps + 1` forward passes.

    Reference: Petsiuk et al., 2018, https://arxiv.org/abs/1806.07421; patches: Samek et al., 2016,
    https://arxiv.org/abs/1509.06321; segments: Rieger and Hansen, 2020, https://arxiv.org/abs/2003.08747; the noisy
    linear baseline: Rong et al., 2022, https://arxiv.org/abs/2202.00449
    """
    options = {"baseline": baseline, "regions": regions, "steps": steps, "chunk": chunk}
    return area(deletion_curve(score, inputs, target, attributions, **options))


def insertion(score, inputs, target, attributions, *, baseline="zeros", regions=None, steps=16, chunk=None):
    """Area under the score while the features come back, the most important first; higher is better.

    Arguments, result and cost as for `deletion`; the curve starts at the baseline and ends at the inputs.

    Reference: Petsiuk et al., 2018, https://arxiv.org/abs/1806.07421
    """
    options = {"baseline": baseline, "regions": regions, "steps": steps, "chunk": chunk}
    return area(insertion_curve(score, inputs, target, attributions, **options))


def deletion_curve(score, inputs, target, attributions, *, baseline="zeros", regions=None, steps=16, chunk=None):
    """The score while the features go, `(steps + 1, batch)`: what `deletion` is the area under."""
    return _curve(score, inputs, target, attributions, baseline, regions, _equal(steps), chunk)


def insertion_curve(score, inputs, target, attributions, *, baseline="zeros", regions=None, steps=16, chunk=None):
    """The score while the features come back, `(steps + 1, batch)`: what `insertion` is the area under."""
    return _curve(score, inputs, target, attributions, baseline, regions, _equal(steps), chunk, inserting=True)


# Metrics that are the area under a curve.
CURVES = {"deletion": deletion_curve, "insertion": insertion_curve}

# Of the features, in percent of all, as ERASER has them.
SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)


def comprehensiveness(
    score, inputs, target, attributions, *, baseline="zeros", regions=None, shares=SHARES, chunk=None
):
    """How far the score falls without the most important features; higher is better.

        mean_k (f(x) - f(x without the k most important features))

    Args:
        shares: Of the features that go, rounded up to whole ones.
        score, inputs, target, attributions, baseline, regions, chunk: As for `deletion`.

    Returns: `(batch,)`, in units of the score. Cost: one forward pass for every share, and one more.

    Reference: DeYoung et al., 2020, https://aclanthology.org/2020.acl-main.408
    """
    curve = _curve(score, inputs, target, attributions, baseline, regions, [0.0, *shares], chunk)
    return curve[0] - tf.reduce_mean(curve[1:], axis=0)


def sufficiency(score, inputs, target, attributions, *, baseline="zeros", regions=None, shares=SHARES, chunk=None):
    """How far the most important features alone fall short of the score; lower is better.

        mean_k (f(x) - f(the k most important features of x))

    Arguments, result and cost as for `comprehensiveness`.

    Reference: DeYoung et al., 2020, https://aclanthology.org/2020.acl-main.408
    """
    curve = _curve(score, inputs, target, attributions, baseline, regions, [*shares, 1.0], chunk, inserting=True)
    return curve[-1] - tf.reduce_mean(curve[:-1], axis=0)


def _equal(steps):
    return [step / steps for step in range(steps + 1)]


def area(curve):
    """The trapezoid rule over equal steps from 0 to 1, along the first axis."""
    return (tf.reduce_sum(curve, axis=0) - (curve[0] + curve[-1]) / 2) / (curve.shape[0] - 1)


def _curve(score, inputs, target, attributions, baseline, regions, shares, chunk, inserting=False):
    """The score after shares of the features have gone or come back: `(shares, batch)`."""
    inputs, attributions = trees.tensors(inputs), trees.tensors(attributions)
    ranks, count = descending(attributions, inputs, regions)
    # In whole features, rounded up; less a little, for a product that lies above a whole number by rounding only.
    moved = tf.math.ceil(tf.constant(shares)[:, None] * tf.cast(tf.reshape(count, [1, -1]), tf.float32) - 1e-4)
    replace = baselines.replacing(baseline, inputs)

    def variant(k):
        many = tf.gather(tf.cast(moved, tf.int32), k)
        first = [None if rank is None else rank[None] < trees.align(many, rank.shape.rank + 1) for rank in ranks]
        return replace([there if there is None or inserting else ~there for there in first])

    return map_variants(score, variant, len(shares), inputs, target, chunk)
