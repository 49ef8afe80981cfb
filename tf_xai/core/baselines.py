"""Baselines: the inputs that stand for "nothing there", one per row."""

import keras
import numpy as np
import tensorflow as tf

from tf_xai.core import checks, random, resize, trees
from tf_xai.core.imputation import NoisyLinear

REMEDY = "Pass one baseline per input, or a name such as 'zeros'."


def resolve(baseline, inputs):
    """A tree like `inputs`, same shapes.

    Args:
        baseline: A name ("zeros", "mean", "blur", "noise"), a number, an array that broadcasts to the inputs, or a
            function of the inputs; or a nest of these in the structure of the inputs.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
    """
    if isinstance(baseline, NoisyLinear):
        raise ValueError(
            "`NoisyLinear` is no baseline by itself: it fills in what metrics such as `deletion` have removed. Pass "
            "'zeros', 'mean', 'blur' or numbers here."
        )
    if callable(baseline):
        baseline = baseline(inputs)
    if isinstance(baseline, (str, int, float, np.generic)):
        return trees.map_leaves(lambda leaf: _leaf(baseline, leaf), inputs)
    checks.same_structure("baseline", baseline, inputs, REMEDY)
    return trees.map_leaves(_leaf, baseline, inputs)


def replacing(baseline, inputs):
    """A function of what stays to inputs in which the rest has the baseline.

    Its argument is a list of booleans `(count, batch, ...)`, one for every leaf, that broadcast to them; None keeps
    all. Its result is nested like the inputs, leaves `(count, batch, ...)`.
    """
    if isinstance(baseline, NoisyLinear):
        starts, fill = trees.leaves(inputs), lambda x, _, there: baseline.fill(x, there)
    else:
        starts, fill = trees.leaves(resolve(baseline, inputs)), lambda x, b, there: tf.where(there, x[None], b[None])

    def replaced(kept):
        count = next(tf.shape(there)[0] for there in kept if there is not None)
        leaves = zip(trees.leaves(inputs), starts, kept, strict=True)
        changed = [trees.repeat(x, count) if there is None else fill(x, b, there) for x, b, there in leaves]
        return trees.pack(inputs, changed)

    return replaced


def references(background, inputs):
    """A function of row numbers `(count,)` to those rows of a background set, one for every row of the inputs.

    Its result is nested like `inputs`, leaves `(count, batch, ...)`. What is not floating point is that of the inputs.
    """
    check_background(background, inputs)

    def leaf(k, rows, x):
        if not trees.is_float(x):
            return trees.repeat(x, tf.shape(k)[0])
        drawn = tf.gather(tf.cast(rows, x.dtype), k)
        return tf.broadcast_to(drawn[:, None], tf.concat([tf.shape(k), tf.shape(x)], 0))

    return lambda k: trees.map_leaves(lambda rows, x: leaf(k, rows, x), background, inputs)


def check_background(background, inputs):
    """Raises unless a background set holds rows like those of the inputs."""
    remedy = "Pass rows of the training data, nested like the inputs."
    checks.same_structure("background", background, inputs, remedy)
    for rows, x in zip(trees.leaves(background), trees.leaves(inputs), strict=True):
        shape = tf.TensorShape(rows.shape)
        if shape.rank != x.shape.rank or not shape[1:].is_compatible_with(x.shape[1:]) or shape[0] == 0:
            raise ValueError(
                f"`background` must hold rows of shape {tuple(x.shape[1:])}. Received: {tuple(shape)}. {remedy}"
            )


def _leaf(baseline, leaf):
    """The baseline of one leaf. A mask is its own baseline."""
    if not trees.is_float(leaf):
        return leaf
    if isinstance(baseline, str):
        return checks.choose("baseline", baseline, BASELINES)(leaf)
    values = tf.cast(baseline, leaf.dtype)
    if not checks.broadcasts(values.shape, leaf.shape):
        raise ValueError(
            f"`baseline` must broadcast to the inputs. Expected: {tuple(leaf.shape)}. "
            f"Received: {tuple(values.shape)}. Pass one row, one value per feature, or a number."
        )
    return tf.broadcast_to(values, tf.shape(leaf))


def zeros(leaf):
    return tf.zeros_like(leaf)


def mean(leaf):
    """Every row's own mean per channel."""
    return tf.broadcast_to(tf.reduce_mean(leaf, _spatial_axes(leaf, "mean"), keepdims=True), tf.shape(leaf))


def blur(leaf):
    """Every row blurred along its spatial axes, by a Gaussian of a tenth of their length."""
    return blurred(leaf, 1.0)[0]


def blurred(leaf, share):
    """A leaf on the way to its blur, blurred by a share of its Gaussian, and the derivative of that by the share."""
    values, slope = resize.blur(leaf, _spatial_axes(leaf, "blur"), 0.1 * share)
    return values, 0.1 * slope


def noise(leaf):
    """Uniform noise between every row's least and largest value, the same draw for all rows."""
    axes = list(range(1, leaf.shape.rank))
    low, high = tf.reduce_min(leaf, axes, keepdims=True), tf.reduce_max(leaf, axes, keepdims=True)
    return low + (high - low) * tf.cast(random.uniform(0, tf.shape(leaf)[1:]), leaf.dtype)


BASELINES = {function.__name__: function for function in (zeros, mean, blur, noise)}


def _spatial_axes(leaf, name):
    if leaf.shape.rank < 3:
        raise ValueError(
            f"`baseline={name!r}` needs inputs with spatial axes, `(batch, ..., channels)`. Received: "
            f"{tuple(leaf.shape)}. For a table pass the training mean, `baseline=x_train.mean(axis=0)`."
        )
    return list(range(1, leaf.shape.rank - 1))


@keras.saving.register_keras_serializable("tf_xai")
class Samples:
    """A baseline drawn from a data set: one of its rows for each row of the batch.

    Args:
        data: Array or nest of arrays in the structure of the inputs, each `(rows, ...)`.
        seed: Integer. The draw depends on it and on the position in the batch only.
    """

    def __init__(self, data, seed=0):
        self.data, self.seed = data, seed

    def __call__(self, inputs):
        checks.same_structure("data", self.data, inputs, "Pass the data set that the model was trained on.")
        data = trees.map_leaves(tf.convert_to_tensor, self.data)
        drawn = random.uniform(self.seed, [trees.batch_size(inputs)]) * tf.cast(trees.batch_size(data), tf.float32)
        return trees.take(data, tf.cast(drawn, tf.int32))

    def get_config(self):
        return {"data": self.data, "seed": self.seed}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))
