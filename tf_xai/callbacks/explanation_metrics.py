"""ExplanationMetrics: how faithful the explanations are, in the training log."""

import warnings

import keras
import numpy as np

from tf_xai.callbacks import probe
from tf_xai.callbacks.probe import Probe, by_name
from tf_xai.core import checks
from tf_xai.core.tracing import trace
from tf_xai.metrics.controls import CONTROLS
from tf_xai.metrics.panel import Panel, read


class ExplanationMetrics(keras.callbacks.Callback):
    """Puts explanation metrics of a probe set into the `logs` at the end of every epoch.

    Later callbacks, `History`, `EarlyStopping`, `ModelCheckpoint` and `CSVLogger` see them: `xai_<metric>` with one
    explainer, `xai_<explainer>_<metric>` with several, and `xai_<metric>_random`, the same metric of random
    attributions of the same size as the first explainer's: what a number is worth shows against it.

    In `evaluate` later callbacks see them, too, and so does `lines`, what was measured last. (What `evaluate` returns
    Keras has counted before.)

    Args:
        x: Probe inputs, each `(rows, ...)`, or a data set of batches; 32 to 256 rows are enough.
        y: Labels as in `fit`; None explains the predicted class.
        explainers: A name, an `Explainer`, a list of them, or a dict of name to explainer.
        metrics: Names in `tf_xai.metrics.METRICS`, or a dict of these to their options, such as
            `{"deletion": {"regions": "patches"}}`.
        control: Whether to report controls: True for "random" ones, or a list of these and "weights", what the first
            explainer says of the model with random weights.
        evidence: Masks like `x` of where the reason is, for metrics that compare with them.
        every: Epochs, or batches, from one measurement to the next; the lines keep their values in between.
        unit: Of `every`, "epoch" or "batch".
        batch_size: Rows of the probe explained at once.
    """

    def __init__(
        self,
        x,
        y=None,
        explainers="integrated_gradients",
        metrics=("completeness", "deletion", "insertion", "lime_fidelity"),
        *,
        control=True,
        evidence=None,
        every=1,
        unit="epoch",
        batch_size=64,
    ):
        super().__init__()
        checks.positive("every", every)
        checks.choose("unit", unit, dict.fromkeys(("epoch", "batch")))
        self.x, self.y, self.evidence = probe.read(x, y, evidence)
        self.explainers, self.metrics = by_name(explainers), read(metrics)
        self.controls = {True: ("random",), False: ()}[control] if isinstance(control, bool) else tuple(control)
        for name in self.controls:
            checks.choose("control", name, CONTROLS)
        self.every, self.unit, self.batch_size = every, unit, batch_size
        self._probe, self._training, self.lines = None, False, {}

    def on_train_begin(self, logs=None):
        self._training = True
        self._prepare()

    def on_train_end(self, logs=None):
        self._training = False

    def on_train_batch_end(self, batch, logs=None):
        if self.unit == "batch" and self.model.optimizer.iterations % self.every == 0:
            self.lines = self.measure()
        if self.unit == "batch" and logs is not None:
            logs.update(self.lines)

    def on_epoch_end(self, epoch, logs=None):
        if (self.unit == "epoch" and epoch % self.every == 0) or not self.lines:
            self.lines = self.measure()
        logs.update(self.lines)

    def on_test_end(self, logs=None):
        """In `evaluate`; the validation of a training is a part of its epoch."""
        if not self._training:
            self._prepare()
            self.lines = self.measure()
            logs.update(self.lines)

    def measure(self):
        """The metrics of the model as it is now: `{name: mean over the probe rows}`. Undefined rows are left out."""
        batches = self._probe.batches(self.batch_size)
        parts = [self._traced(inputs, labels, evidence) for inputs, labels, evidence in batches]
        return {name: _mean(name, np.concatenate([part[name] for part in parts])) for name in parts[0]}

    def _prepare(self):
        fresh = Probe(self.model, self.x, self.y, self.explainers, self.evidence)
        # Traced anew only where the model, its loss or its layers have changed since.
        if self._probe is None or fresh.bound != self._probe.bound:
            self._probe, self._traced = fresh, trace(Panel(fresh.bound, self.metrics, self.controls))


def _mean(name, values):
    """The mean over the rows where the metric is defined, with a warning that counts the others."""
    undefined = np.flatnonzero(~np.isfinite(values))
    if not undefined.size:
        return float(values.mean())
    warnings.warn(
        f"`{name}` is undefined for {undefined.size} of {values.size} probe rows ({checks.rows(undefined)}), and left "
        "out there: the score does not change or is not finite, attributions are constant, or there is no evidence.",
        stacklevel=4,
    )
    return float(values[np.isfinite(values)].mean()) if undefined.size < values.size else float("nan")
