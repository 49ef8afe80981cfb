"""Files that are whole at any time: written beside their place, and then put there at once."""

import os
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path):
    """Yields a path to write to, in the same folder; where nothing fails, that file then takes the place of `path`.

    An interruption leaves the old file or the new one, and perhaps a hidden one beside it, with ".tmp" in its name.
    """
    path = Path(os.path.realpath(path))  # of a link, what it leads to is replaced, and the link stays
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # else a machine that goes down may have the new name without the content
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
