"""Records in event files, under the default writer of `tf.summary`; tensorboard need not be there.

TensorFlow's own `tf.summary.image` and `scalar` need it. The records that they write do not.
"""

import json
import time

import tensorflow as tf

from tf_xai.board.packing import PLUGIN, VERSION

_SCALAR, _TENSOR, _BLOBS = 1, 2, 3  # of tensorboard's `DataClass`


def writer(directory):
    """A writer of a file in a directory, that comes after those which are there.

    TensorBoard reads files in the order of their names, which have the second, and then a number without leading zeros.
    """
    names = tf.io.gfile.listdir(directory) if tf.io.gfile.isdir(directory) else []
    while any(f".tfevents.{int(time.time())}." in name for name in names):
        time.sleep(0.05)
    return tf.summary.create_file_writer(directory)


def inputs(blob, step=0):
    _write(f"{PLUGIN}/inputs", [blob], step, _BLOBS, {"kind": "inputs"})


def maps(method, blob, step):
    _write(f"{PLUGIN}/{method}/maps", [blob], step, _BLOBS, {"kind": "maps", "method": method})


def numbers(method, columns, values, step, control=False):
    """Values `(n, columns)`."""
    content = {"kind": "numbers", "method": method, "columns": list(columns), "control": control}
    _write(f"{PLUGIN}/{method}/numbers", tf.cast(values, tf.float32), step, _TENSOR, content)


def curves(method, names, shares, values, step, control=False):
    """Values `(n, names, shares)`."""
    content = {"kind": "curves", "method": method, "curves": list(names), "shares": list(shares), "control": control}
    _write(f"{PLUGIN}/{method}/curves", tf.cast(values, tf.float32), step, _TENSOR, content)


def scalar(tag, value, step):
    """A line of the stock dashboards."""
    tf.summary.write(tag, tf.constant(value, tf.float32), step=step, metadata=_metadata("scalars", _SCALAR))


def image(tag, picture, step):
    """A uint8 picture `(height, width, 3)` for the stock dashboards."""
    height, width, _ = picture.shape
    data = tf.stack([str(width), str(height), tf.io.encode_png(picture)])
    tf.summary.write(tag, data, step=step, metadata=_metadata("images", _BLOBS))


def _write(tag, data, step, data_class, content):
    words = json.dumps({"v": VERSION, **content})
    tf.summary.write(tag, data, step=step, metadata=_metadata(PLUGIN, data_class, words.encode()))


def _metadata(plugin, data_class, content=b""):
    proto = tf.compat.v1.SummaryMetadata
    return proto(plugin_data=proto.PluginData(plugin_name=plugin, content=content), data_class=data_class)
