"""What is drawn of one row of one input, by its kind: each function gives a `Panel`."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import MaxNLocator

from tf_xai.visual.overlay import AGAINST, FOR, overlay

# The most frames of a video that a strip shows, and the most words beside a matrix.
FRAMES, WORDS = 6, 24

COLORS = LinearSegmentedColormap.from_list("attributions", [AGAINST / 255, (1, 1, 1), FOR / 255])


class Panel(NamedTuple):
    """A drawing on an axis, and the size that it wants, in inches."""

    draw: Callable
    width: float = 3.0
    height: float = 2.6


def color(value):
    """That of what speaks for the score, or against it."""
    return tuple((FOR if value > 0 else AGAINST) / 255)


def bars(values, names, top):
    """The largest magnitudes, with their names."""
    values = values.reshape(-1)
    order = np.argsort(-np.abs(np.nan_to_num(values)))[:top][::-1]

    def draw(axis):
        axis.barh([names[i] for i in order], values[order], color=[color(values[i]) for i in order])
        axis.axvline(0, color="0.3", linewidth=0.8)
        axis.xaxis.set_major_locator(MaxNLocator(4))
        plain(axis)

    return Panel(draw, height=max(2.6, 0.6 + 0.2 * len(order)))


def series(values, inputs):
    """Every channel as a line, and behind it the attribution of each step, summed over channels."""
    total = np.nan_to_num(values).sum(axis=-1)
    strength = np.abs(total) / max(np.abs(total).max(), 1e-12)
    band = np.array([[(*color(amount), 0.7 * alpha) for amount, alpha in zip(total, strength, strict=True)]])

    def draw(axis):
        low, high = np.nan_to_num(inputs).min(), np.nan_to_num(inputs).max()
        space = 0.05 * (high - low) or 1.0
        # As one picture, not a patch per step: a second of sound has thousands.
        extent = (-0.5, len(total) - 0.5, low - space, high + space)
        axis.imshow(band, aspect="auto", interpolation="nearest", extent=extent)
        axis.plot(inputs, color="0.2", linewidth=1 if len(inputs) < 500 else 0.3)
        axis.set_xlabel("step", fontsize=8)
        plain(axis)

    return Panel(draw, width=3.0 if len(inputs) < 100 else 6.0)


def picture(values, inputs):
    """An image, coloured where its attributions lie; of any other channels their mean."""

    def draw(axis):
        axis.imshow(overlay(inputs[None], values[None])[0])
        axis.set_axis_off()

    return Panel(draw)


def spectrogram(values, inputs):
    """Time to the right, frequency upwards."""
    upright = lambda leaf: leaf.swapaxes(0, 1)[None]

    def draw(axis):
        axis.imshow(overlay(upright(inputs), upright(values))[0], origin="lower", aspect="auto")
        axis.set_xlabel("time", fontsize=8)
        axis.set_ylabel("frequency", fontsize=8)
        axis.tick_params(labelsize=8)

    return Panel(draw, width=4.5)


def frames(values, inputs):
    """Some frames of a video, evenly spread, side by side: one scale of colours for all."""
    chosen = np.linspace(0, len(inputs) - 1, min(FRAMES, len(inputs))).round().astype(int)
    width = inputs.shape[2]
    side_by_side = lambda leaf: np.concatenate(list(leaf[chosen]), axis=1)[None]

    def draw(axis):
        axis.imshow(overlay(side_by_side(inputs), side_by_side(values))[0])
        for edge in range(1, len(chosen)):
            axis.axvline(edge * width - 0.5, color="white", linewidth=2)
        axis.set_xticks((np.arange(len(chosen)) + 0.5) * width - 0.5, [f"frame {number}" for number in chosen])
        axis.set_yticks([])
        axis.tick_params(length=0, labelsize=8)
        axis.spines[:].set_visible(False)

    return Panel(draw, width=1.5 * len(chosen), height=0.6 + 1.5 * inputs.shape[1] / width)


def matrix(values, words, largest=None):
    """From every token (a row) to every token (a column)."""
    largest = np.abs(np.nan_to_num(values)).max() if largest is None else largest
    named = words if words is not None and len(words) <= WORDS else None

    def draw(axis):
        axis.imshow(values, cmap=COLORS, vmin=-largest, vmax=largest, interpolation="nearest")
        axis.tick_params(labelsize=7)
        axis.set_xlabel("to", fontsize=7)
        axis.set_ylabel("from", fontsize=7)
        for each, length in ((axis.xaxis, values.shape[1]), (axis.yaxis, values.shape[0])):
            if named is not None and len(named) == length:
                each.set_ticks(range(length), named, rotation=90 if each is axis.xaxis else 0)
            else:
                each.set_major_locator(MaxNLocator(4, integer=True))

    return Panel(draw, width=2.4, height=2.9)


def plain(axis):
    """Small numbers, and no frame."""
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
