"""Imputation: what the neighbours of missing pixels let expect in their place."""

from dataclasses import asdict, dataclass

import keras
import numpy as np
import tensorflow as tf

from tf_xai.core import random, trees

# Direct neighbours weigh twice as much as diagonal ones, all of them 1.
_WEIGHTS = np.array([[1, 2, 1], [2, 0, 2], [1, 2, 1]], "float32") / 12


@keras.saving.register_keras_serializable("tf_xai")
@dataclass(frozen=True)
class NoisyLinear:
    """Replaces the pixels of images that are missing by the weighted mean of their neighbours, and a little noise.

    A model can not read off such images which pixels are missing, as it can where all of them are black. Neighbours
    that are missing themselves are solved for: one linear system per image, by conjugate gradients. Neighbours beyond
    the border do not count; of an image without any pixels the mean is left. For metrics that remove features.

    Args:
        noise: Standard deviation of the noise, in units of the inputs.
        seed: Integer.

    Reference: Rong et al., 2022 (ROAD), https://arxiv.org/abs/2202.00449
    """

    noise: float = 0.01
    seed: int = 0

    def fill(self, image, there):
        """Images `(count, batch, height, width, channels)` of `(batch, ...)`, filled in where `there` is False."""
        if image.shape.rank != 4:
            raise ValueError(
                f"`NoisyLinear` needs images `(batch, height, width, channels)`. Received: {tuple(image.shape)}. Pass "
                "another baseline, such as 'zeros'."
            )
        count = tf.shape(there)[0]
        pixels = trees.merge(trees.repeat(tf.cast(image, tf.float32), count))
        kept = tf.cast(trees.merge(tf.broadcast_to(there, tf.concat([[count], tf.shape(image)], 0))), tf.float32)
        drawn = self.noise * random.normal(self.seed, tf.shape(image)[1:])
        filled = kept * pixels + (1 - kept) * (_solved(pixels, kept) + drawn)
        return trees.split(tf.cast(filled, image.dtype), count)

    def get_config(self):
        return asdict(self)


def _solved(pixels, kept):
    """Pixels that are missing are the means of their neighbours: conjugate gradients from the mean of the image."""
    around = tf.constant(np.tile(_WEIGHTS[..., None, None], (1, 1, pixels.shape[-1], 1)))
    neighbours = lambda image: tf.nn.depthwise_conv2d(image, around, [1, 1, 1, 1], "SAME")
    missing, inside = 1 - kept, neighbours(tf.ones_like(pixels[:1]))
    laplace = lambda image: missing * (inside * image - neighbours(missing * image))
    dot = lambda a, b: tf.reduce_sum(a * b, axis=[1, 2], keepdims=True)

    guess = missing * tf.reduce_mean(pixels, axis=[1, 2], keepdims=True)
    rest = missing * neighbours(kept * pixels) - laplace(guess)
    floor = 1e-13 * dot(pixels, pixels)  # what float32 can tell from zero

    def step(guess, rest, direction, size):
        moved = laplace(direction)
        stride = tf.where(size > floor, tf.math.divide_no_nan(size, dot(direction, moved)), 0.0)
        guess, rest = guess + stride * direction, rest - stride * moved
        fresh = dot(rest, rest)
        return guess, rest, rest + tf.math.divide_no_nan(fresh, size) * direction, fresh

    open_ends = lambda guess, rest, direction, size: tf.reduce_any(size > floor)
    state = (guess, rest, rest, dot(rest, rest))
    most = 2 * (tf.shape(pixels)[1] + tf.shape(pixels)[2])
    return tf.while_loop(open_ends, step, state, maximum_iterations=most)[0]
