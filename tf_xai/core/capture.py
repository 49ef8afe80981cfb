"""Sees what layers put out during a forward pass, in any model: nested, shared, subclassed."""

import inspect
import itertools
from contextlib import contextmanager
from functools import wraps

import keras

from tf_xai.core import checks


@contextmanager
def capture(layers, record):
    """Calls `record(output)` each time one of the layers is called; the layers are left as they were."""

    def see(layer, number, first, output):
        record(output)
        return output

    with calls(layers, see):
        yield


@contextmanager
def calls(layers, see):
    """Puts `see(layer, number, first argument, output)` in the place of what layers put out, call by call."""

    def wrap(layer, call):
        count = itertools.count()

        @wraps(call)
        def seen(*args, **kwargs):
            first = next(iter(arguments(call, args, kwargs).values()), None)
            return see(layer, next(count), first, call(*args, **kwargs))

        return seen

    with patched(layers, wrap):
        yield


@contextmanager
def patched(layers, wrap):
    """Puts `wrap(layer, call)` in the place of every layer's call; the layers are left as they were."""
    layers = list({id(layer): layer for layer in layers}.values())
    before = [(layer, vars(layer).get("call")) for layer in layers]
    for layer in layers:
        # Past Keras's attribute tracking: the layer's state does not change.
        vars(layer)["call"] = wrap(layer, layer.call)
    try:
        yield
    finally:
        for layer, call in before:
            if call is None:
                del vars(layer)["call"]
            else:
                vars(layer)["call"] = call


def arguments(call, args, kwargs):
    """What a layer is called with, by name."""
    return inspect.signature(call).bind(*args, **kwargs).arguments


@contextmanager
def unrolled(model):
    """Recurrent layers of a model as plain operations, step after step, instead of a loop."""
    recurrent = recurrent_layers(model) if model else []
    before = [layer.unroll for layer in recurrent]
    try:
        for layer in recurrent:
            vars(layer)["unroll"] = True
        yield
    finally:
        for layer, unroll in zip(recurrent, before, strict=True):
            vars(layer)["unroll"] = unroll


def layers_of(model):
    """All layers of a model and of the models nested in it; composite layers count as one."""
    for layer in getattr(model, "layers", ()):
        yield layer
        if isinstance(layer, keras.Model):
            yield from layers_of(layer)


def recurrent_layers(model):
    """The layers of a model that go through time step by step, wherever they are in it."""
    return [layer for layer in model._flatten_layers() if hasattr(layer, "unroll")]


def attention_layers(model):
    """The attention layers of a model or layer, wherever they are in it; itself, where it is one."""
    kinds = (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention)
    return [layer for layer in model._flatten_layers() if isinstance(layer, kinds)]


def find_layer(model, layer):
    """The layer itself, or the one with this name, also inside nested models and composite layers."""
    if isinstance(layer, keras.Layer):
        return layer
    if not isinstance(layer, str):
        raise ValueError(f"`layer` must be the name of a layer, or the layer itself. Received: {layer!r}.")
    outer, inner = list(layers_of(model)), model._flatten_layers(include_self=False)
    # Layers of models come first: composite layers have parts called "query" or "dropout".
    found = [entry for entry in outer if entry.name == layer] or [entry for entry in inner if entry.name == layer]
    if not found:
        checks.choose("layer", layer, {entry.name: entry for entry in outer})
    if any(entry is not found[0] for entry in found):
        raise ValueError(
            f"`layer` must name one layer. Received: {layer!r}, and several have it. Pass the layer itself."
        )
    return found[0]


def model_of(score):
    """The model of a `Score`: other scores have none to look into."""
    if not hasattr(score, "model"):
        raise TypeError(f"This method needs a `Score`, to look into its model. Received: {type(score)}.")
    return score.model
