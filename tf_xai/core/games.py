"""The cooperative game that a row plays: what its score is when only some players are there."""

import tensorflow as tf

from tf_xai.core import baselines, checks, trees, variants
from tf_xai.core.regions import resolve, share, sizes


class Game:
    """The games of a batch, one per row.

        v(S) = mean over references r of score(x_S, r_rest)

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        regions: The players, see `core.regions.resolve`.
        background: The references, a tree like `inputs` with any number of rows; None takes the baseline.
        baseline: See `core.baselines.resolve`.
        chunk: Evaluations of every row in one forward pass; None bounds the memory.
    """

    def __init__(self, score, inputs, target, regions=None, background=None, baseline="zeros", chunk=None):
        checks.some_floats(inputs)
        self.players = resolve(regions, inputs)
        self.score, self.inputs, self.target, self.chunk = score, inputs, target, chunk
        self._references, self._count = _references(background, baseline, inputs)

    def values(self, coalitions):
        """`v(S)` of coalitions `(coalitions, players)`, booleans that all rows share: `(coalitions, batch)`."""
        # A forward pass holds several coalitions with all references, or one of them with a part of the references.
        capacity = variants.capacity(self.inputs, self.chunk)
        parts = -(-self._count // variants.least(capacity, self._count))
        size = -(-self._count // parts)

        def variant(k):
            place = k[0] % parts * size + tf.range(size)
            references = self._references(tf.minimum(place, self._count - 1))
            weights = tf.cast(place < self._count, tf.float32) / tf.cast(self._count, tf.float32)
            mixed = self._mixed(tf.gather(coalitions, k // parts), references, size)
            return mixed, trees.repeat(tf.repeat(weights, self._batch), tf.shape(k)[0])

        def mean_score(drawn, target):
            mixed, weights = drawn
            weighted = tf.reshape(weights * self.score(mixed, target), [-1, size, self._batch])
            return tf.reshape(tf.reduce_sum(weighted, axis=1), [-1])

        many = coalitions.shape[0]
        target = variants.tile(self.target, size)
        values = variants.map_variants(
            mean_score, variant, many * parts, self.inputs, target, variants.least(capacity // size, many * parts)
        )
        return tf.reduce_sum(tf.reshape(values, [many, parts, self._batch]), axis=1)

    def share(self, values):
        """Values of players `(batch, players)` as a tree like `inputs`, float32.

        Players that a row lacks are to get nothing: what an estimate gives them goes to the others in equal parts.
        """
        there = tf.cast(sizes(self.players, self.inputs) > 0, tf.float32)
        lost = tf.reduce_sum((1 - there) * values, axis=1, keepdims=True)
        values = there * (values + lost / tf.reduce_sum(there, axis=1, keepdims=True))
        return share(values, self.players, self.inputs)

    @property
    def _batch(self):
        return trees.batch_size(self.inputs)

    def _mixed(self, coalitions, references, size):
        """Every row with its absent players from every reference, leaves `(coalitions, references * batch, ...)`."""

        def leaf(x, reference, labels):
            rows = tf.concat([[tf.shape(coalitions)[0], -1], tf.shape(x)[1:]], 0)
            if labels is None:
                return tf.reshape(trees.repeat(x, tf.shape(coalitions)[0] * size), rows)
            there = tf.gather(coalitions, labels, axis=1)
            there = tf.broadcast_to(there, tf.concat([tf.shape(there)[:1], tf.shape(x)], 0))
            # All features of all rows side by side: long axes broadcast several times faster than short ones.
            side_by_side = lambda tensor: tf.reshape(tensor, [tf.shape(tensor)[0], -1])
            mixed = tf.where(side_by_side(there)[:, None], tf.reshape(x, [-1]), side_by_side(reference))
            return tf.reshape(mixed, rows)

        leaves = zip(trees.leaves(self.inputs), trees.leaves(references), self.players.labels, strict=True)
        return trees.pack(self.inputs, [leaf(*each) for each in leaves])


def _references(background, baseline, inputs):
    """A function of numbers `(count,)` to references, leaves `(count, batch, ...)`, and how many there are."""
    if background is None:
        start = baselines.resolve(baseline, inputs)
        return lambda k: trees.map_leaves(lambda leaf: leaf[None], start), 1
    background = trees.tensors(background)
    return baselines.references(background, inputs), trees.batch_size(background)
