"""Score: a model's output narrowed to the one number per example that is explained."""

import warnings

import keras
import numpy as np
import tensorflow as tf

from tf_xai.core import checks, links

# What a `Score` is made with, beside its model.
SCORE_OPTIONS = ("output", "space", "from_logits")


class Score:
    """A scalar per example: `score(inputs, target) -> (batch,)`, float32 whatever the model's dtype.

    Targets are `(batch,)` integer classes, or weights in the shape of the outputs. None is the predicted class, or the
    only output of a regression or of a sigmoid unit. A sigmoid unit knows the classes 0 and 1.

    Args:
        model: Any Keras model or layer. An `ExplainableModel` is looked through, to the model that it wraps.
        output: Name or index of one of several outputs.
        space: "output" explains the output as it stands; "logit", "log_probability" and "probability" convert it.
        from_logits: What the outputs are, where neither the last activation nor the compiled loss tells.

    The model runs in inference mode: BatchNorm and Dropout are left alone.
    """

    def __init__(self, model, output=None, space="output", from_logits=None):
        checks.choose("space", space, links.SPACES)
        self.model = getattr(model, "_tf_xai_base", model)
        self.output, self.space = output, space
        self.link = links.find(self.model, getattr(model, "loss", None), output, from_logits)
        self.classes = None  # known once the model has been called

    @property
    def is_classifier(self):
        """Whether the outputs are known to be probabilities or logits."""
        return self.link.kind in ("softmax", "sigmoid") or self.link.from_logits is not None

    def __call__(self, inputs, target=None):
        return self.of(self.model(inputs, training=False), target)

    def of(self, outputs, target=None):
        """The score of outputs that the model has given already."""
        return narrow(self.values(outputs), self.target_of(outputs) if target is None else target)

    def values(self, outputs):
        """The explained output in the space asked for, `(batch, classes)`; two classes for a sigmoid unit."""
        values = links.convert(self.select(outputs), self.link, self.space)
        self.classes = values.shape[-1]
        return values

    def resolve(self, inputs, target):
        """The target of a batch: where it is None, the class predicted for these inputs (one forward pass)."""
        return self.target_of(self.model(inputs, training=False)) if target is None else target

    def target_of(self, outputs):
        """The predicted class; for a single unit its last column, which is the output itself."""
        values = self.values(outputs)
        if values.shape.rank > 2:
            raise ValueError(
                f"`target` must be given for outputs of shape {tuple(values.shape)}: pass one weight per output, "
                "for instance 1 for the class and the positions to explain and 0 elsewhere."
            )
        if self._units(outputs) == 1:
            return tf.fill([tf.shape(values)[0]], values.shape[-1] - 1)
        if self.link.settle(self._units(outputs)).kind == "identity":
            raise ValueError(
                f"`target` must be given for a regression with {values.shape[-1]} outputs: no class is predicted. Pass "
                "the number of an output, such as `target=0`, or one weight per output."
            )
        return tf.argmax(values, axis=-1, output_type=tf.int32)

    def from_labels(self, labels, outputs):
        """The target that the labels `y` of a training batch stand for, given the model's outputs.

        Classes, one-hot and multi-hot rows explain the true classes, of all positions where there are several, as in
        segmentation. A regression explains its output, or their sum.
        """
        values, labels = self.values(outputs), tf.convert_to_tensor(self.select(labels))
        kind = self.link.settle(self._units(outputs)).kind
        places = tf.shape(values)[:-1]  # the rows, or every position of every row
        if self._units(outputs) == 1:
            if kind != "sigmoid":
                return self.target_of(outputs) if values.shape.rank == 2 else tf.ones_like(values)
            positive = tf.reshape(tf.cast(labels, tf.float32), places)
            return tf.stack([1 - positive, positive], axis=-1)
        if labels.shape.rank < values.shape.rank or labels.shape[-1] == 1:
            classes = tf.reshape(tf.cast(labels, tf.int32), places)
            return classes if values.shape.rank == 2 else tf.one_hot(classes, values.shape[-1])
        if kind is None:
            raise ValueError(
                f"Labels of shape {tuple(labels.shape)} may be classes or numbers, and nothing says which. Compile "
                "with a Keras loss, pass `from_logits=` to the explainer, or label with integer classes `(batch,)`."
            )
        return tf.ones_like(values) if kind == "identity" else tf.cast(labels, tf.float32)

    def target_from(self, inputs, labels):
        """What is explained for these rows: the score of their labels, or of the predicted class (a forward pass)."""
        outputs = self.model(inputs, training=False)
        return self.target_of(outputs) if labels is None else self.from_labels(labels, outputs)

    def select(self, tree):
        """The leaf of nested outputs, labels or weights that belongs to the explained output."""
        if not isinstance(tree, (dict, list, tuple)):
            return tree
        if isinstance(tree, dict) and self.output in tree:
            return tree[self.output]
        leaves = keras.tree.flatten(tree)
        if len(leaves) > 1 and self.output is None:
            known = list(tree) if isinstance(tree, dict) else links.names(self.model) or list(range(len(leaves)))
            raise ValueError(f"The model has several outputs. Pass `output=`, one of {known}.")
        place = links.index(self.model, self.output, len(leaves))
        if place >= len(leaves) or (isinstance(tree, dict) and isinstance(self.output, str)):
            raise ValueError(
                f"`output={self.output!r}` needs labels of its own, and sample weights if there are any. Received: "
                f"{checks.outline(tree)}. Pass those of the output that is explained."
            )
        return leaves[place]

    def _units(self, outputs):
        outputs = self.select(outputs)
        return 1 if outputs.shape.rank == 1 else outputs.shape[-1]

    def check(self, target):
        """What only concrete targets show: classes that do not exist, and weights under which the score is constant."""
        target = np.asarray(target)
        if self.classes == 1 and target.ndim == 1 and target.any():
            raise ValueError(_NO_CLASSES)
        if target.ndim == 1:
            wrong = np.flatnonzero((target < 0) | (target >= self.classes))
            if wrong.size:
                raise ValueError(
                    f"`target` must be one of {self.classes} classes, 0 to {self.classes - 1}. "
                    f"Received: {target[wrong[0]]}."
                )
        elif self.space in ("output", "probability") and self._sums_to_one() and np.ptp(target, axis=-1).max() == 0:
            warnings.warn(
                "`target` weighs all classes alike, and softmax probabilities always sum to one: the score is constant "
                "and its gradient zero. Pass `space='log_probability'` or 'logit', or one class per row.",
                stacklevel=2,
            )

    def _sums_to_one(self):
        kind, from_logits = self.link.settle(self.classes)
        return kind == "softmax" and (self.space == "probability" or not from_logits)


