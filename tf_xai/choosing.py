"""`method="auto"`: which method suits a model and its inputs."""

import warnings

import numpy as np

from tf_xai.core import checks, places, trees
from tf_xai.core.rules import NoRule
from tf_xai.explainer import Explainer

# Columns of a table whose coalitions are all tried: 1,024 forward passes.
FEW = 10


def choose(model, batch, options):
    """An `Explainer` and the reason for it: the most exact method that the model allows at a moderate cost.

    Args:
        model: Any Keras model.
        batch: Some rows, nested arrays: one of them is explained on trial.
        options: What the method is to be given: it must know all of it.
    """
    row = trees.map_leaves(lambda leaf: np.asarray(leaf)[:1], batch)
    with checks.context("The method was chosen by `method='auto'`: name one that has the options you need."):
        if _is_small_table(model, row):
            return Explainer("exact_shap", **options), f"a table of at most {FEW} columns allows exact Shapley values"
        explainer = Explainer("deep_lift", **options)
        try:
            explainer.bind(model)(row)
            return explainer, "its values add up exactly, for two forward passes and one backward pass"
        except NoRule as error:
            missing = str(error).split(". ")[0]
        explainer = Explainer("integrated_gradients", **{"tolerance": 0.01, **options})
        if _has_gradient(explainer, model, row):
            return explainer, f"it needs nothing but gradients, and {missing}"
        return Explainer("kernel_shap", **options), "the model has no gradient, and this needs none"


def _is_small_table(model, row):
    leaves = trees.leaves(row)
    is_table = all(leaf.ndim == 2 and leaf.dtype.kind != "b" for leaf in leaves)
    return is_table and trees.row_size(row) <= FEW and not places.embedding_layers(model)


def _has_gradient(explainer, model, row):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return any(np.any(values) for values in trees.leaves(explainer.bind(model)(row)))
