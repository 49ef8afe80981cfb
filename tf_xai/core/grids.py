"""How a leaf of the inputs is divided: functions of a leaf to labels `(1 or batch, ...)` and how many there are."""

from dataclasses import asdict, dataclass

import keras
import numpy as np
import tensorflow as tf

from tf_xai.core import checks, trees

# The most parts that an axis is cut into, by the number of spatial axes: at most 64 players per input.
_PARTS = {1: 16, 2: 8, 3: 4}


def features(leaf):
    """Every feature is a player."""
    size = trees.row_size(leaf)
    return np.arange(size).reshape(1, *leaf.shape[1:]), size


def columns(leaf):
    """The entries of the last axis are the players: the columns of a table, the channels of a series."""
    if leaf.shape.rank <= 2:
        return features(leaf)
    return _grid(leaf, {leaf.shape.rank - 1: np.arange(leaf.shape[-1])})


def tokens(leaf):
    """The positions along axis 1 are the players."""
    return Windows(1)(leaf)


def cells(leaf):
    """The cells of a grid over the spatial axes are the players, at most 64; in a table every column is one."""
    spatial = leaf.shape[1:-1]
    if not len(spatial):
        return features(leaf)
    most = _PARTS.get(len(spatial), 2)
    return _grid(leaf, {axis: _cut(length, most) for axis, length in enumerate(spatial, 1)})


def _grid(leaf, cuts):
    """The players of a grid over some axes, `{axis: part of every position}`, all other axes together."""
    parts = [int(cut[-1]) + 1 for cut in cuts.values()]
    numbers = np.ravel_multi_index(np.meshgrid(*cuts.values(), indexing="ij"), parts)
    lengths = [length if axis in cuts else 1 for axis, length in enumerate(leaf.shape)]
    return numbers.reshape(lengths), int(np.prod(parts))


def _cut(length, parts):
    """The part of every position along an axis that is cut into so many, as equal as can be."""
    parts = min(length, parts)
    return np.arange(length) * parts // length


def _length(leaf, axis):
    """The length of an axis between batch and channels, or of the columns of a table."""
    if axis >= leaf.shape.rank or axis > max(1, leaf.shape.rank - 2):
        raise ValueError(
            f"`regions` asks for axis {axis} between batch and channels. Received inputs of shape "
            f"{tuple(leaf.shape)}. Pass 'cells', 'columns' or integer labels."
        )
    return leaf.shape[axis]


class _Configured:
    """Checked when made, saved by its fields."""

    def __post_init__(self):
        for name, value in asdict(self).items():
            if isinstance(value, int):
                checks.positive(name, value)

    @property
    def name(self):
        """As which an explanation names it."""
        return repr(self)

    def get_config(self):
        return asdict(self)

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("tf_xai")
@dataclass(frozen=True)
class Patches(_Configured):
    """Square patches of `size` positions along every spatial axis; an eighth of the axis where None."""

    size: int | None = None

    def __call__(self, leaf):
        lengths = leaf.shape[1:-1] if leaf.shape.rank > 2 else leaf.shape[1:]
        return _grid(leaf, {axis: np.arange(n) // (self.size or -(-n // 8)) for axis, n in enumerate(lengths, 1)})


@keras.saving.register_keras_serializable("tf_xai")
@dataclass(frozen=True)
class Windows(_Configured):
    """`length` steps at a time along axis 1, the time of a series or a video; a sixteenth of it where None."""

    length: int | None = None

    def __call__(self, leaf):
        steps = _length(leaf, 1)
        return _grid(leaf, {1: np.arange(steps) // (self.length or -(-steps // 16))})


@keras.saving.register_keras_serializable("tf_xai")
@dataclass(frozen=True)
class Frames(Windows):
    """`length` frames at a time of a video `(batch, frames, height, width, channels)`."""

    length: int = 1


@keras.saving.register_keras_serializable("tf_xai")
@dataclass(frozen=True)
class Bands(_Configured):
    """`count` frequency bands of a spectrogram `(batch, time, frequency, channels)`, along axis 2."""

    count: int = 8

    def __call__(self, leaf):
        return _grid(leaf, {2: _cut(_length(leaf, 2), self.count)})


@keras.saving.register_keras_serializable("tf_xai")
@dataclass(frozen=True)
class Segments(_Configured):
    """At most `count` superpixels of every image of its own, by scikit-image's SLIC. On the CPU; not under XLA.

    `compactness` weighs distance against colour, on images scaled to [0, 1].
    """

    count: int = 50
    compactness: float = 0.1

    def __call__(self, leaf):
        if leaf.shape.rank not in (4, 5):
            raise ValueError(
                f"`regions='segments'` needs images `(batch, height, width, channels)` or volumes. Received: "
                f"{tuple(leaf.shape)}. Pass 'cells', 'columns' or integer labels."
            )
        labels = tf.numpy_function(self._segment, [leaf], tf.int32)
        return tf.ensure_shape(labels, [*leaf.shape[:-1], 1]), self.count

    def _segment(self, images):
        return np.stack([self._superpixels(image) for image in images.astype("float32")])[..., None].astype("int32")

    def _superpixels(self, image):
        from skimage.segmentation import slic

        # SLIC takes the number as a hint: where it comes out with more, it is asked for fewer.
        for wanted in range(self.count, 0, -1):
            labels = slic(image, wanted, self.compactness, convert2lab=False, start_label=0, channel_axis=-1)
            if labels.max() < self.count:
                break
        return labels
