"""What an AttributionBoard has written."""

import json

import pandas as pd
import tensorflow as tf

from tf_xai.board import packing


def events(folder):
    """`{(tag, step): (tensor, plugin, content)}` of all event files; content is that of the tag's first record."""
    found, contents = {}, {}
    for path in sorted(folder.glob("events*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                plugin = value.metadata.plugin_data
                contents.setdefault(value.tag, json.loads(plugin.content or "{}"))
                found[value.tag, event.step] = (tf.make_ndarray(value.tensor), plugin.plugin_name, contents[value.tag])
    return found


def blob(folder, tag, step=0):
    """What was packed: header and arrays."""
    ((data,), plugin, content) = events(folder / "xai")[tag, step]
    assert plugin == "tf_xai" and content["v"] == 1
    return packing.unpack(data)


def table(folder, method, step=0):
    """The numbers of a method as a frame."""
    values, _, content = events(folder / "xai")[f"tf_xai/{method}/numbers", step]
    return pd.DataFrame(values, columns=content["columns"])


def fit(model, x, y, *boards, epochs=1, loss="sparse_categorical_crossentropy", **options):
    model.compile("adam", loss)
    return model.fit(x, y, epochs=epochs, verbose=0, callbacks=list(boards), **options)
