"""Term: one explanation loss at work in one model."""

import inspect

import keras
import tensorflow as tf

from tf_xai.core import checks


class Term:
    """An explanation loss bound to a model, with its line in the logs and its weight."""

    def __init__(self, loss, model, auto_weights):
        self.loss, self.line, self.weight_line = loss, f"xai_{loss.name}_loss", f"xai_{loss.name}_weight"
        self._explain = loss.bind(model)
        self.score = loss.score(self._explain)
        self.metric = keras.metrics.Mean(name=self.line)
        self._auto = auto_weights.get(loss.name) if loss.weight == "auto" else None

    @property
    def auto_weight(self):
        """The automatic weight, 0 while it is not set; None for a fixed one."""
        return None if self._auto is None else tf.maximum(tf.convert_to_tensor(self._auto), 0.0)

    @property
    def explains_by_gradient(self):
        return getattr(self._explain, "method", None) == "gradient" and self._explain.at_inputs

    def lacks(self, evidence, training):
        """Whether there is no evidence for a loss that needs some: an error in training, silence in validation."""
        if evidence is not None or not self.loss.needs_evidence:
            return False
        if training:
            raise ValueError(
                f"`{type(self.loss).__name__}` needs evidence. Pass `tf_xai.with_evidence(x, irrelevant=masks)` as `x`."
            )
        return True

    def penalty(self, batch, shared, sample_weight):
        """The mean penalty of a batch, each row times its sample weight; the log has it without the weights."""
        with checks.context(f"While computing {self.loss!r} of inputs of shape {checks.shapes(batch.inputs)}."):
            rows = tf.cast(self.loss.call(self._explainer(shared), batch), tf.float32)
        self.metric.update_state(rows)
        if sample_weight is not None:
            rows *= tf.reshape(tf.cast(self.score.select(sample_weight), tf.float32), tf.shape(rows))
        # A replica may have no rows at all: its mean is zero, as that of Keras's losses.
        return tf.math.divide_no_nan(tf.reduce_sum(rows), tf.cast(tf.size(rows), tf.float32))

    def _explainer(self, shared):
        """The bound explainer, or the gradient of the forward pass that the task loss has made already."""
        if shared is None or not self.explains_by_gradient:
            return self._explain
        return lambda inputs, target: shared.gradients(self.score, target)

    def weigh(self, penalty, task, training):
        """The penalty times its weight; an automatic weight is set by the first training step with a penalty."""
        if self._auto is None:
            return self.loss.weight * penalty
        weight = tf.convert_to_tensor(self._auto)
        if training:
            # All replicas see the same two numbers, those of the whole batch, and agree on the weight.
            both = tf.stop_gradient(tf.stack([tf.cast(task, tf.float32), penalty]))
            task, penalty_of_all = tf.unstack(tf.distribute.get_replica_context().all_reduce("sum", both))
            share = self.loss.auto_share * task / penalty_of_all
            # A penalty of next to nothing says nothing about the weight: it waits for one that does.
            sensible = tf.math.is_finite(share) & (penalty_of_all > 1e-6 * task)
            weight = tf.where((weight < 0) & sensible, share, weight)
            self._auto.assign(weight)
        return tf.maximum(weight, 0.0) * penalty


class AutoWeights(keras.layers.Layer):
    """Holds the weights that the first step has set, so that they are saved with the model. -1 is not set yet."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True
        self._by_name = {}

    def get(self, name):
        """The weight of this name, not set."""
        if name not in self._by_name:
            self._by_name[name] = self.add_weight(
                name=name,
                shape=(),
                initializer=keras.initializers.Constant(-1.0),
                trainable=False,
                dtype="float32",
                aggregation="mean",
            )
        self._by_name[name].assign(-1.0)
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
