"""The explainers of the shap package that ask a model for predictions only.

All take rows with a batch axis, explain one class per row and return one `shap.Explanation`. Beside `target`, their
options are those of the score (`output`, `space`, `from_logits`), of the package's explainer and of its call, by their
names there.
"""

import numpy as np

from tf_xai.core import checks, conversions, data, trees
from tf_xai.interop.predict import Predict, sort, strings


def shap_kernel(model, x, background, *, target=None, **options):
    """`shap.KernelExplainer`.

    Args:
        model: Any Keras model.
        x: Array, data frame or nest of arrays, each `(rows, ...)`; every number is a player.
        background: Rows of the training data, nested like `x`.
        target: Class of every row, or one for all; None explains the predicted class, or the output of a regression.
        **options: Of the score, the explainer and its `shap_values`, such as `space`, `nsamples` or `l1_reg`.

    Returns: A `shap.Explanation` in the shape of `x`; of nested inputs the columns side by side, as `to_shap` has them.
    Raises: TypeError for an option that shap does not have.
    """
    import shap

    call = ("nsamples", "l1_reg", "silent", "gc_collect")
    score, made, asked = sort("shap_kernel", options, ("feature_names", "link"), call)
    table = _Table(model, x, score)
    explainer = shap.KernelExplainer(table.predict, table.flat(background), **made)
    values = explainer.shap_values(table.rows, **{"silent": True, **asked})
    return table.result(values, explainer.expected_value, target)


def shap_permutation(model, x, background, *, target=None, **options):
    """`shap.PermutationExplainer`, with all rows of the background. See `shap_kernel`."""
    import shap

    return _masked("shap_permutation", shap.PermutationExplainer, model, x, background, target, options)


def shap_exact(model, x, background, *, target=None, **options):
    """`shap.ExactExplainer`, with all rows of the background. See `shap_kernel`."""
    import shap

    return _masked("shap_exact", shap.ExactExplainer, model, x, background, target, options)


def _masked(name, package, model, x, background, target, options):
    from shap.maskers import Independent

    score, made, asked = sort(name, options, package, package.__call__, given=("model", "masker"))
    table = _Table(model, x, score)
    rows = table.flat(background)
    e = package(table.predict, Independent(rows, max_samples=len(rows)), **made)(
        table.rows, **{"silent": True, **asked}
    )
    return table.result(e.values, e.base_values, target)


def shap_partition(model, x, background=None, *, encode=None, target=None, **options):
    """`shap.PartitionExplainer` on a table, images or strings. See `shap_kernel`.

    Args:
        x: Table `(rows, columns)`, images `(rows, height, width, channels)` or a list of strings.
        background: Of a table, rows of the training data; of images, what hides a region: a number, an image, or what
            `shap.maskers.Image` knows by name (that takes OpenCV), black where None; of strings, the tokenizer of
            `shap.maskers.Text`, words where None.
        encode: Function of a list of strings to the inputs of the model; None where the model takes strings.
    """
    import shap

    package = shap.PartitionExplainer
    score, made, asked = sort("shap_partition", options, package, package.__call__, given=("model", "masker"))
    asked = {"silent": True, **asked}
    if isinstance(x, (list, tuple)) and all(isinstance(text, str) for text in x):
        predict = Predict(model, strings(model, encode), **score)
        masker = shap.maskers.Text(r"\W+" if background is None else background)
        return _pick(package(predict, masker, **made)(list(x), **asked), predict.classes(x, target))
    table = _Table(model, x, score)
    if np.ndim(table.x) == 4:
        if np.ndim(background) == 4:
            raise ValueError(
                "`background` of images must be one image, a number or a name: what hides a region. Received: shape "
                f"{np.shape(background)}. Pass an image of these, or their mean, `background.mean(axis=0)`."
            )
        masker = shap.maskers.Image(0.0 if background is None else background, table.x.shape[1:])
        e = package(Predict(model, **score), masker, **made)(table.x, **asked)
    else:
        if background is None:
            raise ValueError("`shap_partition` needs a `background` for tables: rows of the training data.")
        rows = table.flat(background)
        e = package(table.predict, shap.maskers.Partition(rows, max_samples=len(rows)), **made)(table.rows, **asked)
    return table.result(e.values, e.base_values, target)


class _Table:
    """Rows of any nesting as the columns that shap wants, and its values as rows again."""

    def __init__(self, model, x, score):
        self.names, self.x = data.feature_names(x), data.arrays(x)
        self.rows = self.flat(self.x)
        self.predict = Predict(model, self._nest, **score)

    def flat(self, tree):
        """The columns of rows nested like `x`, `(rows, columns)`."""
        tree = data.arrays(tree)
        checks.same_structure("background", tree, self.x, "Pass rows of the training data, nested like `x`.")
        return conversions.side_by_side(trees.map_leaves(np.asarray, tree)).astype("float64")

    def _nest(self, rows):
        leaves, start = [], 0
        for leaf in trees.leaves(self.x):
            size = int(np.prod(leaf.shape[1:]))
            leaves.append(rows[:, start : start + size].reshape(-1, *leaf.shape[1:]).astype(leaf.dtype))
            start += size
        return trees.pack(self.x, leaves)

    def result(self, values, base, target):
        """The `shap.Explanation` of one class per row, from the values `(rows, ..., classes)` of all."""
        import shap

        classes = self.predict.classes(self.rows, target)
        every, many = np.arange(len(classes)), self.predict.score.classes
        values = np.reshape(values, (*self.rows.shape, many))[every, :, classes]
        base = np.broadcast_to(np.reshape(base, (-1, many)), (len(every), many))[every, classes]
        if isinstance(self.x, np.ndarray):
            return shap.Explanation(values.reshape(self.x.shape), base, data=self.x, feature_names=self.names)
        return shap.Explanation(values, base, data=self.rows, feature_names=conversions.column_names(self.x))


def _pick(e, classes):
    """One class per row of an explanation of strings, whose rows differ in length."""
    import shap

    values = np.empty(len(classes), object)
    for row, number in enumerate(classes):
        values[row] = np.asarray(e.values[row])[:, number]
    base = np.reshape(e.base_values, (len(classes), -1))[np.arange(len(classes)), classes]
    return shap.Explanation(values, base, data=e.data)
