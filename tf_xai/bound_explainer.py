"""BoundExplainer: an attribution method at work in one model."""

import warnings

import keras
import tensorflow as tf

from tf_xai.attributions import FITS, METHODS, TOKENS, UNSUMMED
from tf_xai.core import baselines, checks, data, places, trees
from tf_xai.core.score import SCORE_OPTIONS, Score, narrow, read_target
from tf_xai.core.tracing import trace


class BoundExplainer:
    """An explainer and a model: `explain(inputs, target)`."""

    def __init__(self, explainer, model):
        self.explainer, self.method, self._function = explainer, explainer.method, METHODS[explainer.method]
        self.score = Score(model, **{name: getattr(explainer, name) for name in SCORE_OPTIONS})
        # As tensors, arrays are inputs of the traced function; as NumPy arrays they would be constants in its graph.
        self._options = {name: _as_tensors(value, self.score.model) for name, value in explainer.options.items()}
        self._attribute = trace(self.attribute)
        self._report = trace(self._report_of)

    def __call__(self, inputs, target=None, **changes):
        """Attributions of a batch: a tree like `inputs`.

        Args:
            inputs: Tensor or nested tensors, each `(batch, ...)`.
            target: `(batch,)` integer classes, weights of the outputs, or None for the predicted class.
            **changes: Options for this call only, such as `seed` (an integer tensor traces only once).
        """
        if tf.inside_function():
            return self.attribute(inputs, target, **changes)
        return self._checked(self._attribute, inputs, target, changes)

    def attribute(self, inputs, target=None, **changes):
        """The same, always as part of the graph or the eager code around it."""
        with checks.context(f"While computing {self.explainer!r} of inputs of shape {checks.shapes(inputs)}."):
            return self._values(self._function, self._place(inputs), inputs, target, changes)

    def _values(self, function, place, inputs, target, changes):
        """What an attribution function gives at a place."""
        options = {**self._options, **changes}
        if place is None:
            return function(self.score, inputs, target, **options)
        if self.explainer.has("regions"):
            options = {"regions": None, **options}
        pool = {"pool": TOKENS[self.method]} if self.method in TOKENS and self.explainer.layer is None else {}
        return place.explain(function, self.score.resolve(inputs, target), options, **pool)

    def _place(self, inputs):
        """Where the model is explained, if not at its inputs. Methods with an own option `layer` look into it."""
        if self.explainer.has("layer"):
            return None
        place = places.find(self.score, inputs, self.explainer.layer)
        if self.explainer.layer is None:
            _warn_of_integers(inputs, [] if place is None else [site.leaf for site in place.sites])
        return place

    @property
    def at_inputs(self):
        """Whether the values are those of the inputs as they are: not of a layer, nor of what ids look up."""
        return self.explainer.layer is None and not places.embedding_layers(self.score.model)

    def report(self, inputs, target=None, **changes):
        """Attributions and what they explain, in a dict: `values, score, baseline_score, target, fidelity`.

        At a layer also `inputs`: what it puts out.
        """
        return self._checked(self._report, inputs, target, changes)

    def _checked(self, function, inputs, target, changes):
        """Calls a traced function on what the user passed; a class that does not exist is named as such."""
        inputs = data.to_tensors(self.score.model, inputs)
        if target is None:
            return function(inputs, None, **changes)
        target = read_target(target, trees.batch_size(inputs))
        try:
            result = function(inputs, tf.constant(target), **changes)
        except tf.errors.InvalidArgumentError:
            self.score.check(target)  # usually a class that does not exist
            raise
        self.score.check(target)
        return result

    def _report_of(self, inputs, target, **changes):
        words = f"{self.explainer!r} of inputs of shape {checks.shapes(inputs)}."
        with checks.context(f"While scoring {words}"):
            outputs = self.score.model(inputs, training=False)
            target = self.score.target_of(outputs) if target is None else target
            place = self._place(inputs)
            report = {
                "score": self.score.of(outputs, target),
                "baseline_score": self._baseline_score(place, inputs, target, changes),
                "target": target,
            }
        with checks.context(f"While computing {words}"):
            report["values"], report["fidelity"] = self._values_and_fidelity(place, inputs, target, changes)
        if self.explainer.layer is not None:
            report["inputs"] = place.points(inputs)["sites"][0]
        return report

    def _values_and_fidelity(self, place, inputs, target, changes):
        """The values, and how well they describe the score, where the method fits something: else None."""
        if self.method not in FITS:
            return self._values(self._function, place, inputs, target, changes), None
        fidelity = []

        def fit(score, inputs, target, **options):
            defaults = {name: self.explainer.option(name) for name in self.explainer.valid}
            values, quality = FITS[self.method](score, inputs, target, **{**defaults, **options})
            fidelity.append(quality)
            return values

        return self._values(fit, place, inputs, target, changes), fidelity[0]

    def baseline_score(self, inputs, target, **changes):
        """`(batch,)`: the score at the baseline, or the mean score of the background.

        None for methods that have neither, and for those whose values do not sum to a difference of scores.
        """
        return self._baseline_score(self._place(inputs), inputs, target, changes)

    def _baseline_score(self, place, inputs, target, changes):
        options = {**self._options, **changes}
        has_baseline, background = self.explainer.has("baseline"), options.get("background")
        if self.method in UNSUMMED or not (has_baseline or self.explainer.has("background")):
            return None
        if background is not None or not has_baseline:
            return narrow(self._background_values(inputs, background), target)
        baseline = options.get("baseline", self.explainer.option("baseline"))
        if place is None:
            return self.score(baselines.resolve(baseline, inputs), target)
        return place(baselines.resolve(place.baseline(baseline), place.points(inputs)), target)

    def _background_values(self, inputs, background):
        """The mean outputs of the background for every row, or of the other rows of the batch."""
        values = self.score.values(self.score.model(inputs if background is None else background, training=False))
        if background is None:
            others = tf.cast(tf.maximum(tf.shape(values)[0] - 1, 1), tf.float32)
            return (tf.reduce_sum(values, axis=0) - values) / others
        return tf.repeat(tf.reduce_mean(values, axis=0, keepdims=True), trees.batch_size(inputs), axis=0)


def _warn_of_integers(inputs, explained):
    """Integers beside what is explained are held fixed. (Where nothing else is there, the methods raise.)"""
    leaves = trees.leaves(inputs)
    if not explained and not any(trees.is_float(leaf) for leaf in leaves):
        return
    for i, leaf in enumerate(leaves):
        if tf.as_dtype(leaf.dtype).is_integer and i not in explained:
            warnings.warn(
                f"Integer inputs that no `Embedding` looks up are held fixed, and their attributions are zero. "
                f"Received: {leaf.dtype.name} of shape {tuple(leaf.shape)}. Pass floats (`x.astype('float32')`) where "
                "the numbers are quantities and booleans where they are a mask.",
                stacklevel=2,
            )


def _as_tensors(option, model):
    """Arrays of an option, also nested, as tensors; anything else as it is."""
    leaves = keras.tree.flatten(option)
    if any(hasattr(leaf, "__array__") for leaf in leaves):
        return data.to_tensors(model, option)
    return option
