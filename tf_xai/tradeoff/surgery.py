"""Gradients of task and penalties, made one: where they conflict, neither is to undo the other."""

import keras
import tensorflow as tf

from tf_xai.tradeoff.base import Fixed

# Moves of weight from one gradient to another, where there are more than two.
STEPS = 30


@keras.saving.register_keras_serializable("tf_xai")
class PCGrad(Fixed):
    """Takes from every gradient what points against another one, and adds what is left.

        g_i <- g_i - min(0, <g_i, g_j>) / |g_j|^2 g_j    for all j != i, where g_j are the gradients as they were

    Every penalty costs a backward pass of its own.

    Reference: Yu et al., 2020, https://arxiv.org/abs/2001.06782 (which goes through the j in random order; for a
    task and one penalty there is only one)
    """

    merges = True

    def merge(self, gradients):
        own = [_flat(gradient) for gradient in gradients]
        total = tf.zeros_like(own[0])
        for i, gradient in enumerate(own):
            for other in own[:i] + own[i + 1 :]:
                conflict = tf.minimum(_dot(gradient, other), 0.0)
                gradient -= tf.math.divide_no_nan(conflict, _dot(other, other)) * other
            total += gradient
        return _unflat(total, gradients[0])


@keras.saving.register_keras_serializable("tf_xai")
class MGDA(Fixed):
    """Takes the shortest convex combination of the gradients: a step along it makes no loss larger.

        min |sum_i a_i g_i|^2,    a_i >= 0,    sum_i a_i = 1

    Found by pairwise Frank-Wolfe steps; for a task and one penalty the first is exact. A gradient of zero, as of a loss
    that is not due at a step, takes no part. Every penalty costs a backward pass of its own.

    Args:
        normalize: Whether to compare directions only, by scaling every gradient to the length of the task's (or of the
            first that is not zero). Else the smallest gradient decides, so that a penalty near its minimum stops the
            training of the task.

    Reference: Désidéri, 2012, https://doi.org/10.1016/j.crma.2012.03.014; Sener, Koltun, 2018,
    https://arxiv.org/abs/1810.04650
    """

    merges = True

    def __init__(self, normalize=True):
        self.normalize = normalize

    def merge(self, gradients):
        own = tf.stack([_flat(gradient) for gradient in gradients])
        length = tf.norm(own, axis=1)
        takes_part = length > 0
        if self.normalize:
            common = tf.gather(length, tf.argmax(tf.cast(takes_part, tf.int32)))
            own *= tf.math.divide_no_nan(common, length)[:, None]
        gram = tf.matmul(own, own, transpose_b=True)
        weights = _one_hot_least(tf.linalg.diag_part(gram), takes_part)
        for _ in range(1 if len(gradients) == 2 else STEPS):
            slopes = tf.linalg.matvec(gram, weights)
            least, most = _one_hot_least(slopes, takes_part), _one_hot_least(-slopes, weights > 0)
            move = least - most
            # As far as the point on that line that is nearest to the origin, and no weight below zero.
            step = -tf.math.divide_no_nan(_dot(move, slopes), _dot(move, tf.linalg.matvec(gram, move)))
            weights += tf.clip_by_value(step, 0.0, _dot(most, weights)) * move
        return _unflat(tf.linalg.matvec(own, weights, transpose_a=True), gradients[0])

    def get_config(self):
        return {"normalize": self.normalize}


def _one_hot_least(values, takes_part):
    return tf.one_hot(tf.argmin(tf.where(takes_part, values, float("inf"))), values.shape[0])


def _dot(one, other):
    return tf.reduce_sum(one * other)


def _flat(gradient):
    """All tensors of a gradient in one vector, float32."""
    return tf.concat([tf.reshape(tf.cast(part, tf.float32), [-1]) for part in gradient], 0)


def _unflat(vector, like):
    """A vector as tensors in the shapes of `like`."""
    parts = tf.split(vector, [part.shape.num_elements() for part in like])
    return [tf.reshape(part, shape.shape) for part, shape in zip(parts, like, strict=True)]
