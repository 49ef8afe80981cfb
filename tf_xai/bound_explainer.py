"""BoundExplainer: an attribution method at work in one model."""

import warnings

import keras
import tensorflow as tf

from tf_xai.attributions import FITS, METHODS, TOKENS, UNSUMMED
from tf_xai.core import baselines, checks, data, places, trees
from tf_xai.core.score import SCORE_OPTIONS, Score, narrow, read_target
from tf_xai.core.tracing import trace
from tf_xai.core.variants import map_variants


class BoundExplainer:
    """An explainer and a model: `explain(inputs, target)`."""

    def __init__(self, explainer, model):
        self.explainer, self.method, self._function = explainer, explainer.method, METHODS[explainer.method]
        self.score = Score(model, **{name: getattr(explainer, name) for name in SCORE_OPTIONS})
        # As tensors, arrays are inputs of the traced function; as NumPy arrays they would be constants in its graph.
        self._options = {name: _as_tensors(name, value, self.score.model) for name, value in explainer.options.items()}
        self._attribute = trace(self._attribute_of)
        self._report = trace(self._report_of)
        self._ids = None  # the positions of inputs that embeddings look up, once somebody asks

    def __call__(self, inputs, target=None, **changes):
        """Attributions of a batch: a tree like `inputs`.

        Args:
            inputs: Tensor or nested tensors, each `(batch, ...)`.
            target: `(batch,)` integer classes, weights of the outputs, or None for the predicted class.
            **changes: Options for this call only, such as `seed` (an integer tensor traces only once).
        """
        if tf.inside_function():
            return self.attribute(inputs, target, **changes)
        values = self._checked(self._attribute, inputs, target, changes)
        self.warn_of_held(data.to_tensors(self.score.model, inputs))
        return values

    def attribute(self, inputs, target=None, **changes):
        """The same, always as part of the graph or the eager code around it."""
        values = self._attribute_of(inputs, target, **changes)
        self.warn_of_held(inputs)
        return values

    def _attribute_of(self, inputs, target, **changes):
        with checks.context(f"While computing {self.explainer!r} of inputs of shape {checks.shapes(inputs)}."):
            return self._values(self._function, self.place(inputs), inputs, target, changes)

    def _values(self, function, place, inputs, target, changes):
        """What an attribution function gives at a place."""
        options = {**self._options, **changes}
        if place is None:
            return function(self.score, inputs, target, **options)
        options = {name: value for name, value in place.defaults.items() if self.explainer.has(name)} | options
        pool = {"pool": TOKENS[self.method]} if self.method in TOKENS and self.explainer.layer is None else {}
        return place.explain(function, self.score.resolve(inputs, target), options, **pool)

    def place(self, inputs):
        """Where the model is explained, if not at its inputs. Methods with an own option `layer` look into it."""
        if self.explainer.has("layer"):
            return None
        return places.find(self.score, inputs, self.explainer.layer)

    def held(self, inputs):
        """Which inputs are held fixed: tensors that are not floating, and that no `Embedding` looks up."""
        leaves = trees.leaves(inputs)
        fixed = [i for i, leaf in enumerate(leaves) if not trees.is_float(leaf)]
        if not fixed or self.explainer.layer is not None or self.explainer.has("layer"):
            return []
        if self._ids is None:
            self._ids = {site.leaf for site in places.embeddings(self.score.model, inputs)}
        return [leaves[i] for i in fixed if i not in self._ids]

    def warn_of_held(self, inputs):
        """Says which inputs have attributions of zero because they are no floating numbers."""
        if words := held_in_words(self.held(inputs)):
            warnings.warn(words, stacklevel=3)

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
        data.check_shapes(self.score.model, inputs)
        inputs = data.to_tensors(self.score.model, inputs)
        target = None if target is None else tf.constant(read_target(target, trees.batch_size(inputs)))
        try:
            result = function(inputs, target, **changes)
        except tf.errors.InvalidArgumentError:  # usually a class, or a token, that does not exist
            places.check_ids(self.score.model, inputs)
            if target is not None:
                self.score.check(target)
            raise
        if target is not None:
            self.score.check(target)
        return result

    def _report_of(self, inputs, target, **changes):
        words = f"{self.explainer!r} of inputs of shape {checks.shapes(inputs)}."
        with checks.context(f"While scoring {words}"):
            outputs = self.score.model(inputs, training=False)
            target = self.score.target_of(outputs) if target is None else target
            place = self.place(inputs)
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
        return self._baseline_score(self.place(inputs), inputs, target, changes)

    def _baseline_score(self, place, inputs, target, changes):
        options = {**self._options, **changes}
        has_baseline, background = self.explainer.has("baseline"), options.get("background")
        if self.method in UNSUMMED or not (has_baseline or self.explainer.has("background")):
            return None
        if background is not None:
            baselines.check_background(background, inputs)
        if background is not None or not has_baseline:
            return self._background_score(place, inputs, target, background)
        baseline = options.get("baseline", self.explainer.option("baseline"))
        if place is None:
            return self.score(baselines.resolve(baseline, inputs), target)
        return place(baselines.resolve(place.baseline(baseline), place.points(inputs)), target)

    def _background_score(self, place, inputs, target, background):
        """The mean score of the background for every row, or of the other rows of the batch."""
        references = inputs if background is None else background
        if place is None and all(trees.is_float(leaf) for leaf in trees.leaves(inputs)):
            values = self.score.values(self.score.model(references, training=False))
            total = tf.repeat(tf.reduce_sum(values, axis=0, keepdims=True), trees.batch_size(inputs), axis=0)
            total = narrow(total, target)
        else:  # what is not explained stays that of the row, as in the methods
            score, points = (self.score, inputs) if place is None else (place, place.points(inputs))
            drawn = baselines.references(references if place is None else place.points(references), points)
            total = tf.reduce_sum(map_variants(score, drawn, trees.batch_size(references), points, target), axis=0)
        count = tf.cast(trees.batch_size(references), tf.float32)
        return total / count if background is not None else (total - self.score(inputs, target)) / (count - 1)


def held_in_words(leaves):
    """What to do about inputs that are held fixed; None where all are masks, which are meant to be."""
    for leaf in leaves:
        kind = tf.as_dtype(leaf.dtype)
        if not kind.is_bool:
            return (
                f"{'Strings' if kind == tf.string else 'Integers'} that no `Embedding` looks up are held fixed, and "
                f"their attributions are zero. Received: {kind.name} of shape {tuple(leaf.shape)}. Encode categories "
                "before the model, or let it take them as floats, for 'exact_shap' or 'kernel_shap'. Pass floats "
                "(`x.astype('float32')`) where numbers are quantities and booleans where they are a mask."
            )
    return None


def _as_tensors(name, option, model):
    """Arrays of an option, also nested, as tensors; anything else as it is. Regions have to be known when tracing."""
    if name != "regions" and any(hasattr(leaf, "__array__") for leaf in keras.tree.flatten(option)):
        return data.to_tensors(model, option)
    return option
