"""A Keras model as other packages want it: a function of NumPy arrays; and their options, sorted."""

import inspect

import numpy as np
import tensorflow as tf

from tf_xai.core import checks, data, trees, variants
from tf_xai.core.score import SCORE_OPTIONS, Score, read_target
from tf_xai.core.tracing import trace


class Predict:
    """`predict(rows) -> (rows, classes)`: the explained output, two columns for a sigmoid unit, one for a regression.

    Args:
        model: Any Keras model.
        encode: Function of the rows to the inputs of the model; None passes them on.
        **score: `output`, `space` and `from_logits`, see `Score`.
    """

    def __init__(self, model, encode=None, **score):
        self.score = Score(model, **score)
        self._encode = encode or (lambda rows: rows)
        self._values = trace(lambda inputs: self.score.values(self.score.model(inputs, training=False)))

    def __call__(self, rows):
        inputs = self.inputs(rows)
        size = max(1, variants.ELEMENTS // trees.row_size(inputs))
        values = np.concatenate([self._values(batch).numpy() for batch, _ in data.batches(inputs, None, size)])
        if values.ndim != 2:
            raise ValueError(
                f"lime and shap explain outputs `(rows, classes)`. Received: {values.shape}. Use `xai.explain`, whose "
                "`target` may weigh outputs of any shape."
            )
        if not np.isfinite(values).all():
            raise ValueError(
                "The model gives outputs that are not finite for changed rows, such as a text without any words, all "
                "padding. Mend the model (a pooling that divides by zero), or pass an `encode=` that keeps one word."
            )
        return values

    def inputs(self, rows):
        """The rows as the model's inputs: tensors."""
        return data.to_tensors(self.score.model, self._encode(rows))

    def classes(self, rows, target=None):
        """The class to explain of every row, `(rows,)`: the one asked for, or the predicted one."""
        inputs = self.inputs(rows)
        predicted = self.score.resolve(inputs, None).numpy()
        if target is None:
            return predicted
        target = read_target(target, len(predicted))
        if target.ndim != 1:
            raise ValueError(
                f"`target` must hold one class per row. Received weights of shape {target.shape}. Use `xai.explain`, "
                "which explains weighted outputs."
            )
        self.score.check(target)
        return target

    @property
    def is_regression(self):
        """Whether there is one column only; known once the model has been called."""
        return self.score.classes == 1


def strings(model, encode):
    """A function of strings to the model's inputs: `encode`, or the strings themselves in the shape it declares."""
    if encode is not None:
        return lambda rows: encode([str(row) for row in rows])
    specs = getattr(model, "inputs", None)
    if specs and specs[0].dtype != "string":
        raise ValueError(
            f"The model takes {specs[0].dtype}, not strings. Pass `encode=`, a function of a list of strings to that."
        )
    rank = len(specs[0].shape) if specs else 1
    return lambda rows: tf.reshape(tf.constant([str(row) for row in rows]), [-1] + [1] * (rank - 1))


def sort(name, options, *functions, given=()):
    """What of the options belongs to the score and to every one of some functions: a list of dicts.

    Args:
        name: What the user called, for the message.
        options: What the user passed beyond its own arguments.
        functions: Functions with these options, or the names of the options.
        given: Names of arguments that are not the user's.
    """
    known = [
        set(SCORE_OPTIONS),
        *(set(_names(function)) - {"self", "args", "kwargs", "call_args", *given} for function in functions),
    ]
    everything = sorted(set().union(*known))
    for option in options:
        if option not in everything:
            hint = checks.nearest(option, everything)
            raise TypeError(f"`{name}` has no option {option!r}. Expected some of {everything}.{hint}")
    return [{option: value for option, value in options.items() if option in names} for names in known]


def _names(function):
    return inspect.signature(function).parameters if callable(function) else function
