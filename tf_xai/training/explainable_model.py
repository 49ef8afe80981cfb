"""ExplainableModel: a Keras model whose `fit` also optimises its explanations."""

import keras
import tensorflow as tf

from tf_xai.core import checks, data
from tf_xai.core.gradients import SharedPass
from tf_xai.losses import base as losses_base
from tf_xai.losses.base import Batch
from tf_xai.training.evidence import split_evidence
from tf_xai.training.term import AutoWeights, Term, same_in_training


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
        # No casts here: the base makes its own, and masks and gradients keep their precision.
        super().__init__(**{"dtype": base.dtype_policy, "autocast": False, **kwargs})
        self.base, self.built, self.penalize_validation = base, base.built, False
        self.auto_weights = AutoWeights(name="auto_weights")
        if hasattr(base, "output_names"):
            self.output_names = base.output_names
        self._terms, self._silent, self._trains = (), (), False
        self._shares, self._in_step, self._shared = False, False, None

    @property
    def _tf_xai_base(self):
        """The model that explainers explain."""
        return self.base

    def build(self, input_shape=None):
        """The base builds itself, when it is made or first called."""

    def compile(self, optimizer="rmsprop", loss=None, *, explanation_loss=None, penalize_validation=False, **kwargs):
        """Keras's `compile`, with explanation losses.

        Args:
            explanation_loss: One `ExplanationLoss` or a list of them.
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
        self.penalize_validation = penalize_validation
        self._terms = tuple(Term(entry, self, self.auto_weights) for entry in losses)
        self._shares = any(term.explains_by_gradient for term in self._terms)

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
            return super().train_step(data)
        finally:
            self._in_step, self._shared = False, None

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The task loss plus every penalty times its weight."""
        inputs, irrelevant = split_evidence(x)
        # The task loss first: a later call of the base would clear the losses that its layers have added.
        total = task = super().compute_loss(inputs, y, y_pred, sample_weight, training)
        self._trains = training
        shared = self._shared if self._shared is not None and self._shared.outputs is y_pred else None
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        inputs = data.to_tensors(self.base, inputs) if self._terms else inputs
        self._silent = tuple(term.line for term in self._terms if term.lacks(irrelevant, training))
        for term in self._terms:
            if term.line in self._silent:
                continue
            target = term.loss.target(term.score, term.score.select(y), y_pred)
            batch = Batch(inputs, target, irrelevant, self._seed(training))
            # Keras has divided the task loss by the replicas, whose gradients are added.
            penalty = term.penalty(batch, shared if training else None, sample_weight) / replicas
            if training or self.penalize_validation:
                total = total + term.weigh(penalty, task, training)
        return total

    def _seed(self, training):
        """Noise is new at every step, and the same for all validation batches."""
        steps = self.optimizer.iterations if training and self.optimizer is not None else -1
        return tf.stack([0, tf.cast(tf.convert_to_tensor(steps), tf.int32)])

    @property
    def metrics(self):
        return super().metrics + [term.metric for term in self._terms]

    def get_metrics_result(self):
        """Without the lines of losses that had no evidence to work on; in training with the automatic weights."""
        lines = {name: value for name, value in super().get_metrics_result().items() if name not in self._silent}
        weights = {term.weight_line: term.auto_weight for term in self._terms if term.auto_weight is not None}
        return {**lines, **weights} if self._trains else lines

    def export(self, *args, **kwargs):
        """Exports the base."""
        return self.base.export(*args, **kwargs)

    def get_compile_config(self):
        terms = [keras.saving.serialize_keras_object(term.loss) for term in self._terms]
        own = {"explanation_loss": terms, "penalize_validation": self.penalize_validation}
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


def compile(base, *args, **kwargs):
    """`ExplainableModel(base)`, compiled with the arguments of `ExplainableModel.compile`."""
    with checks.context(f"While compiling an ExplainableModel of {base!r}."):
        model = base if isinstance(base, ExplainableModel) else ExplainableModel(base)
        model.compile(*args, **kwargs)
    return model
