"""ParetoCheckpoint: the models of a training that no other one of its epochs betters in accuracy and explanations."""

import json
import re
import warnings
from pathlib import Path

import numpy as np

from tf_xai.callbacks.resuming import Resuming
from tf_xai.core import checks, files
from tf_xai.tradeoff import pareto

MANIFEST = "pareto.json"
MODES = {"min": 1, "max": -1}


class ParetoCheckpoint(Resuming):
    """Keeps the model of every epoch that no other epoch dominates: is as good in all metrics, and better in one.

    Files are `pareto-epoch-0001.keras` and so on, epochs counted from 1 as in `keras.callbacks.ModelCheckpoint`, and
    `pareto.json` says which there are: `{"metrics": {name: mode}, "checkpoints": [{"file", "epoch", "values"}]}`.
    Later models that dominate some take their place. Of equal ones the first stays. An epoch with a value that is NaN
    or infinite has no model, nor has one without a line of that name, with a warning the first time. Values are those
    of the logs: give an `ExplanationMetrics` before it no `budget` and no `every`, or old values judge new models.

    The directory is that of one training: files of that name that `pareto.json` does not list are removed at the end of
    an epoch. With `keras.callbacks.BackupAndRestore`, which has to stand after this callback, an interrupted training
    goes on with its checkpoints; those of epochs that are trained again make room for new ones. Interrupted anywhere,
    `pareto.json` lists whole files only.

    Args:
        directory: Where the files are.
        metrics: Lines of the logs and which values are better, "min" or "max". Callbacks that write the lines, as
            `ExplanationMetrics` does, have to stand before this one.

    Attributes:
        front: A list of `{"epoch": number from 1, "file": path, **values}`; `pandas.DataFrame(checkpoint.front)` is a
            table of it, and `keras.saving.load_model(checkpoint.front[0]["file"])` a model.

    >>> import keras, numpy as np, tempfile
    >>> x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    >>> model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> best = ParetoCheckpoint(tempfile.mkdtemp(), {"accuracy": "max", "loss": "min"})
    >>> history = model.fit(x, x[:, 0] > 0, epochs=3, verbose=0, callbacks=[best])
    >>> sorted(best.front[-1])
    ['accuracy', 'epoch', 'file', 'loss']
    """

    def __init__(self, directory, metrics=None):
        super().__init__()
        metrics = {"val_accuracy": "max", "xai_deletion": "min"} if metrics is None else metrics
        if not isinstance(metrics, dict) or not metrics:
            raise ValueError(
                "`metrics` must be a dict of the name of a line to 'min' or 'max', such as "
                f"{{'val_accuracy': 'max', 'xai_deletion': 'min'}}. Received: {metrics!r}."
            )
        self._signs = np.array([checks.choose(f"metrics[{name!r}]", mode, MODES) for name, mode in metrics.items()])
        self.directory, self.metrics = Path(directory), dict(metrics)
        self._entries, self._void, self._warned = [], False, set()

    @property
    def front(self):
        flat = lambda entry: {"epoch": entry["epoch"], "file": str(self.directory / entry["file"]), **entry["values"]}
        return [flat(entry) for entry in self._entries]

    def resume(self, epoch):
        """Takes up the checkpoints of earlier epochs. Nothing is removed before an epoch is trained."""
        manifest = self.directory / MANIFEST
        if not manifest.exists():
            self._entries, self._void = [], False
            return
        noted = json.loads(manifest.read_text(encoding="utf-8"))
        earlier = [entry for entry in noted["checkpoints"] if entry["epoch"] <= epoch]
        if earlier and noted["metrics"] != self.metrics:
            raise ValueError(
                f"The checkpoints in {str(self.directory)!r} must be of the same `metrics`. Expected: {self.metrics}. "
                f"Received: {noted['metrics']}. Pass another `directory`, or train from the first epoch on."
            )
        self._entries = [entry for entry in earlier if (self.directory / entry["file"]).exists()]
        self._void = len(self._entries) < len(noted["checkpoints"])
        missing = [entry["file"] for entry in earlier if entry not in self._entries]
        if missing:
            warnings.warn(
                f"Checkpoints are gone from {str(self.directory)!r}: {missing}. The front goes on without them.",
                stacklevel=3,
            )

    def on_epoch_end(self, epoch, logs=None):
        missing = [name for name in self.metrics if name not in logs]
        if missing:
            self._warn_of_missing(missing, logs)
            return
        if self._void:  # entries of epochs that are trained again, whose files are replaced next
            self._write()
            self._void = False
        values = {name: float(logs[name]) for name in self.metrics}
        entry = {"file": f"pareto-epoch-{epoch + 1:04d}.keras", "epoch": epoch + 1, "values": values}
        if self._defined(values) and all(known["values"] != values for known in self._entries):
            self._entries = self._front([*self._entries, entry])
        self.directory.mkdir(parents=True, exist_ok=True)
        # An interruption after each of these leaves a manifest whose files are whole, and have the values that it says.
        if entry in self._entries:
            with files.replacing(self.directory / entry["file"]) as temporary:
                self.model.save(temporary)
        self._write()
        self._prune()

    def _warn_of_missing(self, missing, logs):
        self._warn_once(
            "missing",
            f"`ParetoCheckpoint` can save a model only with {missing} available. The lines are: {sorted(logs)}. "
            "Callbacks that write lines, as `ExplanationMetrics` does, have to stand before it, and lines with 'val_' "
            "need `validation_data` in that epoch.",
        )

    def _defined(self, values):
        """Whether all values are finite; a warning where not."""
        undefined = [name for name, value in values.items() if not np.isfinite(value)]
        if undefined:
            self._warn_once(
                "undefined", f"`ParetoCheckpoint` saves no model of an epoch where {undefined} is NaN or infinite."
            )
        return not undefined

    def _warn_once(self, reason, sentence):
        if reason not in self._warned:
            self._warned.add(reason)
            warnings.warn(f"{sentence} This is said only once.", stacklevel=4)

    def _front(self, entries):
        costs = np.array([[entry["values"][name] for name in self.metrics] for entry in entries]) * self._signs
        return [entry for entry, best in zip(entries, pareto.front(costs), strict=True) if best]

    def _write(self):
        text = json.dumps({"metrics": self.metrics, "checkpoints": self._entries}, indent=2)
        with files.replacing(self.directory / MANIFEST) as temporary:
            temporary.write_text(f"{text}\n", encoding="utf-8")

    def _prune(self):
        """Removes the files of models that are on the front no more, and what interruptions have left."""
        kept = {entry["file"] for entry in self._entries}
        for path in list(self.directory.iterdir()):
            if re.fullmatch(r"(\.?)pareto-epoch-\d+(\.\d+\.tmp)?\.keras", path.name) and path.name not in kept:
                path.unlink()
