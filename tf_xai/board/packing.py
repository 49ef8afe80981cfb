"""Packed arrays and quantised maps, as FORMAT.md has them; needs numpy only."""

import json
import struct
import zlib

import numpy as np

PLUGIN = "tf_xai"
VERSION = 1

# The code of what is no finite number; numbers have -127 to 127.
NONE = -128

# The share of the magnitudes of a map, zeros aside, that its colour scale spans: one outlier does not hide the rest.
CLIP = 0.99


class FormatError(ValueError):
    """Bytes that are not in format 1."""


def pack(arrays, **header):
    """A blob of arrays.

    Args:
        arrays: A list of dicts: `data` is what goes into the body, by `encoding`, "zlib" if there is none: an array, of
            "png" a list of bytes, of "json" anything that JSON has. The other entries go into the header.
        **header: More entries of the header.
    """
    entries, parts, at = [], [], 0
    for array in arrays:
        entry, part = _encoded(**array)
        entries.append({**entry, "at": at, "bytes": len(part)})
        parts.append(part)
        at += len(part)
    head = json.dumps({"v": VERSION, **header, "arrays": entries}, allow_nan=False).encode()
    return b"".join([struct.pack("<I", len(head)), head, *parts])


def _encoded(data, encoding="zlib", **entry):
    """An entry of the header, and its bytes."""
    if encoding == "json":
        return {**entry, "encoding": encoding}, json.dumps(data).encode()
    if encoding == "png":
        return {**entry, "encoding": encoding, "sizes": [len(file) for file in data]}, b"".join(data)
    data = np.ascontiguousarray(data)
    return (
        {**entry, "encoding": encoding, "dtype": data.dtype.name, "shape": list(data.shape)},
        zlib.compress(data.astype(data.dtype.newbyteorder("<"), copy=False).tobytes(), 6),
    )


def unpack(blob):
    """`(header, {name: data})` of a blob, as `pack` took them.

    Raises: FormatError, in words.
    """
    try:
        (length,) = struct.unpack_from("<I", blob)
        header = json.loads(blob[4 : 4 + length])
        if header["v"] != VERSION:
            raise FormatError(f"it is in format {header['v']}, and this version reads format {VERSION}: update tf_xai")
        return header, {entry["name"]: _decoded(entry, blob[4 + length :]) for entry in header["arrays"]}
    except FormatError:
        raise
    except (struct.error, zlib.error, KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"it is damaged ({type(error).__name__}: {error})") from error


def _decoded(entry, body):
    part = body[entry["at"] : entry["at"] + entry["bytes"]]
    if entry["encoding"] == "json":
        return json.loads(part)
    if entry["encoding"] == "png":
        ends = np.cumsum(entry["sizes"])
        return [part[end - size : end] for end, size in zip(ends, entry["sizes"], strict=True)]
    return np.frombuffer(zlib.decompress(part), np.dtype(entry["dtype"]).newbyteorder("<")).reshape(entry["shape"])


def quantise(values):
    """Values `(n, ...)` as int8 codes, with the scale `(n,)` that 127 stands for and the clip `(n,)` of their colours.

    Scale and clip are NaN where a row has no finite value, and 0 where it has only zeros.
    """
    values = np.asarray(values, "float32")
    finite = np.isfinite(values)
    sizes = np.where(finite, np.abs(values), 0).reshape(len(values), -1)
    known = finite.reshape(len(values), -1).any(axis=1)
    scale = np.where(known, sizes.max(axis=1, initial=0), np.nan)
    clip = np.array([_high(row[row > 0]) for row in sizes])
    whole = np.where(scale > 0, scale, 1).reshape((-1,) + (1,) * (values.ndim - 1))
    codes = np.where(finite, np.rint(127 * np.where(finite, values, 0) / whole), NONE).astype("int8")
    return codes, scale, np.where(known, clip, np.nan)


def _high(sizes):
    """The quantile of the clip, of the next larger size; `np.quantile` takes ten times as long for so few."""
    place = int(np.ceil(CLIP * (sizes.size - 1)))
    return np.partition(sizes, place)[place] if sizes.size else 0.0


def listed(values):
    """Numbers for JSON, which knows no NaN: null in its place."""
    return [float(value) if np.isfinite(value) else None for value in values]


def pooled(values, axes, most):
    """Means over cells of one length along all of the axes, so that none has more than `most`; the last are shorter."""
    cell = -(-max(values.shape[axis] for axis in axes) // most)
    for axis in axes if cell > 1 else ():
        if (size := values.shape[axis]) > 1:
            starts = np.arange(0, size, cell)
            counts = np.diff([*starts, size]).reshape([-1 if i == axis else 1 for i in range(values.ndim)])
            values = np.add.reduceat(values, starts, axis=axis) / counts
    return values
