"""The explainers of the shap package that take a model's gradients. Options and results as in `shap_sampling`."""

from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from tf_xai.core import checks, conversions, data, trees
from tf_xai.interop.predict import Predict, sort


def shap_gradient(model, x, background, *, target=None, **options):
    """`shap.GradientExplainer`: expected gradients. See `shap_kernel`.

    Args:
        **options: Of the score, the explainer and its `shap_values`, such as `space`, `nsamples` or `rseed`.
    """
    import shap

    call = ("nsamples", "rseed")
    score, made, asked = sort("shap_gradient", options, ("batch_size", "local_smoothing"), call)
    return _explain("expected_gradients", shap.GradientExplainer, model, x, background, target, score, made, asked)


def shap_deep(model, x, background, *, target=None, **options):
    """`shap.DeepExplainer`: DeepLIFT's rescale rule. See `shap_kernel`.

    It knows some operations of TensorFlow only. Where it fails, TensorFlow is left as it was.

    Args:
        **options: Of the score and of `shap_values`: `check_additivity`.

    Raises: RuntimeError for a model that it can not explain; `deep_lift` explains those too.
    """
    import shap

    score, asked = sort("shap_deep", options, ("check_additivity",))
    return _explain("deep_lift", shap.DeepExplainer, model, x, background, target, score, {}, asked)


def _explain(ours, package, model, x, background, target, score, made, asked):
    import shap

    names, x, background = data.feature_names(x), data.arrays(x), data.arrays(background)
    checks.same_structure("background", background, x, "Pass rows of the training data, nested like `x`.")
    predict = Predict(model, **score)
    classes = predict.classes(x, target)
    shown, known = (_leaves(predict.inputs(tree)) for tree in (x, background))
    with _gradients_restored():
        try:
            explainer = package(Shown(predict, x, shown), known, **made)
            values = explainer.shap_values(shown, **asked)
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1].strip()
            raise RuntimeError(
                f"shap's {package.__name__} can not explain this model ({reason}). "
                f"Use `xai.explain(model, x, method={ours!r}, background=background)`."
            ) from error
    every, base = np.arange(len(classes)), predict(background).mean(axis=0)[classes]
    values = [leaf[every, ..., classes] for leaf in (values if isinstance(values, list) else [values])]
    values = trees.pack(x, [np.reshape(v, leaf.shape) for v, leaf in zip(values, trees.leaves(x), strict=True)])
    if isinstance(x, np.ndarray):
        return shap.Explanation(values, base, data=x, feature_names=names)
    columns = (conversions.side_by_side(tree) for tree in (values, x))
    return shap.Explanation(next(columns), base, data=next(columns), feature_names=conversions.column_names(x))


def _leaves(tree):
    """The inputs as shap wants them: a list where there are several."""
    leaves = [np.asarray(leaf) for leaf in trees.leaves(tree)]
    return leaves if len(leaves) > 1 else leaves[0]


class Shown(keras.Model):
    """The explained output of any model, as shap reads models: a list of inputs, one output `(rows, classes)`."""

    def __init__(self, predict, structure, leaves):
        super().__init__()
        # A function, because Keras replaces dicts among the attributes by its own.
        self._score, self._nest = predict.score, lambda leaves: trees.pack(structure, leaves)
        self._specs = [tf.TensorSpec([None, *leaf.shape[1:]], leaf.dtype) for leaf in trees.leaves(leaves)]

    def call(self, inputs, training=False):
        return self._score.values(self._score.model(self._nest(trees.leaves(inputs)), training=False))

    @property
    def inputs(self):
        return self._specs

    @property
    def outputs(self):
        return [tf.TensorSpec([None, self._score.classes])]

    @property
    def layers(self):
        """One that was never called by itself: then shap takes `outputs`."""
        return [keras.layers.Identity()]


@contextmanager
def _gradients_restored():
    """Leaves TensorFlow's gradients as they were: a failing `DeepExplainer` leaves its own behind."""
    from tensorflow.python.eager import execute
    from tensorflow.python.framework import ops

    registry, record = ops._gradient_registry._registry, execute.record_gradient
    before = {name: dict(entry) for name, entry in registry.items()}
    try:
        yield
    finally:
        execute.record_gradient = record
        registry.clear()
        registry.update(before)
