"""The wording of argument errors, in one place: what was expected, what was received, and the remedy."""

import difflib
import numbers
from contextlib import contextmanager

import keras
import numpy as np


def choose(argument, name, table):
    """`table[name]`, or a ValueError that lists the names and suggests the nearest."""
    if isinstance(name, str) and name in table:
        return table[name]
    raise ValueError(
        f"Unknown `{argument}`. Expected one of {sorted(table)}. Received: {name!r}.{nearest(name, table)}"
    )


def nearest(name, names):
    """' Did you mean ...?', or nothing."""
    close = difflib.get_close_matches(str(name), names, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def known_options(owner, options, known):
    """Raises for an option that a method or metric does not have."""
    for name in options:
        if name not in known:
            raise TypeError(
                f"`{owner}` has no option {name!r}. Expected some of {sorted(known)}." + nearest(name, known)
            )


def positive(argument, value):
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"`{argument}` must be an integer of at least 1. Received: {argument}={value!r}.")


def finite(argument, tree):
    """Raises for arrays with NaN or infinity, from which a model may make finite numbers all the same."""
    for leaf in map(np.asarray, keras.tree.flatten(tree)):
        broken = ~np.isfinite(leaf) if leaf.dtype.kind == "f" else np.zeros(leaf.shape, bool)
        if broken.any():
            where = f" in {rows(np.unique(np.argwhere(broken)[:, 0]))}" if leaf.ndim > 1 else ""
            raise ValueError(f"`{argument}` must be finite. Received: NaN or infinite values{where}. Clean them.")


def same_structure(argument, tree, inputs, remedy):
    """Raises unless `tree` is nested exactly as `inputs` are."""
    try:
        keras.tree.assert_same_structure(tree, inputs)
    except (ValueError, TypeError):
        raise ValueError(
            f"`{argument}` must have the structure of `inputs`. Expected {outline(inputs)}. "
            f"Received: {outline(tree)}. {remedy}"
        ) from None


def some_floats(inputs):
    """Raises where no leaf is floating point: such inputs have no gradient, and nothing can stand in for them."""
    if not any("float" in str(leaf.dtype) for leaf in keras.tree.flatten(inputs)):
        raise TypeError(
            "Only floating inputs can be explained, and all inputs are integer or boolean. Received shapes: "
            f"{shapes(inputs)}. Pass floats (`x.astype('float32')`) where the numbers are quantities. Token ids are "
            "explained where an `Embedding` layer looks them up: use `xai.explain` or a bound `Explainer`. Losses that "
            "move the inputs need a model that starts at the output of its embedding."
        )


def broadcasts(shape, expected):
    """Whether an array of one shape broadcasts to another; unknown lengths do."""
    pairs = list(zip(tuple(shape)[::-1], tuple(expected)[::-1], strict=False))
    return len(shape) <= len(expected) and all(n in (None, 1, m) or m is None for n, m in pairs)


def outline(tree):
    """The nesting of a tree in a few words: `keys ['age', 'image']`, `2 entries`, `one array`."""
    if isinstance(tree, dict):
        return f"keys {sorted(tree)}"
    if isinstance(tree, (list, tuple)):
        return f"{len(tree)} entries"
    return "one array"


def rows(indices, limit=10):
    """'row 3' or 'rows 1, 2, 5': row numbers for a message, cut after `limit`."""
    numbers = ", ".join(str(i) for i in indices[:limit])
    more = f" and {len(indices) - limit} more" if len(indices) > limit else ""
    return f"row{'s' if len(indices) > 1 else ''} {numbers}{more}"


@contextmanager
def context(sentence):
    """Adds a sentence to any error that passes, so that it says where it happened."""
    try:
        yield
    except Exception as error:
        if sentence not in getattr(error, "__notes__", ()):
            error.add_note(sentence)
        raise


def shapes(tree):
    """The shapes of a tree for a message."""
    return keras.tree.map_structure(lambda leaf: tuple(leaf.shape), tree)


def in_words(value):
    """An option as what JSON can hold: arrays by their shape, objects by their name."""
    if isinstance(value, dict):
        return {name: in_words(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [in_words(entry) for entry in value]
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    return f"array {tuple(value.shape)}" if hasattr(value, "shape") else getattr(value, "name", type(value).__name__)
