"""Event files: which there are, and whether they are whole. Needs the standard library only."""

import os
import struct
from pathlib import Path

# A record: its length, the checksum of that, as many bytes, and their checksum.
_HEAD, _CHECKSUM = struct.Struct("<QI"), 4


def folders(logdir):
    """`{run: folder}` of the directories that `AttributionBoard` writes: those named xai, also the one given."""
    found = {".": Path(logdir)} if Path(logdir).resolve().name == "xai" else {}
    for parent, names, _ in os.walk(logdir, followlinks=True):
        names[:] = [name for name in names if not _leads_back(Path(parent), name)]
        found |= {_run(logdir, Path(parent) / name): Path(parent) / name for name in names if name == "xai"}
    return dict(sorted(found.items()))


def _leads_back(parent, name):
    """Whether it is a link to a directory that it is in."""
    return (parent / name).is_symlink() and parent.resolve().is_relative_to((parent / name).resolve())


def _run(logdir, folder):
    """TensorBoard's name of the run."""
    return folder.relative_to(logdir).as_posix()


def events(folder):
    """The event files of a directory, in the order in which they were begun."""
    return sorted(path for path in Path(folder).glob("*tfevents*") if path.is_file())


class Checked:
    """Looks for event files that end within a record, and each time only at what is new in them."""

    def __init__(self):
        self._ends = {}

    def problems(self, folder):
        """What is wrong with the files of a directory, in words."""
        for path in events(folder):
            try:
                size, end = path.stat().st_size, self._end(path)
            except OSError as error:
                yield f"the event file {path.name} cannot be read: {error.strerror}"
                continue
            if end < size:
                yield (
                    f"the event file {path.name} ends within a record, {size - end} bytes after the last whole one: "
                    "it was cut off, or is still being written. What came before is shown"
                )

    def _end(self, path):
        """Where the last whole record ends."""
        status = path.stat()
        file, start, stamp = self._ends.get(path, (None, 0, None))
        now = (status.st_size, status.st_mtime_ns)
        if file == status.st_ino and stamp == now:
            return start
        if file != status.st_ino or start > status.st_size:
            start = 0  # another file of the same name
        self._ends[path] = (status.st_ino, _scan(path, start, status.st_size), now)
        return self._ends[path][1]


def _scan(path, at, size):
    """The end of the last of the records from `at` that lie within `size`; reads their lengths only."""
    with path.open("rb") as file:
        while at + _HEAD.size <= size:
            file.seek(at)
            (length, _), start = _HEAD.unpack(file.read(_HEAD.size).ljust(_HEAD.size, b"\xff")), at + _HEAD.size
            if start + length + _CHECKSUM > size:
                break
            at = start + length + _CHECKSUM
    return at
