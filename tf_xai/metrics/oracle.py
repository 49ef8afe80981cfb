"""The oracle: an order of the features found by trying, which shows how well a metric of removal can be satisfied."""

import functools

import numpy as np
import tensorflow as tf

from tf_xai.core import baselines, places, trees
from tf_xai.core.regions import resolve, share
from tf_xai.core.variants import map_variants
from tf_xai.metrics.removal import comprehensiveness, deletion, insertion, sufficiency

# The most features that the oracle tries one by one where nobody has named regions.
MOST = 64


def greedy(score, inputs, target, *, inserting=False, baseline="zeros", regions=None, chunk=None):
    """Attributions in the order in which features go, each step the one without which the score is lowest.

        a(i_s) = n - s,   i_s = argmin_i score(x without i_1, ..., i_(s-1), i)

    The best order on models that are linear in the features; on others it may be bettered.

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        inserting: Whether features come back to the baseline instead, each step the one with which the score is
            highest.
        baseline, regions: As for `deletion`. Without regions every feature is one; in images, the channels of a pixel.
        chunk: Candidates in one forward pass; None bounds the memory.

    Returns: Tree like `inputs`, float32; what holds a region is shared among its features.
    Raises: ValueError for more than 64 features without regions.
    Cost: `n (n + 1) / 2` forward passes.
    """
    inputs = trees.tensors(inputs)
    players = resolve(_each if regions is None else regions, inputs)
    count, batch = players.count, trees.batch_size(inputs)
    if regions is None and count > MOST:
        raise ValueError(
            f"The oracle tries features one by one, at most {MOST} of them. Received: {count} in a row. Pass "
            f"`regions=` to the metric, such as {{'deletion': {{'regions': {_remedy(score, inputs)}}}}}, or leave the "
            "oracle out."
        )
    replace = baselines.replacing(baseline, inputs)

    def step(number, moved, values):
        # The features that are left come first: of every row other ones, but as many.
        left = tf.argsort(tf.cast(moved, tf.int32), axis=1, stable=True)
        one = lambda k: tf.one_hot(tf.transpose(tf.gather(left, k, axis=1)), count, True, False)

        def variant(k):
            there = [_spread(moved[None] | one(k), labels) for labels in players.labels]
            return replace([each if each is None or inserting else ~each for each in there])

        scores = map_variants(score, variant, count - number, inputs, target, chunk)
        chosen = tf.argmax(scores if inserting else -scores, axis=0, output_type=tf.int32)
        new = tf.one_hot(tf.gather(left, chosen, axis=1, batch_dims=1), count, True, False)
        return number + 1, moved | new, tf.where(new, tf.cast(count - number, tf.float32), values)

    start = tf.constant(0), tf.zeros([batch, count], tf.bool), tf.zeros([batch, count])
    more = lambda number, *_: number < count
    values = tf.while_loop(more, step, start, parallel_iterations=1, maximum_iterations=count)[2]
    return share(values, players, inputs)


def _remedy(score, inputs):
    """Regions that suit what is explained: the vectors of token ids, or else the largest of the inputs."""
    if isinstance(score, places.AtEmbeddings):
        return "'tokens'"
    largest = max((leaf for leaf in trees.leaves(inputs) if trees.is_float(leaf)), key=lambda x: trees.row_size([x]))
    return {2: "[[0, 1], [2, 3], ...]", 3: "'windows'"}.get(largest.shape.rank, "'patches'")


def _each(leaf):
    """Every feature for itself, in images every pixel: the labels of `core.ranks.descending`."""
    shape = (*leaf.shape[1:-1], 1) if leaf.shape.rank > 3 else leaf.shape[1:]
    size = int(np.prod(shape))
    return np.arange(size).reshape(1, *shape), size


def _spread(moved, labels):
    """Which features have moved, `(count, batch, ...)`, of which players have, `(count, batch, players)`."""
    if labels is None:
        return None
    own = tf.broadcast_to(labels, tf.concat([tf.shape(moved)[1:2], tf.shape(labels)[1:]], 0))
    own = trees.repeat(own, tf.shape(moved)[0])
    return tf.gather(moved, own, axis=2, batch_dims=2)


def _of_oracle(metric, inserting):
    """A metric of the oracle's attributions, whatever attributions it is given."""

    @functools.wraps(metric)
    def best(score, inputs, target, attributions, *, baseline="zeros", regions=None, chunk=None, **options):
        replaced = {"baseline": baseline, "regions": regions, "chunk": chunk}
        found = greedy(score, inputs, target, inserting=inserting, **replaced)
        return metric(score, inputs, target, found, **replaced, **options)

    return best


# By name, in the place of those of `METRICS`.
ORACLES = {
    metric.__name__: _of_oracle(metric, inserting)
    for metric, inserting in {deletion: False, comprehensiveness: False, insertion: True, sufficiency: True}.items()
}
