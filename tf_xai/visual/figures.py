"""Matplotlib figures of attributions, by the kind of input: bars for tables, overlays for images, bands for series."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tf_xai.visual.overlay import AGAINST, FOR, overlay


def plot(values, inputs, *, score=None, target=None, feature_names=None, title="", top=12):
    """One panel per row and input.

    Args:
        values: Attributions `(n, ...)`, or nested arrays; with the batch axis first.
        inputs: The inputs, in the same structure.
        score: `(n,)`, for the titles.
        target: `(n,)` classes, for the titles.
        feature_names: Names of the columns of a table.
        title: Over the figure.
        top: The most bars that a panel shows: the largest magnitudes.

    Returns: A matplotlib figure.
    """
    leaves = [(name, a, x) for (name, a), (_, x) in zip(_leaves(values), _leaves(inputs), strict=True)]
    panels = [(i, *leaf) for i in range(len(leaves[0][1])) for leaf in leaves]
    # Several inputs: one row of panels per explained row. One input: four to a row.
    columns = len(leaves) if len(leaves) > 1 else min(4, len(panels))
    rows = -(-len(panels) // columns)
    size = (0.4 + 3 * columns, 0.5 + 2.6 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.set_visible(False)
    for axis, (i, name, a, x) in zip(axes.flat, panels, strict=False):
        axis.set_visible(True)
        _panel(axis, a[i], x[i], feature_names, top)
        axis.set_title(_caption(i, name, score, target), fontsize=9)
    figure.suptitle(title, fontsize=10)
    plt.close(figure)  # kept out of pyplot's own list: a notebook would show it twice
    return figure


def image(figure):
    """A figure as uint8 `(height, width, 3)`."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _panel(axis, values, inputs, names, top):
    if values.ndim == 3 and inputs.shape[-1] in (1, 3):
        axis.imshow(overlay(inputs[None], values[None])[0])
        axis.set_axis_off()
    elif inputs.ndim == 2:
        _series(axis, values, inputs)
    else:
        _bars(axis, values.reshape(-1), names, top)


def _bars(axis, values, names, top):
    names = [f"x{i}" for i in range(len(values))] if names is None else names
    order = np.argsort(-np.abs(np.nan_to_num(values)))[:top][::-1]
    axis.barh([names[i] for i in order], values[order], color=[_color(values[i]) for i in order])
    axis.axvline(0, color="0.3", linewidth=0.8)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def _series(axis, values, inputs):
    """Every channel as a line, and behind it the attribution of each step, summed over channels."""
    total = np.nan_to_num(values).sum(axis=-1)
    strength = np.abs(total) / max(np.abs(total).max(), 1e-12)
    for step, (amount, alpha) in enumerate(zip(total, strength, strict=True)):
        axis.axvspan(step - 0.5, step + 0.5, color=_color(amount), alpha=0.7 * alpha, linewidth=0)
    axis.plot(inputs, color="0.2", linewidth=1)
    axis.margins(x=0)
    axis.tick_params(labelsize=8)


def _color(value):
    return tuple((FOR if value > 0 else AGAINST) / 255)


def _caption(i, name, score, target):
    parts = [name] if name else []
    if target is not None and np.ndim(target) == 1:
        parts.append(f"class {target[i]}")
    if score is not None:
        parts.append(f"score {score[i]:.3g}")
    return ", ".join(parts)


def _leaves(tree, name=""):
    if isinstance(tree, dict):
        return [leaf for key in sorted(tree) for leaf in _leaves(tree[key], str(key))]
    if isinstance(tree, (list, tuple)):
        return [leaf for i, entry in enumerate(tree) for leaf in _leaves(entry, f"input {i}")]
    return [(name, tree)]
