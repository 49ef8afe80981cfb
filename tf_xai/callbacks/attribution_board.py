"""AttributionBoard: attributions of some examples, epoch by epoch, for the XAI tab of TensorBoard."""

import os
import weakref

import keras
import numpy as np

from tf_xai.board import examples as drawn
from tf_xai.board import packing, records
from tf_xai.callbacks import probe, snapshots
from tf_xai.callbacks.board_rows import RANDOM, Rows, at_inputs
from tf_xai.callbacks.probe import by_name
from tf_xai.core import checks, data, trees
from tf_xai.metrics.panel import read
from tf_xai.visual.overlay import grid, overlay

# The board that writes to a directory.
_WRITING = weakref.WeakValueDictionary()


class AttributionBoard(keras.callbacks.Callback):
    """Writes attributions of some examples, what metrics say of them, and all lines of the log, for TensorBoard.

    `tensorboard --logdir <folder>` shows them in its tab "XAI", with the extra `tf-xai[tensorboard]`;
    `xai.board.to_html(folder, "board.html")` makes a page of them that needs neither. All is in `<log_dir>/xai`, in the
    format of `board/FORMAT.md`; writing needs no tensorboard.

    Beside the first explainer's, the metrics of random attributions of the same size are written.

    Args:
        log_dir: Directory of this run's logs.
        x: Inputs of the examples, each `(rows, ...)`, or a data set of batches.
        y: Labels as in `fit`; None explains the predicted class.
        explainers: A name, an `Explainer`, a list of them, or a dict of name to explainer. Class activation maps are
            kept on the grid of their layer.
        examples: How many of the rows are shown, the first ones.
        every: Epochs from one picture to the next; None takes epochs ever further apart, 1, 2, 3, 4, 6, 8, 11, 16, 23
            and so on. The first epoch is always written, and so is the last one: where it was not due, with the weights
            that the model has when the training has ended. Lines of the log are written every epoch.
        metrics: Names in `tf_xai.metrics.METRICS`, or a dict of these to their options: one number an example. Those
            of deletion and insertion are drawn as curves, too.
        evidence: Masks like `x` of where the reason is, for metrics that compare with them.
        class_names: A list of the names of the classes, in their order.
        feature_names: A list of the names of the columns of a table or the channels of a series, or a dict of input to
            such; None takes those of a data frame.
        tokens: Function of the ids of a row `(length,)` to as many words, "" for padding; None shows the ids.
        rate: Samples a second, where inputs `(rows, samples)` or `(rows, samples, 1)` are sounds.
        images: Whether to write pictures for the stock Images dashboard as well: a grid of overlays, or a figure.

    Of nested inputs every one is shown by itself. Of a video eight frames are, side by side. Inputs of other shapes are
    left out. Maps of `attention` are written whole: a byte for every pair of tokens, head and layer.
    """

    def __init__(
        self,
        log_dir,
        x,
        y=None,
        explainers="integrated_gradients",
        *,
        examples=16,
        every=None,
        metrics=("deletion", "insertion"),
        evidence=None,
        class_names=None,
        feature_names=None,
        tokens=None,
        rate=None,
        images=False,
    ):
        super().__init__()
        for name, value in {"examples": examples, "every": 1 if every is None else every}.items():
            checks.positive(name, value)
        feature_names = data.feature_names(x) if feature_names is None else feature_names
        _check_names(class_names=class_names, feature_names=feature_names, tokens=tokens, rate=rate)
        first = lambda tree: None if tree is None else trees.map_leaves(lambda leaf: leaf[:examples], data.arrays(tree))
        self.x, self.y, self.evidence = map(first, probe.read(x, y, evidence))
        self.log_dir, self.every = os.path.join(os.fspath(log_dir), "xai"), every
        self.explainers, self.metrics = by_name(explainers), read(metrics)
        probe.check_evidence(self.metrics, self.evidence)
        _check_explainers(self.explainers)
        self.class_names, self.feature_names = class_names, feature_names
        self.tokens, self.rate, self.images = tokens, rate, images
        self._rows = None

    def on_train_begin(self, logs=None):
        rows = Rows(self.model, self.x, self.y, self.explainers, self.metrics, self.evidence)
        # With the same model again, what is compiled serves again.
        self._rows = rows if self._rows is None or not self._rows.serves(rows) else self._rows
        self._rows.forget()
        self._claim()
        self._ready = self._look_ahead()
        self._writer = records.writer(self.log_dir)
        self._epoch = self._logged = None

    def on_train_batch_end(self, batch, logs=None):
        self._ready = self._ready or self._look_ahead()

    def _claim(self):
        """Raises where another board of the same training writes to the same directory: one would show the other's."""
        other = _WRITING.get(self.log_dir)
        if other not in (None, self) and other.params is self.params:  # Keras gives those of one `fit` the same dict
            raise ValueError(
                f"Two boards of one training can not write to {self.log_dir!r}. Pass one board all `explainers`, or "
                "each a `log_dir` of its own."
            )
        _WRITING[self.log_dir] = self

    def _look_ahead(self):
        """What does not fit is an error before the first epoch; of a model without weights, after its first batch."""
        ready = self._rows.ahead()
        if ready:
            self._blob = self._examples()
        return ready

    def on_epoch_end(self, epoch, logs=None):
        self._epoch = epoch
        with self._writer.as_default():
            for name, value in (logs or {}).items():
                records.scalar(name, value, epoch)
            if self._logged is None or self._due(epoch):
                self._log(epoch)
        self._writer.flush()

    def on_train_end(self, logs=None):
        if self._epoch != self._logged:
            with self._writer.as_default():
                self._log(self._epoch)
        self._writer.close()
        _WRITING.pop(self.log_dir, None)

    def _due(self, epoch):
        """Of epochs ever further apart the powers of the square root of two."""
        if self.every is not None:
            return epoch % self.every == 0
        return any(round(2 ** (k / 2)) == epoch + 1 for k in range(64))

    def _log(self, epoch):
        found, inputs = self._rows.measure(), self._arrays()
        if self._logged is None:
            records.inputs(self._blob, epoch)
        for name, each in found.items():
            control, numbers = name == RANDOM, trees.map_leaves(np.asarray, each["numbers"])
            if not control:
                entries = self._maps(name, trees.map_leaves(np.asarray, each["values"]), inputs)
                records.maps(name, packing.pack(entries, n=self._rows.count), epoch)
                numbers = {**numbers, **_scales(entries)}
            records.numbers(name, numbers, np.stack(list(numbers.values()), axis=1), epoch, control)
            if "curves" in each:
                names, shares = self._rows.curves, np.linspace(0, 1, each["curves"].shape[-1])
                records.curves(name, names, shares.tolist(), each["curves"], epoch, control)
            if self.images and not control and self.explainers[name].method != "attention":
                values = trees.map_leaves(np.asarray, at_inputs(each["values"], self._rows.inputs))
                records.image(f"attributions/{name}", _draw(inputs, values), epoch)
        self._logged = epoch

    def _arrays(self):
        return trees.map_leaves(np.asarray, self._rows.inputs)

    def _examples(self):
        """The blob of the inputs."""
        classes = self._rows.classes
        if self.class_names is not None and classes is not None and len(self.class_names) != classes:
            raise ValueError(
                f"`class_names` must name every class of the model. Expected: {classes} names. Received: "
                f"{len(self.class_names)}."
            )
        inputs, mark = _named(self._arrays()), str(snapshots.mark(self._rows.inputs))
        options = {"names": self.feature_names, "tokens": self.tokens, "rate": self.rate}
        return drawn.blob(inputs, self._rows.single_labels(), self.class_names, mark, **options)

    def _maps(self, name, values, inputs):
        """The entries of the attributions of one explainer."""
        shown = [(key, leaf) for key, leaf in _named(inputs) if drawn.kind(leaf, self.rate) is not None]
        if self.explainers[name].method == "attention":
            of = next((key for key, leaf in shown if leaf.ndim == 2), shown[0][0])
            return [drawn.heads(layer, weights, of) for layer, weights in values.items()]
        smooth, by_key = self.explainers[name].has("resize"), dict(_named(values))
        entry = lambda key, leaf: drawn.attribution(key, by_key[key], leaf, rate=self.rate, smooth=smooth)
        return [entry(key, leaf) for key, leaf in shown]


