"""ExplainableModel: a Keras model whose `fit` also optimises its explanations."""

import keras
import tensorflow as tf

from tf_xai.core import checks, data
from tf_xai.core.gradients import SharedPass, gradients_of_each
from tf_xai.losses import base as losses_base
from tf_xai.losses.base import Batch
from tf_xai.tradeoff import base as tradeoff_base
from tf_xai.training.evidence import checked, split_evidence
from tf_xai.training.measures import Measures
from tf_xai.training.term import State, Term, of_all_replicas, same_in_training

# What a model may override to train in its own way.
OF_TRAINING = ("train_step", "compute_loss", "compute_metrics")


@keras.saving.register_keras_serializable("tf_xai")
class ExplainableModel(keras.Model):
    """Wraps any Keras model, and adds explanation losses to its task loss.

    `fit`, `evaluate`, `predict`, saving and callbacks are Keras's own. Every loss has its own line in the logs,
    `xai_<name>_loss`, before its weight. `base` is the plain model, and can be saved and used without tf_xai.

    Args:
        base: Functional, Sequential or subclassed model.

    >>> base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    >>> model = ExplainableModel(base)
    >>> model.compile("adam", "sparse_categorical_crossentropy", explanation_loss=[])
    """

    def __init__(self, base, **kwargs):
        if not isinstance(base, keras.Model) or isinstance(base, ExplainableModel):
            raise TypeError(f"`base` must be a plain Keras model. Received: {type(base).__name__}.")
        _check_plain(base)
        # No casts here: the base makes its own, and masks and gradients keep their precision.
        super().__init__(**{"dtype": base.dtype_policy, "autocast": False, **kwargs})
        self.base, self.built, self.penalize_validation, self.second_order = base, base.built, False, "reverse"
        self.training_state = State(name="training_state")
        if hasattr(base, "output_names"):
            self.output_names = base.output_names
        self._terms, self._measures, self._silent, self._trains = (), Measures(None, self), (), False
        self._tradeoff, self._remembered, self._factor, self._parts = tradeoff_base.Fixed(), {}, None, []
        self._shares, self._in_step, self._shared = False, False, None

    @property
    def _tf_xai_base(self):
        """The model that explainers explain."""
        return self.base

    def build(self, input_shape=None):
        """The base builds itself, when it is made or first called."""

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        *,
        explanation_loss=None,
        explanation_metrics=None,
        tradeoff=None,
        second_order="reverse",
        penalize_validation=False,
        **kwargs,
    ):
        """Keras's `compile`, with explanation losses and metrics.

        Args:
            explanation_loss: One `ExplanationLoss` or a list of them.
            explanation_metrics: What is measured on every batch, and not optimised: a name in `tf_xai.metrics.METRICS`,
                an `ExplanationMetric`, a list of them or a dict. See `tf_xai.training.measures`.
            tradeoff: How task and explanations are weighed, an object of `tf_xai.tradeoff`. None is `Fixed()`.
            second_order: How penalties on gradients are differentiated: "reverse", reverse mode twice, or "forward",
                reverse over forward mode, which is not for methods that loop over their points.
            penalize_validation: Whether `val_loss` contains the penalties; their own lines are logged either way.
            optimizer, loss, **kwargs: See `keras.Model.compile`.
        """
        super().compile(optimizer=optimizer, loss=loss, **kwargs)
        losses = [] if explanation_loss is None else explanation_loss
        losses = losses if isinstance(losses, (list, tuple)) else [losses]
        losses = [losses_base.get(entry) for entry in losses]
        names = [entry.name for entry in losses]
        if len(set(names)) < len(names):
            raise ValueError(f"Explanation losses need different names. Received: {names}. Pass `name=`.")
        self.penalize_validation, self.second_order = penalize_validation, second_order
        forward = checks.choose("second_order", second_order, {"reverse": False, "forward": True})
        self._terms = tuple(Term(entry, self, self.training_state, forward) for entry in losses)
        self._measures = Measures(explanation_metrics, self)
        self._shares = any(term.shares for term in self._terms)
        self._tradeoff = tradeoff_base.get(tradeoff_base.Fixed() if tradeoff is None else tradeoff)
        numbers = self._tradeoff.start.items()
        self._remembered = {name: self.training_state.variable(f"tradeoff_{name}", start) for name, start in numbers}
        self._factor = self.training_state.variable("tradeoff_factor", 1.0) if self._tradeoff.varies else None

    def call(self, inputs, training=None):
        inputs, _ = split_evidence(inputs)
        if not (training and self._in_step and self._shares and same_in_training(self.base)):
            return self.base(inputs, training=training)
        # The losses take their gradients from this very pass, which saves one of their own.
        self._shared = SharedPass(self.base, data.to_tensors(self.base, inputs), training)
        return self._shared.outputs

    def train_step(self, data):
        self._in_step = True
        try:
            # A model that has no weights yet gets them in the step; one whose weights are frozen has none to merge for.
            merges = self._tradeoff.merges and (self.trainable_weights or not self.base.built)
            return self._merging_step(data) if merges else super().train_step(data)
        finally:
            self._in_step, self._shared, self._parts = False, None, []

    def _merging_step(self, data):
        """Keras's training step, with a gradient for every loss and one that the trade-off makes of them."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync

        def losses():
            outputs = self(x, training=True)
            return outputs, self.compute_loss(x, y, outputs, sample_weight), map(self.optimizer.scale_loss, self._parts)

        (outputs, total), gradients = gradients_of_each(losses, lambda: self.trainable_weights)
        # Conflicts are those of the whole batch. The optimizer adds the gradients of all replicas once more.
        gradients = tf.distribute.get_replica_context().all_reduce("sum", gradients)
        merged = [gradient / replicas for gradient in self._tradeoff.merge(gradients)]
        self._loss_tracker.update_state(total * replicas, sample_weight=tf.shape(keras.tree.flatten(x)[0])[0])
        self.optimizer.apply_gradients(zip(merged, self.trainable_weights, strict=True))
        return self.compute_metrics(x, y, outputs, sample_weight=sample_weight)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The task loss plus every penalty times its weight, as the trade-off has it."""
        inputs, irrelevant = split_evidence(x)
        irrelevant = checked(irrelevant)
        # The task loss first: a later call of the base would clear the losses that its layers have added.
        task = super().compute_loss(inputs, y, y_pred, sample_weight, training)
        self._trains = training
        shared = self._shared if self._shared is not None and self._shared.outputs is y_pred else None
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        inputs = data.to_tensors(self.base, inputs) if self._terms else inputs
        without = [term.line for term in self._terms if term.lacks(irrelevant, training)]
        self._silent = (*without, *self._measures.lacking(irrelevant, training))
        step, penalties = self._step if training else None, []
        for term in self._terms:
            if term.line in self._silent:
                continue
            target, weights = term.target(y, y_pred, sample_weight)
            batch = Batch(inputs, target, irrelevant, self._seed(step), y_pred, weights)
            # Keras has divided the task loss by the replicas, whose gradients are added.
            penalty = term.penalty(batch, shared if training else None, step) / replicas
            penalties.append(term.weigh(penalty, task, training))
        self._parts = [task, *penalties]
        if not penalties or not (training or self.penalize_validation):
            return task
        return self._weigh(task, tf.add_n(penalties), training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """The explanation metrics too: after the step, outside its tape."""
        self._measures.update(x, y, y_pred, sample_weight, self._silent)
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def _weigh(self, task, penalty, training):
        """The loss that is minimised."""
        if training and self._remembered:
            self._tradeoff.update(self._remembered, *of_all_replicas(task, penalty))
        factor = self._tradeoff.factor(self._remembered, self._step)
        if training and self._factor is not None:
            self._factor.assign(factor)
        return task + tf.cast(factor * penalty, task.dtype)

    @property
    def _step(self):
        """The number of the training step."""
        steps = 0 if self.optimizer is None else tf.convert_to_tensor(self.optimizer.iterations)
        return tf.cast(steps, tf.int32)

    def _seed(self, step):
        """Noise is new at every step, and the same for all validation batches."""
        return tf.stack([0, -1 if step is None else step])

    @property
    def metrics(self):
        return super().metrics + [term.metric for term in self._terms] + self._measures.metrics

    def get_metrics_result(self):
        """Without the lines of losses that had no evidence to work on; in training with the weights that vary."""
        lines = {name: value for name, value in super().get_metrics_result().items() if name not in self._silent}
        if not self._trains:
            return lines
        weights = {term.weight_line: term.auto_weight for term in self._terms if term.auto_weight is not None}
        if self._factor is not None:
            weights["xai_tradeoff_factor"] = tf.convert_to_tensor(self._factor)
        return {**lines, **weights}

    def save(self, filepath, *args, **kwargs):
        """Saves model, losses and the state of the training, as `.keras`."""
        if str(filepath).endswith((".h5", ".hdf5")):
            raise ValueError(
                f"An `ExplainableModel` is saved as `.keras`. Received: {str(filepath)!r}. Pass such a name, or save "
                "its `base`, a plain model."
            )
        super().save(filepath, *args, **kwargs)

    def export(self, *args, **kwargs):
        """Exports the base."""
        return self.base.export(*args, **kwargs)

    def get_compile_config(self):
        terms = [keras.saving.serialize_keras_object(term.loss) for term in self._terms]
        tradeoff = keras.saving.serialize_keras_object(self._tradeoff)
        own = {name: getattr(self, name) for name in ("second_order", "penalize_validation")}
        measured = [keras.saving.serialize_keras_object(metric) for metric in self._measures.metrics]
        own |= {"explanation_loss": terms, "explanation_metrics": measured, "tradeoff": tradeoff}
        return {**super().get_compile_config(), **own} if self.compiled else {}

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def get_config(self):
        return {"base": keras.saving.serialize_keras_object(self.base), "name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["base"]), name=config["name"])


def _check_plain(base):
    """Raises for a model that says itself how it is trained: the wrapper would not do that."""
    own = [name for name in OF_TRAINING if getattr(type(base), name) is not getattr(keras.Model, name)]
    if own:
        raise TypeError(
            f"`base` must leave its training to Keras: the wrapper has a training step of its own, and would not call "
            f"that of the base. Received: {type(base).__name__}, which overrides {own}. Put what they add into layers, "
            "by `add_loss`, or subclass `ExplainableModel` and override them there."
        )


def compile(base, *args, **kwargs):
    """`ExplainableModel(base)`, compiled with the arguments of `ExplainableModel.compile`."""
    with checks.context(f"While compiling an ExplainableModel of {base!r}."):
        model = base if isinstance(base, ExplainableModel) else ExplainableModel(base)
        model.compile(*args, **kwargs)
    return model
