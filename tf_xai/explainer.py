"""Explainer: an attribution function with its options fixed."""

import hashlib
import inspect

import keras
import numpy as np
import tensorflow as tf

from tf_xai.attributions import METHODS
from tf_xai.core import baselines, checks, data, links, trees, variants
from tf_xai.core.score import Score, narrow, read_target
from tf_xai.core.tracing import trace

# Bound explainers that a model keeps; the oldest goes first.
KEPT = 32

_SCORE_OPTIONS = ("output", "space", "from_logits")


@keras.saving.register_keras_serializable("tf_xai")
class Explainer:
    """An attribution method and its options; it knows no model until `bind`.

    Args:
        method: A name in `tf_xai.attributions.METHODS`.
        output: Name or index of one of several outputs.
        space: "output" explains the output as it stands; "logit", "log_probability" or "probability" convert it.
        from_logits: What the outputs are, where neither the last activation nor the compiled loss tells.
        **options: Options of the method. An unknown one is a TypeError.

    >>> Explainer("integrated_gradients", steps=16)
    Explainer('integrated_gradients', steps=16)
    """

    def __init__(self, method="integrated_gradients", *, output=None, space="output", from_logits=None, **options):
        self._function = checks.choose("method", method, METHODS)
        valid = [p.name for p in inspect.signature(self._function).parameters.values() if p.kind == p.KEYWORD_ONLY]
        for name in options:
            if name not in valid:
                raise TypeError(
                    f"`{method}` has no option {name!r}. Expected some of {valid + list(_SCORE_OPTIONS)}."
                    + checks.nearest(name, valid + list(_SCORE_OPTIONS))
                )
        checks.choose("space", space, links.SPACES)
        self.method, self.output, self.space, self.from_logits = method, output, space, from_logits
        self.options = {name: data.without_frames(value) for name, value in options.items()}
        self.defaults = inspect.signature(self._function).parameters

    def option(self, name):
        """The value of an option, given or default; None where the method has no such option."""
        if name in self.options:
            return self.options[name]
        return self.defaults[name].default if name in self.defaults else None

    def has(self, name):
        return name in self.defaults

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
        score = {name: getattr(self, name) for name in _SCORE_OPTIONS}
        return {"method": self.method, **{k: v for k, v in score.items() if v != _DEFAULTS[k]}, **self.options}

    def get_config(self):
        return keras.saving.serialize_keras_object(self._arguments())

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))

    def __repr__(self):
        method, *rest = self._arguments().items()
        words = [f"{name}={checks.in_words(value)!r}" for name, value in rest]
        return f"Explainer({', '.join([repr(method[1]), *words])})"


_DEFAULTS = {name: inspect.signature(Explainer.__init__).parameters[name].default for name in _SCORE_OPTIONS}


class BoundExplainer:
    """An explainer and a model: `explain(inputs, target)`."""

    def __init__(self, explainer, model):
        self.explainer, self.method = explainer, explainer.method
        self.score = Score(model, **{name: getattr(explainer, name) for name in _SCORE_OPTIONS})
        # As tensors, arrays are inputs of the traced function; as NumPy arrays they would be constants in its graph.
        self._options = {name: _as_tensors(value, self.score.model) for name, value in explainer.options.items()}
        self._attribute = trace(self.attribute)
        self._report = trace(self._attribute_and_score)

    def __call__(self, inputs, target=None, **changes):
        """Attributions of a batch: a tree like `inputs`.

        Args:
            inputs: Tensor or nested tensors, each `(batch, ...)`.
            target: `(batch,)` integer classes, weights of the outputs, or None for the predicted class.
            **changes: Options for this call only, such as `seed` (an integer tensor traces only once).
        """
        if tf.inside_function():
            return self.attribute(inputs, target, **changes)
        return self._checked(self._attribute, inputs, target, changes)

    def attribute(self, inputs, target=None, **changes):
        """The same, always as part of the graph or the eager code around it."""
        explainer = self.explainer
        with checks.context(f"While computing {explainer!r} of inputs of shape {checks.shapes(inputs)}."):
            return explainer._function(self.score, inputs, target, **{**self._options, **changes})

    def report(self, inputs, target=None, **changes):
        """Attributions and what they explain: `values, score, baseline_score, target` in a dict."""
        return self._checked(self._report, inputs, target, changes)

    def _checked(self, function, inputs, target, changes):
        """Calls a traced function on what the user passed; a class that does not exist is named as such."""
        inputs = data.to_tensors(self.score.model, inputs)
        if target is None:
            return function(inputs, None, **changes)
        target = read_target(target, trees.batch_size(inputs))
        try:
            result = function(inputs, tf.constant(target), **changes)
        except tf.errors.InvalidArgumentError:
            self.score.check(target)  # usually a class that does not exist
            raise
        self.score.check(target)
        return result

    def _attribute_and_score(self, inputs, target, **changes):
        with checks.context(f"While scoring {self.explainer!r} of inputs of shape {checks.shapes(inputs)}."):
            outputs = self.score.model(inputs, training=False)
            target = self.score.target_of(outputs) if target is None else target
            score = self.score.of(outputs, target)
            baseline_score = self.baseline_score(inputs, target, **changes)
        values = self.attribute(inputs, target, **changes)
        return {"values": values, "score": score, "baseline_score": baseline_score, "target": target}

    def baseline_score(self, inputs, target, **changes):
        """`(batch,)`: the score at the baseline, or the mean score of the background; None for methods without one."""
        if self.explainer.has("background"):
            return narrow(self._background_values(inputs), target)
        if self.explainer.has("baseline"):
            baseline = changes.get("baseline", self._options.get("baseline", self.explainer.option("baseline")))
            return self.score(baselines.resolve(baseline, inputs), target)
        return None

    def _background_values(self, inputs):
        """The mean outputs of the background for every row, or of the other rows of the batch."""
        background = self._options.get("background")
        values = self.score.values(self.score.model(inputs if background is None else background, training=False))
        if background is None:
            others = tf.cast(tf.maximum(tf.shape(values)[0] - 1, 1), tf.float32)
            return (tf.reduce_sum(values, axis=0) - values) / others
        return tf.repeat(tf.reduce_mean(values, axis=0, keepdims=True), trees.batch_size(inputs), axis=0)


def _as_tensors(option, model):
    """Arrays of an option, also nested, as tensors; anything else as it is."""
    leaves = keras.tree.flatten(option)
    if any(hasattr(leaf, "__array__") for leaf in leaves):
        return data.to_tensors(model, option)
    return option


def _freeze(value):
    """A hashable stand-in for an option: arrays by their content, objects by their identity."""
    if isinstance(value, dict):
        return tuple((name, _freeze(entry)) for name, entry in value.items())
    if isinstance(value, (list, tuple)):
        return type(value), tuple(_freeze(entry) for entry in value)
    if isinstance(value, (np.ndarray, tf.Tensor)):
        array = np.ascontiguousarray(value)
        return array.shape, str(array.dtype), hashlib.sha1(array.tobytes()).hexdigest()
    return value
