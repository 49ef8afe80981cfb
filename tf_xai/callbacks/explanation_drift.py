"""ExplanationDrift: how far explanations move while a model trains, in the training log."""

from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_xai.callbacks import probe, snapshots
from tf_xai.callbacks.probe import Probe, by_name
from tf_xai.callbacks.resuming import Resuming
from tf_xai.core import checks, data, trees
from tf_xai.core.tracing import trace
from tf_xai.metrics.agreement import rank_agreement, topk_agreement

AGREEMENTS = {"rank_agreement": rank_agreement, "topk_agreement": topk_agreement}


class ExplanationDrift(Resuming):
    """Compares the explanations of a probe set with earlier ones, or with those of another run, epoch by epoch.

        xai_drift_rank_agreement = mean over rows of spearman(attributions now, attributions then)
        xai_drift_topk_agreement = mean over rows of |top k now and then| / k
        xai_drift_flipped        = share of rows with an agreement below `flip` and the prediction of then

    A flipped row is one of which the model says the same as before, for another reason. Later callbacks and `History`
    see the lines; with several references these are `xai_drift_<reference>_<metric>`. Every line has a number from the
    first epoch on: the epoch before the first one is the model before the training, and the first epoch agrees with
    itself. Rows with an undefined agreement (constant or not finite attributions) are left out, with a warning; a line
    is NaN only where all rows are.

    The prediction is that of then where the predicted class is: the one with the largest output; where a row has a
    class at every position, at all but the share `tolerance` of these. A regression's is where its score differs by at
    most `tolerance` standard deviations, over the probe then. Of an `Explanation`, the target counts as the class then
    (labels, where it explains these); where that is no class, scores are compared.

    Args:
        x: Probe inputs, each `(rows, ...)`, or a data set of batches.
        y: Labels as in `fit`; None explains the predicted class.
        explainer: A name or an `Explainer`.
        reference: What to compare with: "previous", the measurement before; "first", the one of the first epoch; an
            `Explanation` of the same rows, or the path of a saved one; a list of several; a dict of name to reference.
            In a list, files have their names without the ending.
        metrics: "rank_agreement", "topk_agreement" or both; the first one tells which explanations have flipped.
        k: Of "topk_agreement", how many features; None is a tenth of them.
        flip: An agreement below it is a flip.
        tolerance: Of a prediction that counts as the same, see above.
        every: Epochs from one measurement to the next; the lines keep their values in between.
        batch_size: Rows of the probe explained at once.
        directory: Where `<name>.npz` keeps the history and what later epochs are compared with, to go on there after an
            interruption with `keras.callbacks.BackupAndRestore`, which has to stand after this callback: an epoch that
            it takes as done is noted then. Entries of epochs that are trained again are dropped.
        name: Stands in the lines, as "drift" does above: another one for a second callback in the same training.

    Attributes:
        history: `{epoch: {"lines": {line: value}, "flipped": {reference: row numbers}}}`, epochs as in `History.epoch`.
        lines: Those of the last measurement.
        flipped: `{reference: row numbers}` of the last measurement.

    >>> import keras, numpy as np
    >>> x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    >>> model.compile("sgd", "sparse_categorical_crossentropy")
    >>> drift = ExplanationDrift(x, reference=["previous", "first"], metrics="rank_agreement")
    >>> history = model.fit(x, x[:, 0] > 0, epochs=2, verbose=0, callbacks=[drift]).history
    >>> sorted(line for line in history if "first" in line)
    ['xai_drift_first_flipped', 'xai_drift_first_rank_agreement']

    Reference: Krishna et al., 2022, https://arxiv.org/abs/2202.01602
    """

    def __init__(
        self,
        x,
        y=None,
        explainer="integrated_gradients",
        *,
        reference="previous",
        metrics=("rank_agreement", "topk_agreement"),
        k=None,
        flip=0.5,
        tolerance=0.1,
        every=1,
        batch_size=64,
        directory=None,
        name="drift",
    ):
        super().__init__()
        for argument, value in {"every": every, "batch_size": batch_size, "k": 1 if k is None else k}.items():
            checks.positive(argument, value)
        self.x, self.y, _ = probe.read(x, y)
        self.explainers, self.references = by_name(explainer), snapshots.references(reference, self.x)
        if len(self.explainers) != 1:
            raise ValueError(
                f"`explainer` must be one explainer. Received: {list(self.explainers)}. Add an `ExplanationDrift` for "
                "each, with a `name` of its own."
            )
        self.metrics = [metrics] if isinstance(metrics, str) else list(metrics)
        chosen = {metric: checks.choose("metrics", metric, AGREEMENTS) for metric in self.metrics}
        if not chosen:
            raise ValueError(f"`metrics` must name one of {list(AGREEMENTS)}. Received: none.")
        options = {"topk_agreement": {"k": k}}
        self._agreements = {metric: partial(each, **options.get(metric, {})) for metric, each in chosen.items()}
        self._compare = trace(self._agreements_of)
        self.k, self.flip, self.tolerance = k, float(flip), float(tolerance)
        self.every, self.batch_size, self.name = every, batch_size, name
        self._file = None if directory is None else Path(directory) / f"{name}.npz"
        self.history, self._snapshots, self._probe, self._what = {}, {}, None, self._description()

    @property
    def lines(self):
        return self.history[max(self.history)]["lines"] if self.history else {}

    @property
    def flipped(self):
        return self.history[max(self.history)]["flipped"] if self.history else {}

    def resume(self, epoch):
        """Takes up what was noted of earlier epochs; where it lacks, the model as it is now is the one before."""
        fresh = Probe(self.model, self.x, self.y, self.explainers)
        if self._probe is None or fresh.bound != self._probe.bound:
            self._probe, self._explain, self._ready = fresh, trace(self._explained), False
            self.history, self._snapshots = {}, {}  # of another model
        if not self._ready:
            self._ready = self._probe.ahead(lambda inputs, labels, _: self._explain(inputs, labels), self.batch_size)
        what = self._what if self._file is None else self._read()
        earlier = lambda notes: {number: note for number, note in notes.items() if number < epoch}
        self.history, self._snapshots = earlier(self.history), earlier(self._snapshots)
        if self.history and what != self._what:
            raise ValueError(
                f"The history in {str(self._file)!r} must be of this probe and these options. Expected: {self._what}. "
                f"Received: {what}. Pass another `directory` or `name`, or train from the first epoch on."
            )
        if max(self.history, default=None) not in self._snapshots:
            self._snapshots[epoch - 1] = self._measure()
        self._check_references()

    def on_epoch_end(self, epoch, logs=None):
        first = not self.history
        if epoch % self.every == 0 or first:
            self._note(epoch, self._measure())
        if first:
            probe.warn_of_others(self.lines, logs, self.model)
        logs.update(self.lines)

    def _note(self, epoch, now):
        """Adds an entry to the history, and keeps what later ones are compared with."""
        self.history[epoch] = self._entry(now)
        self._snapshots[epoch] = now
        # Two of the last epochs, because the last one may be trained again.
        kept = sorted(self._snapshots)[-2:] if "previous" in self.references.values() else []
        kept += [min(self.history)] if "first" in self.references.values() else []
        self._snapshots = {number: self._snapshots[number] for number in sorted(set(kept))}
        if self._file is not None:
            snapshots.write(self._file, self._what, self.history, self._snapshots)

    def _entry(self, now):
        lines, flipped = {}, {}
        for name, then in self._compared_with(now).items():
            prefix = f"xai_{self.name}_" if len(self.references) == 1 else f"xai_{self.name}_{name}_"
            agreements = self._agreements_with(now, then)
            rows = np.arange(len(now.score))
            lines |= {f"{prefix}{metric}": probe.mean(prefix + metric, v, rows) for metric, v in agreements.items()}
            first = agreements[self.metrics[0]]
            rows = np.flatnonzero((first < self.flip) & now.same_prediction(then, self.tolerance))
            defined = np.isfinite(first).sum()
            lines[f"{prefix}flipped"] = float(rows.size / defined) if defined else float("nan")
            flipped[name] = rows.tolist()
        return {"lines": lines, "flipped": flipped}

    def _compared_with(self, now):
        """`{reference: snapshot}`."""
        own = {
            "previous": lambda: self._snapshots[max(self._snapshots)],
            "first": lambda: self._snapshots[min(self.history)] if self.history else now,
        }
        return {name: own[each]() if isinstance(each, str) else each for name, each in self.references.items()}

    def _agreements_with(self, now, then):
        """`{metric: (rows,)}`."""
        pairs = (trees.tensors(pair) for pair, _ in data.batches([now.values, then.values], None, self.batch_size))
        parts = [self._compare(*pair) for pair in pairs]
        return {metric: np.concatenate([part[metric] for part in parts]) for metric in parts[0]}

    def _agreements_of(self, values, other):
        defined = _varies(trees.columns(values)) & _varies(trees.columns(other))
        of = lambda metric: tf.where(defined, self._agreements[metric](values, other), float("nan"))
        return {metric: of(metric) for metric in self.metrics}

    def _measure(self):
        """The snapshot of the model as it is now."""
        batches = self._probe.batches(self.batch_size)
        return snapshots.join([self._explain(inputs, labels) for inputs, labels, _ in batches])

    def _explained(self, inputs, labels):
        """What a snapshot has of a batch, in one graph."""
        (bound,) = self._probe.bound.values()
        score, outputs = bound.score, bound.score.model(inputs, training=False)
        target = score.target_of(outputs) if labels is None else score.from_labels(labels, outputs)
        values = score.values(outputs)
        numbers = values.shape[-1] == 1 or score.link.settle(values.shape[-1]).kind == "identity"
        classes = {} if numbers else {"classes": tf.argmax(values, axis=-1, output_type=tf.int32)}
        return {"values": trees.leaves(bound.attribute(inputs, target)), "score": score.of(outputs, target), **classes}

    def _check_references(self):
        """Raises unless the attributions of other runs are of the shapes of ours."""
        shapes = lambda snapshot: [leaf.shape for leaf in snapshot.values]
        expected = shapes(self._snapshots[max(self._snapshots)])
        for name, each in self.references.items():
            if not isinstance(each, str) and shapes(each) != expected:
                raise ValueError(
                    f"The reference {name!r} must have attributions in the shapes of {self._explainer!r}'s. Expected: "
                    f"{expected}. Received: {shapes(each)}. Explain the same rows with a method of the same kind."
                )

    @property
    def _explainer(self):
        return next(iter(self.explainers.values()))

    def _description(self):
        """What tells a history from that of another callback."""
        of = lambda each: each if isinstance(each, str) else snapshots.mark(each.values)
        options = {name: getattr(self, name) for name in ("metrics", "k", "flip", "tolerance", "every")}
        options["references"] = {name: of(each) for name, each in self.references.items()}
        if arrays := list(snapshots.contents(self._explainer.options)):
            options["arrays"] = snapshots.mark(arrays)
        return {"explainer": repr(self._explainer), **options, "rows": snapshots.mark([self.x, self.y])}

    def _read(self):
        """Reads the file, if there is one, and returns what it is of."""
        if not self._file.exists():
            self.history, self._snapshots = {}, {}
            return None
        what, self.history, self._snapshots = snapshots.read(self._file)
        return what


def _varies(columns):
    """Which rows are finite and not constant: others name no features that are larger than others."""
    varies = tf.reduce_max(columns, axis=1) > tf.reduce_min(columns, axis=1)
    return varies & tf.reduce_all(tf.math.is_finite(columns), axis=1)