_NO_CLASSES = "A regression has no classes: leave `target` out. Received numbers that are not class 0."


def read_target(target, rows):
    """What a user passes as target, as an array: one class for all rows, or whole numbers in any dtype or column."""
    target = np.asarray(target)
    if target.dtype.kind not in "iufb":
        raise TypeError(
            f"`target` must hold integer classes or weights of the outputs. Received: {target.dtype}. Pass a method "
            "as `method=`."
        )
    target = np.broadcast_to(target, (rows,)) if target.ndim == 0 else target
    target = target[:, 0] if target.ndim == 2 and target.shape[1] == 1 else target
    if target.ndim > 1:
        return target.astype("float32")
    if not np.array_equal(target, np.round(target)):
        raise ValueError(
            "`target` must hold integer classes `(batch,)` or weights of the outputs `(batch, classes)`. Received: "
            f"fractions, such as {target[target != np.round(target)][0]}. Leave it out for a regression."
        )
    return target.astype("int32")


def narrow(values, target):
    """`(batch, classes)` and a target to `(batch,)`."""
    target = tf.convert_to_tensor(target)
    if target.shape.rank == 1 and target.dtype.is_integer and values.shape.rank == 2:
        return tf.gather(values, tf.cast(target, tf.int32), axis=1, batch_dims=1)
    if target.shape.rank != values.shape.rank or not target.shape[1:].is_compatible_with(values.shape[1:]):
        raise ValueError(
            f"`target` must hold integer classes `(batch,)`, or weights in the shape of the outputs "
            f"{tuple(values.shape)}. Received: {target.dtype.name} of shape {tuple(target.shape)}. "
            "Pass one class per row, or one weight per output; leave it out for a regression."
        )
    return tf.reduce_sum(values * tf.cast(target, tf.float32), axis=list(range(1, values.shape.rank)))


def resolve(score, inputs, target):
    """The target of a batch, for any score: only a `Score` knows which class its model predicts."""
    return score.resolve(inputs, target) if isinstance(score, Score) else target
