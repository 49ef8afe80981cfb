"""Several numbers of several candidates, with their bounds: one panel for each number."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from tf_xai.visual.panels import color, plain

# The most panels side by side; inches of one, of a line in it, and of what is above and below the lines.
COLUMNS, WIDTH, LINE, AROUND = 5, 2.3, 0.24, 0.85

# An axis whose largest number is so many times its smallest is logarithmic.
DECADES = 50

# Markers differ in shape, too: no colour is needed to tell them apart.
BEST, OTHER, CONTROL = ("o", color(1)), ("s", color(-1)), ("D", "0.55")


def plot(names, titles, means, low, high, higher, controls, reference=None):
    """A panel for each number: the candidates one below the other, their means with bounds, the best one coloured.

    Args:
        names: Of the candidates, `n`.
        titles: Of the panels, `m`.
        means, low, high: `(n, m)`; NaN where a candidate has no such number.
        higher: `m` of True where the larger is better, or False.
        controls: Boolean `(n,)`: those that are there for comparison, and never the best.
        reference: The number of a candidate whose bounds are a band from top to bottom; None draws none.

    Returns: A matplotlib figure.
    """
    means, low, high = (np.asarray(each, float) for each in (means, low, high))
    controls = np.asarray(controls, bool)
    lines = -(-len(titles) // COLUMNS)
    many = -(-len(titles) // lines)
    height = AROUND + LINE * len(names)
    margin = 0.5 + 0.075 * max(map(len, names))
    size = margin + WIDTH * many, 0.4 + height * lines
    figure, axes = plt.subplots(lines, many, figsize=size, sharey=True, squeeze=False, layout="constrained")
    best = [_best(np.where(controls, np.nan, column), up) for column, up in zip(means.T, higher, strict=True)]
    for axis in axes.flat[len(titles) :]:
        axis.set_visible(False)
    for number, axis in enumerate(axes.flat[: len(titles)]):
        bounds = low[:, number], high[:, number]
        _panel(axis, means[:, number], *bounds, controls, best[number], reference)
        direction = "higher is better →" if higher[number] else "← lower is better"
        axis.set_title(f"{titles[number]}\n{direction}", size=9)
    axes[0, 0].set_yticks(range(len(names)), names)
    axes[0, 0].set_ylim(len(names) - 0.5, -0.5)
    handles = _legend(any(number is not None for number in best), controls, reference, names)
    figure.legend(handles=handles, loc="outside lower center", ncols=4 if many > 1 else 2, fontsize=8, frameon=False)
    plt.close(figure)  # kept out of pyplot's own list: a notebook would show it twice
    return figure


def _best(means, higher):
    """The number of the best mean; None where there is none, or they do not differ."""
    known = means[~np.isnan(means)]
    if not known.size or known.min() == known.max():
        return None
    return int(np.nanargmax(means) if higher else np.nanargmin(means))


def _panel(axis, means, low, high, controls, best, reference):
    """One number of all candidates."""
    if reference is not None and np.isfinite(means[reference]):
        axis.axvspan(low[reference], high[reference], color="0.9", linewidth=0)
        axis.axvline(means[reference], color="0.7", linewidth=0.8, linestyle="--")
    for place, mean in enumerate(means):
        marker, shade = CONTROL if controls[place] else BEST if place == best else OTHER
        axis.plot([low[place], high[place]], [place, place], color=shade, linewidth=1.8, solid_capstyle="butt")
        axis.plot([mean], [place], marker, color=shade, markersize=4.5)
    axis.grid(axis="y", color="0.93", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    if np.nanmax(high, initial=-np.inf) > DECADES * np.nanmin(low, initial=np.inf) > 0:
        axis.set_xscale("log")
    else:
        axis.xaxis.set_major_locator(MaxNLocator(4))
    if np.isnan(means).all():
        axis.text(0.5, 0.5, "undefined", transform=axis.transAxes, ha="center", va="center", fontsize=8, color="0.4")
        axis.set_xticks([])
    plain(axis)


def _legend(has_best, controls, reference, names):
    """What the marks mean."""
    point = lambda mark, label: Line2D([], [], marker=mark[0], color=mark[1], markersize=5, linewidth=1.8, label=label)
    handles = [point(BEST, "best mean"), point(OTHER, "others")] if has_best else [point(OTHER, "explainers")]
    if any(controls):
        handles.append(point(CONTROL, "controls"))
    if reference is not None:
        handles.append(Patch(color="0.9", label=f"bounds of {names[reference]!r}"))
    return handles
