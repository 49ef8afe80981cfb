"""Explainer: an attribution function with its options fixed."""

import hashlib
import inspect

import keras
import numpy as np

from tf_xai.attributions import METHODS
from tf_xai.bound_explainer import BoundExplainer
from tf_xai.core import checks, data, links, variants
from tf_xai.core.score import SCORE_OPTIONS

# Bound explainers that a model keeps; the oldest goes first.
KEPT = 32


@keras.saving.register_keras_serializable("tf_xai")
class Explainer:
    """An attribution method and its options; it knows no model until `bind`.

    Args:
        method: A name in `tf_xai.attributions.METHODS`.
        output: Name or index of one of several outputs.
        space: "output" explains the output as it stands; "logit", "log_probability" or "probability" convert it.
        from_logits: What the outputs are, where neither the last activation nor the compiled loss tells.
        **options: Options of the method. An unknown one is a TypeError. `layer=` explains the output of a layer,
            not the inputs, unless the method has an option of that name.

    >>> Explainer("integrated_gradients", steps=16)
    Explainer('integrated_gradients', steps=16)
    """

    def __init__(self, method="integrated_gradients", *, output=None, space="output", from_logits=None, **options):
        if isinstance(method, str) and method == "auto":
            raise ValueError("`method='auto'` needs a model to choose for: pass it to `xai.explain`. Received: 'auto'.")
        self.defaults = inspect.signature(checks.choose("method", method, METHODS)).parameters
        self.valid = [p.name for p in self.defaults.values() if p.kind == p.KEYWORD_ONLY]
        self.layer = None if "layer" in self.valid else options.pop("layer", None)
        checks.known_options(method, options, {*self.valid, "layer", *SCORE_OPTIONS})
        if options.get("background") is not None and options.get("baseline") is not None:
            raise ValueError(
                "`background` and `baseline` exclude each other: both say what is compared with. Pass one."
            )
        for name in ("background", "baseline"):
            checks.finite(name, options.get(name))
        checks.choose("space", space, links.SPACES)
        self.method, self.output, self.space, self.from_logits = method, output, space, from_logits
        self.options = {name: data.without_frames(value) for name, value in options.items()}

    def option(self, name):
        """The value of an option, given or default; None where the method has no such option."""
        if name in self.options:
            return self.options[name]
        return self.defaults[name].default if name in self.valid else None

    def has(self, name):
        return name in self.valid

    def replace(self, **options):
        """The same explainer with other options."""
        return type(self)(**{**self._arguments(), **options})

    def in_training(self):
        """The same explainer in one chunk: the tape of a training step keeps every pass, a loop would save nothing."""
        whole = self.has("chunk") and self.option("chunk") is None
        return self.replace(chunk=variants.ALL) if whole else self

    def bind(self, model):
        """A callable `(inputs, target) -> tree`, for tensors, inside or outside a graph.

        The model keeps it, so that binding again traces nothing again.
        """
        if not isinstance(model, keras.Layer):
            raise TypeError(f"`model` must be a Keras model. Received: {type(model).__name__}.")
        cache = vars(model).setdefault("_tf_xai_bound", {})
        # What a trace depends on beside the options: the loss tells what the outputs are, and layers may be edited.
        layers = tuple((id(layer), getattr(layer, "activation", None)) for layer in model._flatten_layers())
        key = (_freeze(self._arguments()), _freeze(getattr(model, "loss", None)), layers)
        if key not in cache:
            cache[key] = BoundExplainer(self, model)
        if len(cache) > KEPT:
            del cache[next(iter(cache))]
        return cache[key]

    def _arguments(self):
        score = {name: getattr(self, name) for name in SCORE_OPTIONS}
        layer = {} if self.layer is None else {"layer": self.layer}
        return {"method": self.method, **{k: v for k, v in score.items() if v != _DEFAULTS[k]}, **layer, **self.options}

    def get_config(self):
        return keras.saving.serialize_keras_object(self._arguments())

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))

    def __repr__(self):
        method, *rest = self._arguments().items()
        words = [f"{name}={checks.in_words(value)!r}" for name, value in rest]
        return f"Explainer({', '.join([repr(method[1]), *words])})"


_DEFAULTS = {name: inspect.signature(Explainer.__init__).parameters[name].default for name in SCORE_OPTIONS}


def _freeze(value):
    """A hashable stand-in for an option: arrays by their content, objects by their identity."""
    if isinstance(value, dict):
        return tuple((name, _freeze(entry)) for name, entry in value.items())
    if isinstance(value, (list, tuple)):
        return type(value), tuple(_freeze(entry) for entry in value)
    if hasattr(value, "__array__"):
        array = np.ascontiguousarray(value)
        return array.shape, str(array.dtype), hashlib.sha1(array.tobytes()).hexdigest()
    return value
