"""Text, word by word on its colours."""

import numpy as np
from matplotlib.patches import Rectangle

from tf_xai.visual.panels import Panel, color

# Inches that a letter and a line take in 9 points, monospaced: so lines break without measuring.
LETTER, LINE = 0.081, 0.25


def words_of(words, name, row, ids):
    """The words of one row: those given, those that a function makes of ids, or the ids; without what is no word."""
    given = words.get(name) if isinstance(words, dict) else words
    if given is None:
        return [str(number) for number in _whole(ids)]
    if callable(given):
        return [_visible(given(number)) for number in _whole(ids)]
    return [_visible(word) for word in given[row]]


def text(values, words, width):
    """Words one after the other, each on the colour of its attribution: the largest of the row has the full colour."""
    count = min(len(words), len(values), _length(values, words))
    places, lines = _wrapped(words[:count], int(width / LETTER))
    largest = max(np.nan_to_num(np.abs(values)).max(initial=0), 1e-12)

    def draw(axis):
        axis.set(xlim=(0, int(width / LETTER)), ylim=(lines, 0), anchor="NW")
        axis.set_aspect(LINE / LETTER)  # lines stay lines beside higher panels
        axis.set_axis_off()
        for word, value, (line, start) in zip(words, np.nan_to_num(values), places, strict=False):
            # Never the full blue: black letters stay readable on it.
            alpha = 0.75 * abs(value) / largest
            box = (start, line + 0.08), len(word) + 0.8, 0.84
            axis.add_patch(Rectangle(*box, facecolor=color(value), alpha=alpha, linewidth=0))
            axis.text(start + 0.4, line + 0.5, word, size=9, family="monospace", va="center", parse_math=False)

    return Panel(draw, width, 0.4 + LINE * lines)


def _length(values, words):
    """How many tokens are not padding: what is alike at the end and has no attribution is."""
    end = min(len(words), len(values))
    while end > 1 and values[end - 1] == 0 == values[end - 2] and words[end - 1] == words[end - 2]:
        end -= 1
    padded = end < min(len(words), len(values))
    return end - 1 if padded else end


def _wrapped(words, letters):
    """`(line, start)` of every word, and the number of lines."""
    places, line, start = [], 0, 0
    for word in words:
        if start and start + len(word) + 1 > letters:
            line, start = line + 1, 0
        places.append((line, start))
        start += len(word) + 1
    return places, line + 1


def _whole(ids):
    return [int(number) for number in np.reshape(ids, -1)]


def _visible(word):
    """A word on one line; a blank is shown as such."""
    return " ".join(str(word).split()) or "\N{OPEN BOX}"
