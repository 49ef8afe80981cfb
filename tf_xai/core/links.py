"""What a model's outputs are: probabilities, logits or plain numbers; and how to turn one into the other."""

import numbers
from typing import NamedTuple

import keras
import tensorflow as tf

from tf_xai.core import checks

_SOFTMAX_LOSSES = {"categorical_crossentropy", "sparse_categorical_crossentropy", "categorical_focal_crossentropy"}
_SIGMOID_LOSSES = {"binary_crossentropy", "binary_focal_crossentropy"}
_NUMBER_LOSSES = {
    *("mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_logarithmic_error"),
    *("huber", "log_cosh", "poisson", "cosine_similarity"),
}


class Link(NamedTuple):
    """What stands between logits and outputs.

    `kind` is "softmax", "sigmoid", "identity" (numbers) or None (unknown); `from_logits` says that it is still to be
    applied, None that nobody knows.
    """

    kind: str | None
    from_logits: bool | None

    def settle(self, units):
        """Where only the caller knows that these are logits or probabilities, the number of units tells which."""
        if self.kind in (None, "identity") and self.from_logits is not None:
            return Link("sigmoid" if units == 1 else "softmax", self.from_logits)
        return self


def find(model, loss, output=None, from_logits=None):
    """The link of a model's output, read from its last activation, then from the compiled loss.

    `from_logits` overrides what is read; it is what the caller of the model knows.
    """
    link = Link(_activation(model, output), False)
    if link.kind is None:
        loss = of_output(loss, output, model)
        link = Link(None, None) if loss is None else _of_loss(loss)
    return link if from_logits is None else link._replace(from_logits=from_logits)


def convert(outputs, link, space):
    """Outputs `(batch, ...)` as `(batch, classes)` in the space asked for, float32.

    A single sigmoid unit becomes two columns, the negative and the positive class.
    """
    values = tf.cast(outputs, tf.float32)
    if values.shape.rank == 1:
        values = values[:, None]
    link = link.settle(values.shape[-1])
    binary = link.kind == "sigmoid" and values.shape[-1] == 1
    if space == "output":
        return _both_classes(values, link) if binary else values
    if link.kind in (None, "identity"):
        raise ValueError(
            f"`space={space!r}` needs to know what the outputs are. Received a model without a softmax or sigmoid at "
            "the end and without a crossentropy loss. Compile the model with its loss, or pass `from_logits=`."
        )
    logits = _logits(outputs, values, link)
    if binary and space != "all_log_probabilities":
        logits = tf.concat([-logits, logits], axis=-1)
    return SPACES[space](logits, link.kind)


def _both_classes(values, link):
    return tf.concat([-values if link.from_logits else 1 - values, values], axis=-1)


SPACES = {
    "output": None,
    "logit": lambda logits, kind: logits,
    "log_probability": lambda logits, kind: (
        tf.nn.log_softmax(logits) if kind == "softmax" else tf.math.log_sigmoid(logits)
    ),
    # What `RightReasons` sums: of sigmoid units also the probabilities of the negative class.
    "all_log_probabilities": lambda logits, kind: (
        tf.nn.log_softmax(logits) if kind == "softmax" else tf.math.log_sigmoid(tf.concat([-logits, logits], axis=-1))
    ),
    "probability": lambda logits, kind: tf.nn.softmax(logits) if kind == "softmax" else tf.sigmoid(logits),
}


def _logits(outputs, values, link):
    if link.from_logits:
        return values
    # Keras keeps the argument of the last activation on its result: exact also where the probabilities saturate.
    logits = getattr(outputs, "_keras_logits", None)
    if logits is not None:
        return tf.reshape(tf.cast(logits, tf.float32), tf.shape(values))
    tiny = tf.constant(keras.config.epsilon())
    if link.kind == "softmax":
        return tf.math.log(tf.maximum(values, tiny))
    return tf.math.log(tf.maximum(values, tiny)) - tf.math.log(tf.maximum(1 - values, tiny))


def _activation(model, output):
    """ "softmax", "sigmoid" or None: the activation at the end of a Functional or Sequential model."""
    if not getattr(model, "outputs", None):  # a subclassed model, or a Sequential that is not built
        return None
    tensors = keras.tree.flatten(model.outputs)
    tensor = tensors[index(model, output, len(tensors))]
    history = tensor._keras_history
    layer = history.operation
    if isinstance(layer, keras.Model):
        return _activation(layer, history.tensor_index)
    activation = getattr(layer, "activation", layer)
    name = getattr(activation, "__name__", type(activation).__name__).lower()
    return name if name in ("softmax", "sigmoid") else None


def _of_loss(loss):
    """The link that a Keras loss, by name or object, assumes."""
    loss = keras.losses.get(loss)
    from_logits = isinstance(loss, keras.losses.Loss) and bool(loss.get_config().get("from_logits", False))
    name = getattr(loss, "__name__", type(loss).__name__)
    name = "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")
    if name in _SOFTMAX_LOSSES:
        return Link("softmax", from_logits)
    if name in _SIGMOID_LOSSES:
        return Link("sigmoid", from_logits)
    return Link("identity" if name in _NUMBER_LOSSES else None, None)


def of_output(loss, output, model):
    """The loss of one output, where losses are given as a dict or list; None where it has none."""
    if isinstance(loss, dict):
        return loss.get(output if isinstance(output, str) else names(model)[output or 0])
    if isinstance(loss, (list, tuple)):
        return loss[index(model, output, len(loss))]
    return loss


def names(model):
    """The names of a model's outputs, in order: its keys where it returns a dict; none for a subclassed model."""
    # A Sequential has outputs before it has an output.
    if getattr(model, "outputs", None) and isinstance(getattr(model, "output", None), dict):
        return sorted(model.output)
    return list(getattr(model, "output_names", None) or [])


def index(model, output, count):
    """The position of an output among the `count` leaves of the model's outputs."""
    if isinstance(output, str):
        known = names(model)
        if output not in known:
            hint = checks.nearest(output, known)
            raise ValueError(f"Unknown `output`. Expected one of {known}. Received: {output!r}.{hint}")
        return known.index(output)
    if output is not None and not (isinstance(output, numbers.Integral) and -count <= output < count):
        known = names(model) or list(range(count))
        raise ValueError(f"`output` must be one of {known}, or its position. Received: {output!r}.")
    return output or 0
