"""The plot of an evaluation: every mean where it belongs, and nothing over anything else."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from tf_xai.evaluating import plot_evaluation
from tf_xai.visual.comparison import BEST, CONTROL, OTHER, plot
from tf_xai.visual.figures import image

NAMES = ["gradient_input", "deep_lift", "random"]


def panels(many, names=NAMES, **changes):
    means = np.arange(len(names) * many, dtype=float).reshape(len(names), many)
    arguments = {"higher": [True] * many, "controls": [name == "random" for name in names], **changes}
    means = arguments.pop("means", means)
    titles = [f"faithfulness_number_{number}" for number in range(many)]
    return plot(names, titles, means, means - 0.5, means + 0.5, **arguments)


def marks(axis):
    """`{marker: [(mean, place)]}`."""
    found = {}
    for line in axis.lines:
        if line.get_marker() in (BEST[0], OTHER[0], CONTROL[0]):
            found.setdefault(line.get_marker(), []).append((line.get_xdata()[0], line.get_ydata()[0]))
    return found


def test_the_best_mean_is_marked_by_its_direction():
    means = np.array([[1.0, 1.0], [2.0, 2.0], [9.0, -9.0]])
    up, down = panels(2, means=means, higher=[True, False]).axes
    assert marks(up) == {BEST[0]: [(2, 1)], OTHER[0]: [(1, 0)], CONTROL[0]: [(9, 2)]}
    assert marks(down) == {BEST[0]: [(1, 0)], OTHER[0]: [(2, 1)], CONTROL[0]: [(-9, 2)]}
    assert up.get_title().endswith("higher is better →") and down.get_title().endswith("← lower is better")
    assert [label.get_text() for label in up.get_yticklabels()] == NAMES and up.yaxis_inverted()


def test_nothing_is_best_where_all_are_alike_or_undefined():
    means = np.array([[1.0, np.nan], [1.0, np.nan], [5.0, 1.0]])
    same, undefined = panels(2, means=means).axes
    assert BEST[0] not in marks(same) and BEST[0] not in marks(undefined)
    nothing = panels(1, means=np.full((3, 1), np.nan)).axes[0]
    assert [text.get_text() for text in nothing.texts] == ["undefined"]


def test_bounds_and_band_are_those_given():
    axis = panels(1, reference=2).axes[0]
    bounds = [list(line.get_xdata()) for line in axis.lines]
    assert all([mean - 0.5, mean + 0.5] in bounds for mean in range(3))
    (band,) = (patch for patch in axis.patches if patch.get_facecolor() == to_rgba("0.9"))
    assert (band.get_x(), band.get_width()) == (1.5, 1.0)


def test_far_apart_on_a_logarithmic_axis():
    assert panels(1, means=np.array([[1.0], [2.0], [4.0]])).axes[0].get_xscale() == "linear"
    assert panels(1, means=np.array([[1.0], [2.0], [400.0]])).axes[0].get_xscale() == "log"
    assert panels(1, means=np.array([[-1.0], [2.0], [400.0]])).axes[0].get_xscale() == "linear"


def inside(limits, ruler):
    """The labels of an axis that are drawn."""
    ticks = zip(ruler.get_ticklocs(), ruler.get_ticklabels(), strict=True)
    return [label for tick, label in ticks if limits[0] <= tick <= limits[1]]


@pytest.mark.parametrize("many", [1, 2, 5, 6, 10])
def test_no_text_lies_over_another(many):
    figure = panels(many, reference=2)
    image(figure)
    axes = [axis for axis in figure.axes if axis.get_visible()]
    assert len(axes) == many
    texts = [text for axis in axes for text in [axis.title, *inside(axis.get_xlim(), axis.xaxis)]]
    texts += [text for axis in axes if axis.get_subplotspec().is_first_col() for text in axis.get_yticklabels()]
    boxes = [text.get_window_extent() for text in [*texts, *figure.legends[0].get_texts()]]
    for number, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
        assert not any(box.overlaps(other) for other in boxes[:number])


def test_a_table_knows_directions_and_controls():
    columns = [(metric, part) for metric in ("deletion", "insertion") for part in ("mean", "low", "high")]
    columns = pd.MultiIndex.from_tuples([*columns, ("seconds", "all rows")])
    values = [[1, 0, 2, 1, 0, 2, 3], [2, 1, 3, 2, 1, 3, 3], [0, -1, 1, 9, 8, 10, np.nan]]
    deletion, insertion = plot_evaluation(pd.DataFrame(values, NAMES, columns)).axes
    assert deletion.get_title() == "deletion\n← lower is better"
    assert insertion.get_title() == "insertion\nhigher is better →"
    assert marks(deletion)[BEST[0]] == [(1, 0)] and marks(insertion)[BEST[0]] == [(2, 1)]
    assert len(deletion.patches) == 1, "the random control is a band"


def test_a_table_without_metrics_is_refused():
    columns = pd.MultiIndex.from_tuples([("seconds", "all rows")])
    with pytest.raises(ValueError, match=r"`table` must have metrics, as `evaluate` returns them"):
        plot_evaluation(pd.DataFrame([[1.0]], ["gradient"], columns))
