"""AttributionBoard: pictures of attributions and their metrics, epoch by epoch."""

from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tf_xai.callbacks import probe
from tf_xai.callbacks.probe import Probe, by_name
from tf_xai.core import trees
from tf_xai.core.tracing import trace
from tf_xai.visual.overlay import grid, overlay


class AttributionBoard(keras.callbacks.Callback):
    """Writes attributions of a few examples, and all scalars of the logs, at the end of every epoch.

    TensorBoard's Images and Scalars dashboards show them, under `<log_dir>/xai`. Where tensorboard is not installed
    the pictures are also written as PNG files, `<log_dir>/xai/<name>/epoch-0001.png`.

    Args:
        log_dir: Directory of this run's logs.
        x: Inputs of the examples, each `(rows, ...)`.
        y: Labels as in `fit`; None explains the predicted class.
        explainers: A name, an `Explainer`, a list of them, or a dict of name to explainer.
        examples: How many of the rows are drawn.
    """

    def __init__(self, log_dir, x, y=None, explainers="integrated_gradients", examples=8):
        super().__init__()
        self.x, self.y, _ = probe.read(x, y)
        self.log_dir, self.examples = Path(log_dir) / "xai", examples
        self.explainers = by_name(explainers)
        self._probe = None

    def on_train_begin(self, logs=None):
        fresh = Probe(self.model, self.x, self.y, self.explainers)
        if self._probe is None or fresh.bound != self._probe.bound:
            self._probe, self._traced = fresh, trace(self._explain)
        self._writer = tf.summary.create_file_writer(str(self.log_dir))

    def on_epoch_end(self, epoch, logs=None):
        inputs, labels = self._probe.take(self.examples)
        attributions = self._traced(inputs, labels)
        with self._writer.as_default():
            for name, values in attributions.items():
                picture = _draw(trees.map_leaves(np.asarray, inputs), trees.map_leaves(np.asarray, values))
                _write_image(f"attributions/{name}", picture, epoch)
                if find_spec("tensorboard") is None:
                    self._write_png(name, picture, epoch)
            for name, value in (logs or {}).items():
                _write_scalar(name, value, epoch)
        self._writer.flush()

    def on_train_end(self, logs=None):
        self._writer.close()

    def _explain(self, inputs, labels):
        """The attributions of all explainers, in one graph."""
        bound = self._probe.bound
        return {name: each.attribute(inputs, each.score.target_from(inputs, labels)) for name, each in bound.items()}

    def _write_png(self, name, picture, epoch):
        path = self.log_dir / name / f"epoch-{epoch + 1:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tf.io.encode_png(picture).numpy())


def _draw(inputs, values):
    """Images: the inputs over their overlays. Anything else: a figure."""
    if isinstance(inputs, np.ndarray) and inputs.ndim == 4 and inputs.shape[-1] in (1, 3):
        plain = overlay(inputs, np.zeros_like(inputs))
        return grid([list(plain), list(overlay(inputs, values))], scale=max(1, 96 // inputs.shape[1]))
    from tf_xai.visual.figures import image, plot  # matplotlib takes its time to import

    return image(plot(values, inputs))


# TensorFlow's own `tf.summary.image` and `scalar` need tensorboard; the records that they write do not.
_SCALAR, _BLOB_SEQUENCE = 1, 3


def _write_image(tag, picture, step):
    height, width, _ = picture.shape
    data = tf.stack([str(width), str(height), tf.io.encode_png(picture)])
    tf.summary.write(tag, data, step=step, metadata=_metadata("images", _BLOB_SEQUENCE))


def _write_scalar(tag, value, step):
    tf.summary.write(tag, tf.constant(value, tf.float32), step=step, metadata=_metadata("scalars", _SCALAR))


def _metadata(plugin, data_class):
    proto = tf.compat.v1.SummaryMetadata
    return proto(plugin_data=proto.PluginData(plugin_name=plugin), data_class=data_class)
