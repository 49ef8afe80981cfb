"""Sees what layers put out during a forward pass, in any model: nested, shared, subclassed."""

from contextlib import contextmanager

import keras

from tf_xai.core import checks


@contextmanager
def capture(layers, record):
    """Calls `record(output)` each time one of the layers is called; the layers are left as they were."""
    before = [(layer, vars(layer).get("call")) for layer in layers]
    for layer in layers:
        # Past Keras's attribute tracking: the layer's state does not change.
        vars(layer)["call"] = _recording(layer.call, record)
    try:
        yield
    finally:
        for layer, call in before:
            if call is None:
                del vars(layer)["call"]
            else:
                vars(layer)["call"] = call


def _recording(call, record):
    def recorded(*args, **kwargs):
        output = call(*args, **kwargs)
        record(output)
        return output

    return recorded


def layers_of(model):
    """All layers of a model and of the models nested in it; composite layers count as one."""
    for layer in getattr(model, "layers", ()):
        yield layer
        if isinstance(layer, keras.Model):
            yield from layers_of(layer)


def find_layer(model, layer):
    """The layer itself, or the one with this name, also inside nested models."""
    if not isinstance(layer, str):
        return layer
    named = {found.name: found for found in layers_of(model)}
    return checks.choose("layer", layer, named)
