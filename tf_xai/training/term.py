"""Term: one explanation loss at work in one model."""

import inspect
import warnings
from functools import partial

import keras
import tensorflow as tf

from tf_xai.core import checks, links, trees
from tf_xai.core.gradients import by_forward_mode, gradients_of_each, with_gradient
from tf_xai.losses.kinks import warn_of_kinks
from tf_xai.training import counted
from tf_xai.training.evidence import missing

# An automatic weight that is not set yet.
UNSET = -1.0


class Term:
    """An explanation loss bound to a model, with its line in the logs and its weight.

    Args:
        forward: Whether penalties on gradients are differentiated by reverse over forward mode.
    """

    def __init__(self, loss, model, state, forward):
        self.loss, self.line, self.weight_line = loss, f"xai_{loss.name}_loss", f"xai_{loss.name}_weight"
        self._model, self._explain, self._forward = model, loss.bind(model), forward
        self.score = loss.score(self._explain)
        _warn_of_unknown_outputs(loss, self.score, model)
        warn_of_kinks(loss, self.score)
        self.metric = _MeanIfAny(name=self.line)
        self._auto = state.variable(loss.name, UNSET) if loss.weight == "auto" else None

    @property
    def auto_weight(self):
        """The automatic weight, 0 while it is not set; None for a fixed one."""
        return None if self._auto is None else tf.maximum(tf.convert_to_tensor(self._auto), 0.0)

    @property
    def shares(self):
        """Whether the gradients of the task's own forward pass serve, so that none is made for the loss."""
        by_gradient = getattr(self._explain, "method", None) == "gradient" and self._explain.at_inputs
        return by_gradient and not self._forward and self.loss.every == self.loss.fraction == 1

    def lacks(self, evidence, training):
        """Whether there is no evidence for a loss that needs some."""
        return missing(type(self.loss).__name__, self.loss.needs_evidence, evidence, training)

    def target(self, y, outputs, sample_weight):
        """What is explained, and the weight of every row or None."""
        target = self.loss.target(self.score, self.score.select(y), outputs)
        return counted.of_batch(target, self.score, self._model.loss, y, sample_weight)

    def penalty(self, batch, shared, step):
        """The mean penalty of a batch, each row times its weight; the log has it without the weights.

        There rows of weight zero do not count. What a loss has nothing to compare with has neither.

        Args:
            step: The number of the training step, which decides whether and on which rows; None in validation.
        """
        if step is not None and self.loss.fraction < 1:
            batch = batch.take(_turn(trees.batch_size(batch.inputs), self.loss.fraction, step // self.loss.every))
        compute = lambda: self._mean_and_rows(batch, shared)
        # Run eagerly, explainers are traced by themselves, and their gradients stay inside.
        if step is not None and self._forward and tf.inside_function():
            compute = partial(by_forward_mode, compute)
        count = trees.batch_size(batch.inputs)
        if step is None or self.loss.every == 1:
            due, (mean, rows) = True, compute()
        else:
            due = step % self.loss.every == 0
            mean, rows = self._only_if(due, compute, count)
        tells = tf.cast(due, tf.float32) * tf.cast(self.loss.tells(batch), tf.float32)
        self.metric.update_state(rows, tells * tf.cast(batch.counted, tf.float32))
        return tells * mean

    def _only_if(self, due, compute, count):
        """What is computed in a step that is due, else zeros.

        The gradient is taken in there too: XLA can not differentiate a condition on tensors of unknown batch size.
        """
        weights, optimizer = self._model.trainable_weights, self._model.optimizer

        def losses():
            mean, rows = compute()
            return mean, rows, [optimizer.scale_loss(mean)]  # float16 needs it

        def differentiated():
            (mean, rows), (slopes,) = gradients_of_each(losses, lambda: weights)
            return mean, rows, slopes

        nothing = lambda: (tf.zeros([]), tf.zeros([count]), [tf.zeros(w.shape, w.dtype) for w in weights])
        mean, rows, slopes = tf.cond(due, differentiated, nothing)
        scale = optimizer.scale_loss(1.0)
        return with_gradient(mean, weights, [slope / tf.cast(scale, slope.dtype) for slope in slopes]), rows

    def _mean_and_rows(self, batch, shared):
        """The weighted mean penalty and that of every row; with the gradients of a shared pass where there is one."""
        explain, some = self._explain, batch.nonempty()
        if shared is not None and self.shares:
            explain = _FromSharedPass(explain, shared, some.inputs)
        with checks.context(f"While computing {self.loss!r} of inputs of shape {checks.shapes(batch.inputs)}."):
            rows = tf.cast(self.loss.call(explain, some), tf.float32)
        if rows.shape.rank not in (1, None):
            raise ValueError(
                f"`{type(self.loss).__name__}.call` must return the penalty of every row, `(batch,)`. Received: shape "
                f"{tuple(rows.shape)}."
            )
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            rows = rows[: trees.batch_size(batch.inputs)]  # none where there is one for the sake of form
        weighted = rows if batch.weights is None else rows * batch.weights
        # Of no rows the mean is zero, as that of Keras's losses.
        return tf.math.divide_no_nan(tf.reduce_sum(weighted), tf.cast(tf.size(rows), tf.float32)), rows

    def weigh(self, penalty, task, training):
        """The penalty times its weight; an automatic weight is set by the first training step with a penalty."""
        times = self.loss.every if training else 1
        if self._auto is None:
            return times * self.loss.weight * penalty
        weight = tf.convert_to_tensor(self._auto)
        if training:
            task, penalty_of_all = of_all_replicas(task, penalty)
            share = self.loss.auto_share * tf.abs(task) / penalty_of_all
            # A penalty of next to nothing says nothing about the weight: it waits for one that does.
            sensible = tf.math.is_finite(share) & (penalty_of_all > 1e-6 * tf.abs(task))
            weight = tf.where((weight < 0) & sensible, share, weight)
            self._auto.assign(weight)
        return times * tf.maximum(weight, 0.0) * penalty


def _warn_of_unknown_outputs(loss, score, model):
    compiled = links.of_output(model.loss, score.output, score.model)
    if compiled is not None and score.link.kind is None and score.link.from_logits is None:
        warnings.warn(
            f"The compiled loss does not say what the outputs are, and `{type(loss).__name__}` takes them for numbers. "
            "That is right for a regression. Pass `from_logits=True` to it if they are logits, False if they are "
            "probabilities.",
            stacklevel=4,
        )


class _FromSharedPass:
    """A bound explainer whose gradients at the inputs of the batch come from the task's own forward pass."""

    def __init__(self, explain, shared, inputs):
        self._explain, self._shared, self._inputs = explain, shared, inputs

    def __call__(self, inputs, target):
        # A loss may ask for gradients at other inputs as well.
        if inputs is not self._inputs:
            return self._explain(inputs, target)
        self._explain.warn_of_held(inputs)
        target = None if target is None else target[: trees.batch_size(self._shared.inputs)]
        return trees.nonempty(self._shared.gradients(self._explain.score, target))

    def __getattr__(self, name):
        return getattr(self._explain, name)


class _MeanIfAny(keras.metrics.Mean):
    """A mean that is NaN where there was nothing, such as an epoch in which no step was due."""

    def result(self):
        return tf.where(self.count > 0, super().result(), float("nan"))


def of_all_replicas(*numbers):
    """These numbers for the whole batch, without gradient: all replicas see the same ones, and decide alike."""
    own = tf.stop_gradient(tf.stack([tf.cast(number, tf.float32) for number in numbers]))
    return tf.unstack(tf.distribute.get_replica_context().all_reduce("sum", own))


def _turn(count, fraction, turn):
    """The rows whose turn it is: the next ones of the batch, so that in time all places have theirs."""
    many = tf.cast(tf.math.ceil(fraction * tf.cast(count, tf.float32)), tf.int32)
    return (turn * many + tf.range(many)) % tf.maximum(count, 1)


class State(keras.layers.Layer):
    """Numbers that change from step to step, such as automatic weights, and are saved with the model."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True
        self._by_name = {}

    def variable(self, name, start):
        """The number of this name, at its start."""
        if name not in self._by_name:
            self._by_name[name] = self.add_weight(
                name=name,
                shape=(),
                initializer=keras.initializers.Constant(start),
                trainable=False,
                dtype="float32",
                aggregation="mean",
            )
        self._by_name[name].assign(start)
        return self._by_name[name]

    def save_own_variables(self, store):
        for name, weight in self._by_name.items():
            store[name] = weight.numpy()

    def load_own_variables(self, store):
        """By name: a model may have been compiled with other losses since, or not at all."""
        for name, weight in self._by_name.items():
            if name in store:
                weight.assign(store[name])


def same_in_training(model):
    """Whether a forward pass in training mode is the pass in inference mode: no BatchNorm, Dropout or the like."""
    return not any(_minds_training(layer) for layer in model._flatten_layers())


def _minds_training(layer):
    """Of Keras's own layers those that normalise by the batch or draw at random; of others all that take the mode."""
    if type(layer).__module__.split(".")[0] == "keras":
        if isinstance(layer, (keras.layers.BatchNormalization, keras.layers.SpectralNormalization)):
            return True
        if isinstance(layer, keras.layers.Lambda):
            return "training" in inspect.signature(layer.function).parameters
        return any(isinstance(value, keras.random.SeedGenerator) for value in vars(layer).values())
    return "training" in inspect.signature(layer.call).parameters
