"""Colours of the maps of logs.py."""

BLUE, ORANGE = (33, 102, 172), (230, 97, 1)


def near(found, expected, by=2):
    """Whether two colours are the same, but for codes and rounding."""
    assert max(abs(a - b) for a, b in zip(found, expected, strict=False)) <= by, (found, expected)


def mixed(colour, share, grey):
    """A colour over grey."""
    return [grey + share * (each - grey) for each in colour]


def paler(level):
    """The grey of a level of the pictures of logs.py, whose darkest is 60 and whose brightest 255."""
    return 60 + 180 * (level - 60) / 195
