"""`method="auto"`: which method suits a model and its inputs."""

import warnings

import numpy as np

from tf_xai.core import checks, data, own, places, trees
from tf_xai.core.capture import calls, recurrent_layers
from tf_xai.core.rules import NoRule
from tf_xai.core.score import SCORE_OPTIONS
from tf_xai.core.tracing import trace
from tf_xai.explainer import Explainer

# Columns of a table whose coalitions are all tried: 1,024 forward passes.
FEW = 10

# Steps of a recurrent layer that are still unrolled: every one of them is compiled by itself.
LONG = 32


def choose(model, x, options):
    """An `Explainer` and the reason for it: the most exact method that the model allows at a moderate cost.

    Args:
        model: Any Keras model.
        x: The rows to explain, nested arrays: the first of them is explained on trial.
        options: What the method is to be given: it must know all of it.
    """
    with checks.context("The method was chosen by `method='auto'`: name one that has the options you need."):
        if _is_small_table(model, x):
            return Explainer("exact_shap", **options), f"a table of at most {FEW} columns allows exact Shapley values"
        explainer = Explainer("deep_lift", **options)
        obstacle = _obstacle(explainer, model, x)
        if obstacle is None:
            return explainer, "its values add up exactly, for two forward passes and one backward pass"
        if "background" in options:
            explainer = Explainer("expected_gradients", **options)
        else:
            explainer = Explainer("integrated_gradients", **{"tolerance": 0.01, **options})
        if _has_gradient(explainer, model, x):
            return explainer, f"it needs nothing but gradients, and {obstacle}"
        # At least four samples per column, which it needs where the columns of a table are the players.
        samples = max(2048, 4 * trees.row_size(x) + 2) if _is_table(x) else 2048
        explainer = Explainer("kernel_shap", **{"samples": samples, **options})
        return explainer, "no gradient reaches the inputs, and this needs none"


def _obstacle(explainer, model, x):
    """What speaks against `deep_lift`, or None."""
    if _steps(model, x) > LONG:
        return f"`deep_lift` would unroll more than {LONG} steps, which takes long to compile"
    try:
        values = _trial(explainer, model, x)
    except NoRule as error:
        return str(error).split(". ")[0]
    finite = all(np.isfinite(leaf).all() for leaf in trees.leaves(values))
    return None if finite else "`deep_lift` meets numbers that are not finite"


def _steps(model, x):
    """The most time steps that a recurrent layer reads; those of unknown number count as none."""
    layers, seen = recurrent_layers(model), [0]
    if layers:
        with calls(layers, lambda layer, number, series, output: seen.append(series.shape[1] or 0) or output):
            trace(lambda inputs: model(inputs, training=False))(data.to_tensors(model, _first(x)))
    return max(seen)


def _first(x):
    return trees.map_leaves(lambda leaf: leaf[:1], x)


def _is_table(x):
    return all(leaf.ndim == 2 and leaf.dtype.kind != "b" for leaf in trees.leaves(x))


def _is_small_table(model, x):
    return _is_table(x) and trees.row_size(x) <= FEW and not places.embedding_layers(model)


def _trial(explainer, model, x):
    """The values of the first row."""
    own_options = {name: of_rows(slice(0, 1)) for name, of_rows in own.options(explainer, x).items()}
    return explainer.bind(model).report(_first(x), **own_options)["values"]


def _has_gradient(explainer, model, x):
    """Not: values that are all zero, with a warning that nothing connects the score to the inputs."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if any(np.any(leaf) for leaf in trees.leaves(_trial(explainer, model, x))):
            return True
        # Not traced, because a trace warns once only.
        slope = Explainer("gradient", **{name: getattr(explainer, name) for name in ("layer", *SCORE_OPTIONS)})
        slope.bind(model).attribute(data.to_tensors(model, _first(x)))
    return not any("does not depend on the input" in str(entry.message) for entry in caught)
