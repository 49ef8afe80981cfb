"""ExplanationMetrics: how faithful the explanations are, in the training log."""

import warnings

import keras
import numpy as np
import tensorflow as tf

from tf_xai.callbacks.probe import Probe, by_name, check_rows, target_of
from tf_xai.core import checks, random, trees
from tf_xai.core.tracing import trace
from tf_xai.metrics import METRICS, MODEL_METRICS, completeness


class ExplanationMetrics(keras.callbacks.Callback):
    """Puts explanation metrics of a probe set into the `logs` at the end of every epoch.

    Later callbacks, `History`, `EarlyStopping`, `ModelCheckpoint` and `CSVLogger` see them: `xai_<metric>` with one
    explainer, `xai_<explainer>_<metric>` with several, and `xai_<metric>_random`, the same metric of random
    attributions of the same size as the first explainer's: what a number is worth shows against it.

    Args:
        x: Probe inputs, each `(rows, ...)`; 32 to 256 rows are enough.
        y: Labels as in `fit`; None explains the predicted class.
        explainers: A name, an `Explainer`, a list of them, or a dict of name to explainer.
        metrics: Names in `tf_xai.metrics.METRICS`.
        control: Whether to report random attributions.
        batch_size: Rows of the probe explained at once.
    """

    def __init__(
        self,
        x,
        y=None,
        explainers="integrated_gradients",
        metrics=("completeness", "deletion", "insertion", "lime_fidelity"),
        control=True,
        batch_size=64,
    ):
        super().__init__()
        check_rows(x, y)
        self.x, self.y, self.control, self.batch_size = x, y, control, batch_size
        self.explainers = by_name(explainers)
        chosen = {name: checks.choose("metrics", name, METRICS) for name in metrics}
        self._of_model = {name: metric for name, metric in chosen.items() if name in MODEL_METRICS}
        self._of_attributions = {name: metric for name, metric in chosen.items() if name not in MODEL_METRICS}
        self._probe = None

    def on_train_begin(self, logs=None):
        probe = Probe(self.model, self.x, self.y, self.explainers)
        # Traced anew only where the model, its loss or its layers have changed since the last `fit`.
        if self._probe is None or probe.bound != self._probe.bound:
            self._probe, self._traced = probe, trace(self._measure)

    def on_epoch_end(self, epoch, logs=None):
        logs.update(self.measure())

    def measure(self):
        """The metrics of the model as it is now: `{name: mean over the probe rows}`. Undefined rows are left out."""
        parts = [self._traced(inputs, labels) for inputs, labels in self._probe.batches(self.batch_size)]
        return {name: _mean(name, np.concatenate([part[name] for part in parts])) for name in parts[0]}

    def _measure(self, inputs, labels):
        """All metrics of one batch, in one graph: `{name: (batch,)}`."""
        score = self._probe.score
        target = target_of(score, inputs, labels)
        results = {f"xai_{name}": metric(score, inputs, target) for name, metric in self._of_model.items()}
        for number, (name, bound) in enumerate(self._probe.bound.items()):
            target = target_of(bound.score, inputs, labels)
            attributions = bound.attribute(inputs, target)
            prefix = "xai_" if len(self._probe.bound) == 1 else f"xai_{name}_"
            results.update(self._judge(prefix, "", bound, inputs, target, attributions))
            if self.control and number == 0:
                results.update(self._judge("xai_", "_random", bound, inputs, target, _random_like(attributions)))
        return results

    def _judge(self, prefix, suffix, bound, inputs, target, attributions):
        """The metrics of some attributions, under their names in the logs."""
        results = {}
        # A row of several labels of which none holds has nothing to explain.
        explained = tf.reduce_any(tf.reshape(target != 0, [tf.shape(target)[0], -1]), axis=1) | (target.shape.rank == 1)
        for name, metric in self._of_attributions.items():
            options = {"baseline_score": bound.baseline_score(inputs, target)} if metric is completeness else {}
            values = metric(bound.score, inputs, target, attributions, **options)
            results[f"{prefix}{name}{suffix}"] = tf.where(explained, values, float("nan"))
        return results


def _random_like(attributions):
    """Normal noise in which every row has the Euclidean norm of the attributions."""
    leaves = trees.leaves(attributions)
    draws = [random.normal(random.fold(0, number), tf.shape(leaf)) for number, leaf in enumerate(leaves)]
    norm = lambda tree: tf.sqrt(trees.sum_features(trees.square(tree)))
    scale = norm(attributions) / norm(draws)
    return trees.pack(attributions, [draw * trees.align(scale, draw.shape.rank) for draw in draws])


def _mean(name, values):
    """The mean over the rows where the metric is defined, with a warning that counts the others."""
    undefined = np.flatnonzero(~np.isfinite(values))
    if not undefined.size:
        return float(values.mean())
    warnings.warn(
        f"`{name}` is undefined for {undefined.size} of {values.size} probe rows ({checks.rows(undefined)}), and left "
        "out there: the score does not change, or is not finite.",
        stacklevel=4,
    )
    return float(values[np.isfinite(values)].mean()) if undefined.size < values.size else float("nan")
