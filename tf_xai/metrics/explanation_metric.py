"""ExplanationMetric: a metric with its options, and its mean over batches as Keras keeps it."""

import keras
import tensorflow as tf

from tf_xai.core import trees
from tf_xai.core.tracing import trace
from tf_xai.explainer import Explainer
from tf_xai.metrics.judge import check_explainer, judge
from tf_xai.metrics.panel import read
from tf_xai.metrics.registry import METRICS, options_of


@keras.saving.register_keras_serializable("tf_xai")
class ExplanationMetric(keras.metrics.Mean):
    """The mean of an explanation metric over the rows where it is defined.

    >>> metric = ExplanationMetric("deletion", explainer="gradient_input", steps=4)
    >>> base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    >>> metric.bind(base).update_state(tf.ones((3, 4)), tf.constant([0, 1, 1]))
    >>> float(metric.result()) >= 0
    True

    Args:
        metric: A name in `tf_xai.metrics.METRICS`.
        explainer: A name, or an `Explainer`.
        name: The logged line; by default "xai_" and the name of the metric.
        dtype: Of the mean.
        **options: Options of the metric. An unknown one is a TypeError.
    """

    def __init__(self, metric="deletion", explainer="integrated_gradients", name=None, dtype=None, **options):
        read({metric: options})
        super().__init__(name=name or f"xai_{metric}", dtype=dtype)
        self.metric, self.function, self.options = metric, METRICS[metric], options
        self.explainer = explainer if isinstance(explainer, Explainer) else Explainer(explainer)
        check_explainer(self.explainer)
        self.bound = None

    @property
    def needs_evidence(self):
        """Which evidence the metric compares with, or None, as for an `ExplanationLoss`."""
        return "relevant" if "evidence" in options_of(self.function) else None

    def fresh(self, name=None):
        """The same metric, or under another name, with a mean of its own and no model."""
        return type(self).from_config(self.get_config() | {"name": name or self.name})

    def bind(self, model):
        """The metric at work in a model, which `update_state` explains."""
        self.bound = self.explainer.bind(model)
        self._measure = trace(self.of)
        return self

    def of(self, inputs, labels=None, evidence=None):
        """The value of every row, `(batch,)`, as a part of the graph around it."""
        target = self.bound.score.target_from(inputs, labels)
        return self.judged(inputs, target, self.bound.attribute(inputs, target), evidence)

    def judged(self, inputs, target, attributions, evidence=None):
        """The same of attributions that are there already."""
        return judge(self.function, self.bound, inputs, target, attributions, evidence, **self.options)

    def update_state(self, inputs, labels=None, evidence=None, *, sample_weight=...):
        """Adds a batch; rows where the metric is not defined do not count.

        Args:
            inputs: Each `(batch, ...)`.
            labels: As in `fit`; None explains the predicted class.
            evidence: Masks like the inputs, for metrics that compare with them.
            sample_weight: Not taken. Keras passes it, with labels and outputs, to the `metrics=` of `compile`.
        """
        if sample_weight is not ...:
            raise TypeError(
                "An `ExplanationMetric` explains inputs, and the `metrics=` of `compile` are given labels and outputs "
                "only. Received: `sample_weight`, as these do. Pass it in "
                "`xai.compile(..., explanation_metrics=[...])`, or use `xai.callbacks.ExplanationMetrics`."
            )
        if self.bound is None:
            raise ValueError(
                "An `ExplanationMetric` works in a model: call `bind(model)` first, or pass it to `compile` of an "
                "`ExplainableModel` as `explanation_metrics=`."
            )
        given = [None if tree is None else trees.tensors(tree) for tree in (inputs, labels, evidence)]
        self.add((self.of if tf.inside_function() else self._measure)(*given))

    def add(self, values, counted=True):
        """Adds values of rows, `(batch,)`, where they are defined and the row is `counted`."""
        defined = tf.math.is_finite(values) & counted
        super().update_state(tf.where(defined, values, 0.0), tf.cast(defined, tf.float32))

    def result(self):
        return tf.where(self.count > 0, super().result(), float("nan"))

    def get_config(self):
        own = {"metric": self.metric, "explainer": self.explainer, **self.options}
        return {"name": self.name, "dtype": self.dtype, **keras.saving.serialize_keras_object(own)}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))
