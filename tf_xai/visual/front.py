"""A trade-off in a plane: its points, and the line through those that no other one betters."""

import matplotlib.pyplot as plt
import numpy as np

from tf_xai.visual.panels import color, plain

# An axis whose largest number is so many times its smallest is logarithmic.
DECADES = 50


def plot(points, trials, names, on_front, knee, labels):
    """Points with their names: those of the front coloured and joined, the knee in a ring.

    Args:
        points: `(n, 2)`.
        trials: What the points are means of, `(m, 2)`: small and pale.
        names: `n` of them.
        on_front: Boolean `(n,)`.
        knee: The numbers of the points in a ring.
        labels: Of the two axes.

    Returns: A matplotlib figure.
    """
    figure, axis = plt.subplots(figsize=(6.2, 4.2), layout="constrained")
    if len(trials) > len(points):
        axis.scatter(*trials.T, s=10, color="0.8", label="one training")
    axis.scatter(*points[~on_front].T, s=28, color="0.5", label="bettered by another")
    front = points[on_front][np.argsort(points[on_front, 0])]
    axis.plot(*front.T, "o-", color=color(1), markersize=6, linewidth=1.2, label="front")
    axis.scatter(*points[knee].T, s=170, facecolors="none", edgecolors=color(-1), linewidths=1.6, label="knee")
    for name, point in zip(names, points, strict=True):
        axis.annotate(name, point, xytext=(7, 6), textcoords="offset points", fontsize=8, color="0.3")
    axis.set(xlabel=labels[0], ylabel=labels[1])
    for set_scale, numbers in zip((axis.set_xscale, axis.set_yscale), trials.T, strict=True):
        if numbers.max() > DECADES * numbers.min() > 0:
            set_scale("log")
    axis.margins(0.1)
    plain(axis)
    figure.legend(loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    plt.close(figure)  # kept out of pyplot's own list: a notebook would show it twice
    return figure