def _check_names(class_names, feature_names, tokens, rate):
    """Raises for what is no list of names, no function, or no rate."""
    each = list(feature_names.values()) if isinstance(feature_names, dict) else [feature_names]
    for argument, names in [("class_names", class_names), *(("feature_names", names) for names in each)]:
        if isinstance(names, (str, dict)) or not (names is None or hasattr(names, "__len__")):
            raise TypeError(f"`{argument}` must be a list of names. Received: {names!r}.")
    if not (tokens is None or callable(tokens)):
        raise TypeError(f"`tokens` must be a function of the ids of a row to words. Received: {type(tokens).__name__}.")
    if rate is not None and not rate > 0:
        raise ValueError(f"`rate` must be larger than 0, in Hz. Received: rate={rate!r}.")


def _check_explainers(explainers):
    if RANDOM in explainers:
        raise ValueError(f"{RANDOM!r} is the name of random attributions. Pass another name for this explainer.")
    for name, explainer in explainers.items():
        if explainer.layer is not None:
            raise ValueError(
                f"The explainer {name!r} explains a layer, and the board shows inputs. Leave its `layer=` out here."
            )


def _named(tree):
    """`(name, leaf)` of nested arrays; the name of a single one is ""."""
    return [("/".join(map(str, path)), leaf) for path, leaf in keras.tree.flatten_with_path(tree)]


def _scales(entries):
    """The columns of the scales and clips, `scale` and `clip`, or `scale/<name>` where there are several maps."""
    column = lambda of, entry: of if len(entries) == 1 else f"{of}/{entry['name']}"
    number = lambda values: np.array(values, "float32")  # None is NaN
    return {column(of, entry): number(entry[of]) for entry in entries for of in ("scale", "clip")}


def _draw(inputs, values):
    """Images: the inputs over their overlays. Anything else: a figure."""
    if isinstance(inputs, np.ndarray) and inputs.ndim == 4 and inputs.shape[-1] in (1, 3):
        plain = overlay(inputs, np.zeros_like(inputs))
        return grid([list(plain), list(overlay(inputs, values))], scale=max(1, 96 // inputs.shape[1]))
    from tf_xai.visual.figures import image, plot  # matplotlib takes its time to import

    return image(plot(values, inputs))
