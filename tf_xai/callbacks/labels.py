"""Labels that a model has no output for are an error before anything is explained."""

import numpy as np

from tf_xai.core import checks, data, links, trees


def check(score, inputs, y, loss=None):
    """Raises unless labels fit the outputs: within a graph they are an obscure error, and on a GPU none at all.

    Args:
        score: A `Score`.
        inputs: Tensors, each `(rows, ...)`.
        y: Labels as in `fit`.
        loss: What the model was compiled with, which may ignore a class. Where every position has one, as in
            segmentation, negative numbers are none, too.
    """
    labels = np.asarray(score.select(data.arrays(y)))
    outputs = score.model(trees.map_leaves(lambda leaf: leaf[:1], inputs), training=False)
    shape, own = score.values(outputs).shape[1:], score.select(outputs).shape[1:]
    unit = not len(own) or own[-1] == 1
    if labels.dtype.kind not in "iufb":
        _refuse("numbers", labels.dtype)
    if unit and score.link.settle(1).kind != "sigmoid":
        return  # a regression explains its output, whatever the label
    each = unit or labels.ndim <= len(shape) or labels.shape[-1] == 1  # a class for every row, or position
    if np.prod(labels.shape[1:], dtype=int) != np.prod(shape[:-1] if each else shape, dtype=int):
        _refuse(f"classes, or entries for outputs of shape {(len(labels), *shape)}", f"shape {labels.shape}")
    if not each:
        return
    fits = (labels >= 0) & (labels < shape[-1]) & (labels == np.round(labels))
    fits |= unit & (labels >= 0) & (labels <= 1)
    if len(shape) > 1:
        ignored = getattr(links.of_output(loss, score.output, score.model), "ignore_class", None)
        fits |= (labels < 0) | (labels == ignored)
    if not fits.all():
        rows = np.unique(np.argwhere(~fits)[:, 0])
        found = ", ".join(map(str, np.unique(labels[~fits])[:10]))
        _refuse(f"classes from 0 to {shape[-1] - 1}", f"{found} in {checks.rows(rows)}")


def _refuse(expected, received):
    raise ValueError(
        f"`y` must fit the model's outputs. Expected: {expected}. Received: {received}. Pass labels as in `fit`, or "
        "leave `y` out to explain the predicted class."
    )
