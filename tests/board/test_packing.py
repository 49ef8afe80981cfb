"""Packed arrays: what goes in comes out, and maps within the half of a code."""

import json
import struct
import zlib

import numpy as np
import pytest

from tf_xai.board import packing


def test_what_is_packed_comes_out(rng):
    table = rng.normal(size=(3, 4)).astype("float32")
    table[0, 0] = np.nan
    codes = rng.integers(-128, 128, (3, 2, 5)).astype("int8")
    entries = [
        {"name": "table", "kind": "table", "names": list("abcd"), "data": table},
        {"name": "map", "kind": "image", "data": codes},
        {"name": "files", "kind": "image", "encoding": "png", "data": [b"one", b"", b"three"]},
        {"name": "words", "kind": "text", "encoding": "json", "data": [["né", ""], ["b", "c"]]},
    ]
    header, arrays = packing.unpack(packing.pack(entries, n=3, labels=[1, None]))
    assert header["v"] == 1 and header["n"] == 3 and header["labels"] == [1, None]
    np.testing.assert_array_equal(arrays["table"], table)
    np.testing.assert_array_equal(arrays["map"], codes)
    assert arrays["files"] == [b"one", b"", b"three"] and arrays["words"] == [["né", ""], ["b", "c"]]
    assert [entry["name"] for entry in header["arrays"]] == ["table", "map", "files", "words"]
    assert header["arrays"][0]["names"] == list("abcd") and "data" not in header["arrays"][0]


def test_the_bytes_are_those_of_the_description():
    """Read with nothing but the text of FORMAT.md: float32, little-endian, whatever the machine and the array."""
    values = np.arange(6, dtype=">f4").reshape(2, 3)
    blob = packing.pack([{"name": "", "kind": "table", "data": values}], n=2)
    (length,) = struct.unpack("<I", blob[:4])
    (entry,) = json.loads(blob[4 : 4 + length])["arrays"]
    body = blob[4 + length :][entry["at"] : entry["at"] + entry["bytes"]]
    np.testing.assert_array_equal(np.frombuffer(zlib.decompress(body), "<f4").reshape(entry["shape"]), values)
    assert entry["dtype"] == "float32"


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda blob: blob[:2], "damaged"),
        (lambda blob: blob.replace(b"[2, 3]", b"[2, 4]"), "damaged"),
        (lambda blob: blob.replace(b'"float32"', b'"float99"'), "damaged"),
        (lambda blob: blob[:20], "damaged"),
        (lambda blob: blob[:-4], "damaged"),
        (lambda blob: blob.replace(b'"v": 1', b'"v": 2'), "format 2, and this version reads format 1"),
    ],
)
def test_other_bytes_raise(damage, words):
    blob = packing.pack([{"name": "", "kind": "table", "data": np.ones((2, 3), "float32")}], n=2)
    with pytest.raises(packing.FormatError, match=words):
        packing.unpack(damage(blob))


def test_codes_are_within_half_a_step(rng):
    values = rng.normal(size=(5, 6, 7)).astype("float32") * 10.0 ** np.arange(-2, 3)[:, None, None]
    codes, scale, clip = packing.quantise(values)
    size = np.abs(values).reshape(5, -1)
    np.testing.assert_allclose(scale, size.max(axis=1))
    np.testing.assert_allclose(clip, np.quantile(size, 0.99, axis=1, method="higher"))
    steps = scale[:, None, None] / 127
    assert (np.abs(codes * steps - values) <= 0.5001 * steps).all()
    assert codes.min() >= -127 and codes.max() <= 127


def test_rows_without_numbers():
    """All zeros; some that are no numbers; nothing else."""
    values = np.array([[0, 0, 0], [np.nan, 2, -np.inf], [np.nan, np.nan, np.nan]], "float32")
    codes, scale, clip = packing.quantise(values)
    np.testing.assert_array_equal(codes, [[0, 0, 0], [-128, 127, -128], [-128] * 3])
    np.testing.assert_array_equal(scale, [0, 2, np.nan])
    np.testing.assert_array_equal(clip, [0, 2, np.nan])
    assert packing.listed(scale) == [0.0, 2.0, None]


def test_cells_are_means_and_keep_the_sum(rng):
    values = rng.normal(size=(2, 9, 10))
    cells = packing.pooled(values, (1, 2), 4)
    assert cells.shape == (2, 3, 4)
    np.testing.assert_allclose(cells[:, :, :3], values[:, :, :9].reshape(2, 3, 3, 3, 3).mean(axis=(2, 4)))
    np.testing.assert_allclose(cells[:, 0, 3], values[:, :3, 9].mean(axis=1), err_msg="the last cells are narrower")
    assert packing.pooled(values, (1, 2), 10) is values
