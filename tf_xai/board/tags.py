"""Tags of FORMAT.md: what their metadata say, and their records, whoever has read them."""

import json
import math
from dataclasses import dataclass

from tf_xai.board.packing import VERSION, FormatError


def _word(value):
    return isinstance(value, str)


def _words(value):
    return isinstance(value, list) and all(map(_word, value))


def _shares(value):
    return isinstance(value, list) and all(isinstance(each, int | float) and 0 <= each <= 1 for each in value)


def words(error):
    """What an error says of the record that brought it about."""
    return str(error) if isinstance(error, FormatError) else f"it is damaged ({type(error).__name__}: {error})"


# Of every kind of content: whether its records are blobs, and the entries that it must have.
_KINDS = {
    "inputs": (True, {}),
    "maps": (True, {"method": _word}),
    "numbers": (False, {"method": _word, "columns": _words}),
    "curves": (False, {"method": _word, "curves": _words, "shares": _shares}),
}


@dataclass(frozen=True)
class Tag:
    """A tag of our plugin.

    Attributes:
        content: JSON of its metadata, in bytes.
        blobs: Whether its records are blobs; otherwise they are tensors.
        points: `[(step, wall time, value)]`: of blobs their keys, of tensors arrays, if they have been read.
        time: The wall time of the newest record.
        error: Why its records could not be read, in words, if they could not.
    """

    content: bytes
    blobs: bool
    points: list
    time: float | None = None
    error: str | None = None

    def parsed(self):
        """The content. Raises: FormatError, in words."""
        if self.error is not None:
            raise FormatError(self.error)
        try:
            content = json.loads(self.content)
            version, kind = content["v"], str(content.get("kind"))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise FormatError("what it says of itself is not in the format of tf_xai") from None
        if version != VERSION:
            raise FormatError(f"it is in format {version}, and this version reads format {VERSION}: update tf_xai")
        blobs, needed = _KINDS.get(kind, (None, {}))
        if blobs is not self.blobs or not all(right(content.get(key)) for key, right in needed.items()):
            raise FormatError(f"what it says of itself is not in format {VERSION} of tf_xai")
        return content


@dataclass(frozen=True)
class Known:
    """A tag whose content has been read."""

    name: str
    content: dict
    points: list
    time: float | None

    def fitting(self):
        """The points whose arrays are as the content says, and have as many examples as the newest such."""
        kept = [(step, value) for step, _, value in self.points if self._fits(value)]
        return [(step, value) for step, value in kept if len(value) == len(kept[-1][1])]

    def _fits(self, value):
        return value.shape[1:] == self.shape and value.dtype.kind == "f"

    @property
    def shape(self):
        """Of an array, without the examples."""
        lengths = ("columns",) if self.content["kind"] == "numbers" else ("curves", "shares")
        return tuple(len(self.content[name]) for name in lengths)


def known(tags):
    """`({(kind, method): Known}, problems)` of the tags of a run."""
    found, problems = {}, []
    for name, tag in sorted(tags.items()):
        try:
            content = tag.parsed()
        except Exception as error:  # whatever is in a record, it costs no more than its tag
            problems.append(f"the tag {name!r} is left out: {words(error)}")
        else:
            # Of a step that was logged twice the first: of blobs TensorBoard's slower loader has no other.
            points = {point[0]: point for point in reversed(tag.points)}
            found[content["kind"], content.get("method")] = Known(
                name, content, sorted(points.values(), key=_step), tag.time
            )
    return found, problems


def _step(point):
    return point[0]


def methods(found):
    """The names of a run's methods in the order in which they were first written; those of random numbers come last."""
    names = {method for _, method in found if method is not None}
    return sorted(names, key=lambda method: (is_control(found, method), _begun(found, method), method))


def is_control(found, method):
    """Whether its attributions are random numbers."""
    return any(bool(tag.content.get("control")) for (_, name), tag in found.items() if name == method)


def _begun(found, method):
    """When the first record of a method was written. Not every reader has those of curves."""
    tags = (found.get((kind, method)) for kind in ("maps", "numbers"))
    return min((time for tag in tags if tag for _, time, _ in tag.points), default=math.inf)


def newest_inputs(found):
    """The record of the examples that counts, `(step, wall time, key)`, or None: a later training brings its own."""
    tag = found.get(("inputs", None))
    return max(tag.points, key=lambda point: point[1], default=None) if tag else None
