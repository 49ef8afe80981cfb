"""Event files: which there are, and whether they are whole. Needs the standard library only."""

import os
import re
import struct
from pathlib import Path

# A record: its length, the checksum of that, as many bytes, and their checksum.
_HEAD, _CHECKSUM = struct.Struct("<QI"), 4

# How the bytes begin: the protocol buffer `Event` has its wall time, its step unless that is 0, and then the values.
_STEP = re.compile(rb"\x09.{8}(?:\x10([\x80-\xff]*[\x00-\x7f]))?\x2a", re.DOTALL)
_START = 9 + 11 + 1


def folders(logdir):
    """`{run: folder}` of the directories that `AttributionBoard` writes: those named xai, also the one given."""
    root = Path(logdir).resolve()
    found = {".": Path(logdir)} if root.name == "xai" else {}
    targets = set()
    for parent, names, _ in os.walk(logdir, followlinks=True):
        linked = Path(parent).resolve() != root / Path(parent).relative_to(logdir)
        names[:] = [name for name in sorted(names) if _leads_on(Path(parent) / name, targets if linked else set())]
        found |= {_run(logdir, Path(parent) / name): Path(parent) / name for name in names if name == "xai"}
    return dict(sorted(found.items()))


def _leads_on(folder, targets):
    """Whether it is a directory, or a link to one that is not above it, nor among the targets of links before it.

    Links between runs lead from each to all others, in every order: below a link, one to each of them is enough.
    """
    if not folder.is_symlink():
        return True
    target = folder.resolve()
    if target in targets or any(above.resolve().is_relative_to(target) for above in folder.parents):
        return False
    targets.add(target)
    return True


def _run(logdir, folder):
    """TensorBoard's name of the run."""
    return folder.relative_to(logdir).as_posix()


def events(folder):
    """The event files of a directory, in the order in which they were begun."""
    return sorted(path for path in Path(folder).glob("*tfevents*") if path.is_file())


def logged_again(spans):
    """What is wrong where the epochs of several trainings, each from the first to the last, overlap, in words."""
    again, last = [], -1
    for low, high in sorted(spans):
        if low <= last:
            again += [low, min(high, last)]
        last = max(high, last)
    if again:
        low, high = min(again), max(again)
        which = f"epoch {low} was" if low == high else f"epochs {low} to {high} were"
        yield (
            f"{which} logged more than once in this directory. What was logged last is shown, but what was logged "
            "first where TensorBoard runs with --load_fast=false. Give each training its own log_dir"
        )


class Checked:
    """Looks for event files that end within a record, or of epochs that other files have.

    Each time it reads only what is new in them.
    """

    def __init__(self):
        self._read = {}

    def problems(self, folder):
        """What is wrong with the files of a directory, in words."""
        spans = []
        for path in events(folder):
            try:
                size, (end, span) = path.stat().st_size, self._whole(path)
            except OSError as error:
                yield f"the event file {path.name} cannot be read: {error.strerror}"
                continue
            spans += [span] if span else []
            if end < size:
                yield (
                    f"the event file {path.name} ends within a record, {size - end} bytes after the last whole one: "
                    "it was cut off, or is still being written. What came before is shown"
                )
        yield from logged_again(spans)

    def _whole(self, path):
        """Where the last whole record ends, and the first and the last step up to there, None where there are none."""
        status = path.stat()
        file, start, span, stamp = self._read.get(path, (None, 0, None, None))
        now = (status.st_size, status.st_mtime_ns)
        if file == status.st_ino and stamp == now:
            return start, span
        if file != status.st_ino or start > status.st_size:
            start, span = 0, None  # another file of the same name
        end, steps = _scan(path, start, status.st_size)
        steps += span or ()
        span = (min(steps), max(steps)) if steps else None
        self._read[path] = (status.st_ino, end, span, now)
        return end, span


def _scan(path, at, size):
    """The end of the last of the records from `at` that lie within `size`, and their steps; reads how they begin."""
    steps = []
    with path.open("rb") as file:
        while at + _HEAD.size <= size:
            file.seek(at)
            (length, _), start = _HEAD.unpack(file.read(_HEAD.size).ljust(_HEAD.size, b"\xff")), at + _HEAD.size
            if start + length + _CHECKSUM > size:
                break
            steps += _step(file.read(min(length, _START)))
            at = start + length + _CHECKSUM
    return at, steps


def _step(start):
    """The step of a record that begins so, in a list: of what is no record of values it is empty."""
    match = _STEP.match(start)
    digits = (match[1] or b"\0") if match else b""
    return [sum((digit & 127) << 7 * place for place, digit in enumerate(digits))] if match else []
