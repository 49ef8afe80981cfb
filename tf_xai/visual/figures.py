"""Matplotlib figures of attributions, by the kind of input: see `KINDS`."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Patch

from tf_xai.visual.panels import bars, color, frames, matrix, picture, series, spectrogram
from tf_xai.visual.text import text, words_of

KINDS = ("table", "tokens", "series", "image", "spectrogram", "video", "matrix")

# Inches: of a row of panels, and of a panel of text beside others.
WIDTH, NARROW = 12.4, 4.5


def plot(values, inputs, *, score=None, target=None, feature_names=None, words=None, kind=None, title="", top=12):
    """One panel per row and input: bars for tables, coloured words for tokens, bands for series, overlays for images.

    Args:
        values: Attributions `(n, ...)`, or nested arrays; with the batch axis first. Attention, `{layer: (n, heads,
            queries, keys)}`, is drawn head by head.
        inputs: The inputs, in the same structure.
        score: `(n,)`, for the titles.
        target: `(n,)` classes, for the titles.
        feature_names: Names of the columns of a table.
        words: Of token ids: the words of every row, or a function of an id; of several inputs a dict by their names.
        kind: One of `KINDS` where the shape does not tell, such as "spectrogram"; of several inputs a dict.
        title: Over the figure.
        top: The most bars that a panel shows: the largest magnitudes.

    Returns: A matplotlib figure.
    """
    names = lambda tree: [name for name, _ in _leaves(tree)]
    caption = lambda i, name: _caption(i, name, score, target)
    numbers = np.concatenate([np.nan_to_num(leaf).reshape(-1) for _, leaf in _leaves(values)])
    signs = [Patch(color=color(1), label="for the score"), Patch(color=color(-1), label="against it")]
    if isinstance(values, dict) and names(values) != names(inputs):
        rows = _heads(values, inputs, words, caption, numbers.max())
        signs = [Patch(color=color(1), label=f"attention, at most {numbers.max():.2g}")]
    else:
        options = {"feature_names": feature_names, "words": words, "kind": kind, "top": top}
        rows = _rows(values, inputs, options, caption)
    figure = _drawn(rows)
    if len(signs) == 1 or numbers.min() < 0:  # magnitudes, such as those of CAM maps, speak for nothing by their sign
        figure.legend(handles=signs, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=10)
    return figure


def image(figure):
    """A figure as uint8 `(height, width, 3)`."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _drawn(rows):
    """A figure of rows of panels, `[[(caption, panel), ...], ...]`."""
    columns = range(max(len(row) for row in rows))
    widths = [max(row[i][1].width for row in rows if i < len(row)) for i in columns]
    heights = [max(panel.height for _, panel in row) for row in rows]
    figure, axes = plt.subplots(
        *(len(rows), len(widths)),
        figsize=(0.4 + sum(widths), 0.8 + sum(heights)),
        width_ratios=widths,
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for line, row in zip(axes, rows, strict=True):
        for axis in line[len(row) :]:
            axis.set_visible(False)
        for axis, (caption, panel) in zip(line, row, strict=False):
            panel.draw(axis)
            axis.set_title(caption, fontsize=9)
    plt.close(figure)  # kept out of pyplot's own list: a notebook would show it twice
    return figure


def _rows(values, inputs, options, caption):
    """A row of panels for each explained row; with one input as many to a row as there is room for."""
    leaves = [(name, a, x) for (name, a), (_, x) in zip(_leaves(values), _leaves(inputs), strict=True)]
    # What is held fixed, such as a mask, has no attributions to be drawn.
    leaves = [leaf for leaf in leaves if leaf[2].dtype.kind not in "biu" or np.any(leaf[1])] or leaves
    width = WIDTH - 4 if len(leaves) == 1 else NARROW
    rows = [
        [(caption(i, name), _panel(name, a, x, i, width, options)) for name, a, x in leaves]
        for i in range(len(leaves[0][1]))
    ]
    if len(leaves) > 1:
        return rows
    panels = [row[0] for row in rows]
    many = max(1, int(WIDTH / max(panel.width for _, panel in panels)))
    return [panels[start : start + many] for start in range(0, len(panels), many)]


def _heads(values, inputs, words, caption, largest):
    """A row of matrices for each explained row and layer, a matrix per head."""
    (name, ids), *others = _leaves(inputs)
    known = not others and ids.ndim == 2
    rows = []
    for i in range(len(next(iter(values.values())))):
        shown = words_of(words, name, i, ids[i]) if known else None
        for number, (layer, weights) in enumerate(values.items()):
            above = [caption(i, "")] if number == 0 else []
            rows.append(
                [
                    ("\n".join([*above, f"{layer}, head {head}"]), matrix(each, shown, largest))
                    for head, each in enumerate(weights[i])
                ]
            )
    return rows


def _panel(name, values, inputs, i, width, options):
    """The panel of row `i` of an input."""
    words, values, inputs = options["words"], values[i], inputs[i]
    kind = options["kind"].get(name) if isinstance(options["kind"], dict) else options["kind"]
    has_words = words is not None and (not isinstance(words, dict) or name in words)
    kind = kind or _kind(values, inputs, has_words)
    if kind == "tokens":
        return text(values, words_of(words, name, i, inputs), width)
    if kind == "matrix":
        return matrix(values, words_of(words, name, i, inputs) if inputs.ndim == 1 else None)
    if kind == "table":
        return bars(values, _names(name, values, options["feature_names"]), options["top"])
    draw = {"series": series, "image": picture, "spectrogram": spectrogram, "video": frames}
    if kind not in draw:
        raise ValueError(f"Unknown `kind`. Expected one of {sorted(KINDS)}. Received: {kind!r}.")
    return draw[kind](values, inputs)


def _kind(values, inputs, has_words):
    """What the shapes tell."""
    if inputs.ndim == 1 and values.ndim == 1 and (has_words or inputs.dtype.kind in "iu"):
        return "tokens"
    if values.ndim == 2 and values.shape != inputs.shape and values.shape[-1] > 1:
        return "matrix"
    return {2: "series", 3: "image", 4: "video"}.get(inputs.ndim, "table")


def _names(name, values, feature_names):
    """Those of columns."""
    if feature_names is not None and len(feature_names) == values.size:
        return feature_names
    return [name or "x"] if values.ndim == 0 else [f"{name or 'x'}{i}" for i in range(values.size)]


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
