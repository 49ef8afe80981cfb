"""The files of the page."""

from pathlib import Path

# By hand: what the operating system says of endings is not the same everywhere.
TYPES = {".js": "text/javascript", ".css": "text/css"}

_STATIC = Path(__file__).parent / "static"


def assets():
    """`{name: path}` of all, such as "views/gallery.js"."""
    found = (path for path in _STATIC.rglob("*") if path.suffix in TYPES)
    return {path.relative_to(_STATIC).as_posix(): path for path in sorted(found)}
