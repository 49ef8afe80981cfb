"""ExplanationMetrics: how faithful the explanations are, in the training log."""

import itertools
import time

import keras
import numpy as np

from tf_xai.callbacks import budget as budgets
from tf_xai.callbacks import probe
from tf_xai.callbacks.probe import Probe, by_name
from tf_xai.core import checks, data, trees
from tf_xai.core.tracing import trace
from tf_xai.metrics.controls import CONTROLS
from tf_xai.metrics.judge import check_explainer
from tf_xai.metrics.oracle import ORACLES
from tf_xai.metrics.panel import Panel, read


class ExplanationMetrics(keras.callbacks.Callback):
    """Puts explanation metrics of a probe set into the `logs` at the end of every epoch.

    Later callbacks, `History`, `EarlyStopping`, `ModelCheckpoint` and `CSVLogger` see them: `xai_<metric>` with one
    explainer, `xai_<explainer>_<metric>` with several, and `xai_<metric>_random`, the same metric of random
    attributions of the same size as the first explainer's: what a number is worth shows against it.

    What does not fit, such as a probe of another shape or regions that the metrics lack, is an error before the first
    epoch; for a model that its first batch builds, after that batch.

    In `evaluate` later callbacks see them, too, and so does `lines`, what was measured last. (What `evaluate` returns
    Keras has counted before.)

    Args:
        x: Probe inputs, each `(rows, ...)`, or a data set of batches; 32 to 256 rows are enough.
        y: Labels as in `fit`; None explains the predicted class.
        explainers: A name, an `Explainer`, a list of them, or a dict of name to explainer.
        metrics: Names in `tf_xai.metrics.METRICS`, or a dict of these to their options, such as
            `{"deletion": {"regions": "patches"}}`.
        control: Whether to report controls: True for "random" ones, or a list of these, of "weights", what the first
            explainer says of the model with random weights (not for `efficient_mprt` and `parameter_randomisation`,
            which draw such weights themselves), and of "oracle", for metrics of removal the best order of features
            that trying finds.
        evidence: Masks like `x` of where the reason is, for metrics that compare with them.
        every: Epochs, or batches, from one measurement to the next; the lines keep their values in between.
        unit: Of `every`, "epoch" or "batch".
        batch_size: Rows of the probe explained at once.
        budget: The share of an epoch's seconds that measuring may take, such as 0.1, once it is compiled. Fewer rows
            are measured then, drawn at random, in batches of 16; rows that fill no batch are left out. Where that is
            not enough, metrics take turns, each compiled in its first one; where that is not, epochs pass without any,
            see `callbacks.budget`. Two more lines say what was measured: `xai_probe_rows` and `xai_probe_metrics`. What
            was not has its last value, and values move with the rows: they are for watching, and not for
            `EarlyStopping` or `ParetoCheckpoint`. `evaluate` measures all batches. A training that is taken up after
            an interruption starts with a new account: each time, one measurement at most is not paid for.
        name: Stands in the lines, `xai_<name>_<metric>` and so on: for a second callback in the same training.
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
        budget=None,
        name=None,
    ):
        super().__init__()
        checks.positive("every", every)
        if budget is not None and (not 0 < budget < 1 or unit != "epoch"):
            raise ValueError(
                "`budget` is a share of every epoch, larger than 0 and smaller than 1, and for `unit='epoch'`. "
                f"Received: budget={budget!r}, unit={unit!r}."
            )
        checks.choose("unit", unit, dict.fromkeys(("epoch", "batch")))
        self.x, self.y, self.evidence = probe.read(x, y, evidence)
        self.explainers, self.metrics = by_name(explainers), read(metrics)
        for explainer in self.explainers.values():
            check_explainer(explainer)
        self.controls = _controls(control, self.metrics)
        probe.check_evidence(self.metrics, self.evidence)
        self.every, self.unit, self.batch_size, self.prefix = every, unit, batch_size, _prefix(name)
        self.budget, self._probe, self._training, self.lines = budget, None, False, {}
        self._rows = np.arange(data.count(data.arrays(self.x)))
        if budget is not None:
            self._draw_rows(budget)

    def _draw_rows(self, share):
        """A probe in which the first batches are a sample of all rows, and every batch is of one size."""
        self.batch_size = size = min(self.batch_size, budgets.ROWS, len(self._rows))
        self._rows = np.random.default_rng(0).permutation(self._rows)[: len(self._rows) // size * size]
        some = lambda leaf: np.asarray(leaf)[self._rows]
        drawn = lambda tree: None if tree is None else trees.map_leaves(some, data.arrays(tree))
        self.x, self.y, self.evidence = drawn(self.x), drawn(self.y), drawn(self.evidence)
        self.budget = budgets.Budget(share, len(self._rows) // size, self.metrics)

    def on_train_begin(self, logs=None):
        self.lines = {}
        if self.budget is not None:
            self.budget.start()
        self._prepare()
        self._look_ahead()

    def on_epoch_begin(self, epoch, logs=None):
        self._training, self._began = True, time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self._look_ahead()
        if self.unit == "batch" and self.model.optimizer.iterations % self.every == 0:
            self._note(self.measure(), logs or {})
        if self.unit == "batch" and logs is not None:
            logs.update(self.lines)

    def on_epoch_end(self, epoch, logs=None):
        self._training, seconds = False, time.perf_counter() - self._began
        due = (self.unit == "epoch" and epoch % self.every == 0) or not self.lines
        if self.budget is not None:
            self._note(self.lines | self._within_budget(seconds, due), logs)
        elif due:
            self._note(self.measure(), logs)
        logs.update(self.lines)

    def on_test_end(self, logs=None):
        """In `evaluate`; the validation of a training is a part of its epoch."""
        if not self._training:
            self._prepare()
            self._look_ahead()
            self.lines = self.measure()
            logs.update(self.lines)

    def _note(self, lines, logs):
        """Takes these lines for the last ones; the first time, those in the logs are another callback's."""
        if not self.lines:
            probe.warn_of_others(lines, logs, self.model)
        self.lines = lines

    def measure(self, metrics=None, batches=None):
        """The metrics of the model as it is now: `{name: mean over the probe rows}`. Undefined rows are left out.

        Args:
            metrics: Some of their names; all where None.
            batches: So many of the probe; all where None.
        """
        if self._probe is None:
            raise ValueError("There is nothing to measure yet: pass the callback to `fit` or `evaluate` first.")
        for name in metrics or ():
            checks.choose("metrics", name, self.metrics)
        traced = self._traced(tuple(self.metrics if metrics is None else metrics))
        parts = [traced(*batch) for batch in itertools.islice(self._probe.batches(self.batch_size), batches)]
        values = {self._line(name): np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return {line: probe.mean(line, each, self._rows) for line, each in values.items()}

    def _line(self, name):
        """The line of what the panel calls `xai_...`."""
        return self.prefix + name.removeprefix("xai_")

    def _within_budget(self, seconds, due):
        """The lines after an epoch of so many seconds: what the budget pays for, and nothing where none is due."""
        metrics, batches = self.budget.plan(seconds)
        if not (due and metrics):
            return self._done(0, 0)
        if metrics == tuple(self.metrics) and not self._compiled:
            self._traced(metrics)(*next(self._probe.batches(self.batch_size)))  # compiles, which does not count
            self._compiled = True
        start = time.perf_counter()
        lines = self.measure(metrics, batches)
        self.budget.spent(time.perf_counter() - start)
        return {**lines, **self._done(batches * self.batch_size, len(metrics))}

    def _done(self, rows, metrics):
        """The lines that say what a budget has paid for."""
        return {self._line("probe_rows"): float(rows), self._line("probe_metrics"): float(metrics)}

    def _prepare(self):
        fresh = Probe(self.model, self.x, self.y, self.explainers, self.evidence)
        # Traced anew only where the model, its loss or its layers have changed since.
        if self._probe is None or fresh.bound != self._probe.bound:
            self._probe, self._panels, self._ready, self._compiled = fresh, {}, False, False

    def _look_ahead(self):
        """Traces what will measure, once the model has weights: what does not fit is no surprise after an epoch."""
        if not self._ready:
            self._ready = self._probe.ahead(self._traced(tuple(self.metrics)), self.batch_size)

    def _traced(self, metrics):
        """The panel of some metrics, traced once."""
        if metrics not in self._panels:
            chosen = {name: self.metrics[name] for name in metrics}
            self._panels[metrics] = trace(Panel(self._probe.bound, chosen, self.controls))
        return self._panels[metrics]


def _controls(control, metrics):
    """Names of controls, or an error: also for an oracle of no metric at all."""
    control = [control] if isinstance(control, str) else control
    controls = {True: ("random",), False: ()}[control] if isinstance(control, bool) else tuple(control)
    for name in controls:
        checks.choose("control", name, CONTROLS)
    if "oracle" in controls and not set(metrics) & set(ORACLES):
        raise ValueError(
            f"There is an oracle of the metrics of removal only. Expected one of {sorted(ORACLES)} among `metrics`. "
            f"Received: {sorted(metrics)}. Add one, or leave 'oracle' out of `control`."
        )
    return controls


def _prefix(name):
    """What all lines begin with."""
    if name is not None and not (isinstance(name, str) and name):
        raise ValueError(f"`name` must be a word, such as 'test'. Received: name={name!r}.")
    return "xai_" if name is None else f"xai_{name}_"
