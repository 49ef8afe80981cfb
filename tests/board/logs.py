"""Logs that need no training: every map, number and line in them is known.

A map has +1 on what is to be seen in the example (of images a square, of other kinds one feature, token or stretch) and
-0.5 on the shortcut (the corner, or what comes last); in the run "shortcut" it is the other way round. Both grow with
the example and with the logged step: see `size_of`.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_xai.board import packing, records

CLASSES = ["disc", "square", "star"]
WORDS = ["a", "tale", "of", "some", "length", "told", "well"]
COLUMNS = ["score", "prediction", "probability", "deletion", "insertion", "agreement", "scale", "clip"]
SHARES = [0.0, 0.25, 0.5, 0.75, 1.0]
RATE = 8000


def write(
    folder,
    runs=("plain", "shortcut"),
    steps=(0, 1, 2),
    n=6,
    size=32,
    kind="image",
    methods=("gradient", "integrated_gradients"),
    nan=(),
):
    """Writes a sub-run `<folder>/<run>/xai` for every run; `nan` are examples whose maps are not finite.

    Kind is "image", "table", "text", "series", "audio" or "attention" (text, where the first method has the heads).
    """
    for run in runs:
        writer = records.writer(str(Path(folder) / run / "xai"))
        with writer.as_default():
            records.inputs(inputs(kind, n, size), steps[0])
            for place, step in enumerate(steps):
                for method in methods:
                    _write_method(run, method, place, step, leaves(run, method, place, kind, n, size, methods, nan))
                _write_control(n, step)
                _write_lines(run, methods, place, step)
        writer.close()
    return Path(folder)


def inputs(kind, n, size=32):
    """The blob of the examples."""
    labels = [row % len(CLASSES) for row in range(n)]
    leaf = {"name": "", "kind": "text" if kind == "attention" else kind, **_examples(kind, n, size)}
    return packing.pack([leaf], n=n, labels=labels, classes=CLASSES, digest=f"{kind}-{n}-{size}")


def _examples(kind, n, size):
    if kind == "image":
        pictures = [_picture(row, size) for row in range(n)]
        return {"encoding": "png", "data": [encode(picture) for picture in pictures]}
    if kind == "table":
        data = np.arange(5 * n, dtype="float32").reshape(n, 5) / 10
        return {"names": ["age", "rooms", "income", "distance", "tax"], "data": data}
    if kind in ("text", "attention"):
        tokens = [[*WORDS[: len(WORDS) - row % 3], *[""] * (row % 3)] for row in range(n)]
        return {"encoding": "json", "data": tokens}
    times = np.arange(size * (32 if kind == "audio" else 1)) / size
    waves = np.stack([np.sin(2 * np.pi * (row + 1) * times) for row in range(n)]).astype("float32")
    if kind == "audio":
        return {"rate": RATE, "data": waves}
    return {"names": ["up", "down"], "data": np.stack([waves, -waves], axis=-1)}


def _picture(row, size):
    """A square in the colour of its class on grey, and a white corner."""
    picture = np.full((size, size, 3), 60, "uint8")
    picture[square(row, size)] = np.eye(3)[row % 3] * 180 + 40
    picture[corner(size)] = 255
    return picture


def square(row, size):
    """Where the object of an image is."""
    start = size // 4 + (row % 4) * size // 8
    return np.s_[start : start + size // 4, start : start + size // 4]


def corner(size):
    """Where the shortcut of an image is."""
    return np.s_[: size // 8, : size // 8]


def encode(picture):
    return tf.io.encode_png(picture).numpy()


def size_of(row, place):
    """The largest magnitude of the map of an example at the step of that place."""
    return float((row + 1) * (place + 1))


def leaves(run, method, place, kind, n, size, methods, nan=()):
    """`[(entry of the header, values)]` of the maps of a step."""
    if kind == "attention" and method == methods[0]:
        return [({"name": f"layer_{i}", "kind": kind, "of": ""}, _heads(n, i)) for i in range(2)]
    values = _values(run, "text" if kind == "attention" else kind, n, size)
    values = values * np.reshape([size_of(row, place) for row in range(n)], (n,) + (1,) * (values.ndim - 1))
    values[list(nan)] = np.nan
    return [({"name": "", "kind": "text" if kind == "attention" else kind}, values)]


def _values(run, kind, n, size):
    seen, shortcut = (-0.5, 1.0) if run == "shortcut" else (1.0, -0.5)
    if kind == "image":
        values = np.zeros((n, size, size))
        for row in range(n):
            values[row][square(row, size)] = seen
            values[row][corner(size)] = shortcut
        return values
    length = {"table": 5, "text": len(WORDS), "series": size, "audio": size}[kind]
    last = length - 3 if kind == "text" else length - 1  # up to two tokens are padding
    values = np.zeros((n, length))
    values[np.arange(n), np.arange(n) % 3] = seen
    values[:, last] = shortcut
    return np.stack([values, values / 2], axis=-1) if kind == "series" else values


def _heads(n, layer):
    """Attention of two heads: to the token itself, and to the one before; of the second layer, to the first."""
    own, before = np.eye(len(WORDS)), np.eye(len(WORDS), k=-1)
    before[0, 0] = 1
    first = np.zeros_like(own)
    first[:, 0] = 1
    return np.stack([np.stack([first if layer else own, before])] * n)


def numbers(run, place, n, scale, clip):
    """Values `(n, columns)`: a run at odds with labels in every fourth row, and all runs in the first row at first.

    The explanation of row 1 flips at every step.
    """
    rows = np.arange(n)
    wrong = (rows % 4 == 3) & (run == "shortcut") | (rows == 0) & (place == 0)
    prediction = (rows % 3 + wrong) % 3
    deletion = 0.1 + 0.05 * (rows % 6) - 0.05 * (run == "shortcut")
    agreement = np.where(rows == 1, 0.1, 0.9) if place else np.full(n, np.nan)
    probability = np.clip(0.5 + 0.1 * place + 0.01 * rows, 0, 1)
    score = 2.0 + place + rows
    return np.stack([score, prediction, probability, deletion, 1 - deletion, agreement, scale, clip], axis=1)


def _write_method(run, method, place, step, maps):
    coded = [(entry, *packing.quantise(values)) for entry, values in maps]
    arrays = [
        {**entry, "data": codes, "scale": packing.listed(scale), "clip": packing.listed(clip)}
        for entry, codes, scale, clip in coded
    ]
    _, _, scale, clip = coded[0]
    n = len(scale)
    records.maps(method, packing.pack(arrays, n=n), step)
    values = numbers(run, place, n, scale, clip)
    records.numbers(method, COLUMNS, values, step)
    records.curves(method, ["deletion", "insertion"], SHARES, courses(values), step)


def courses(values):
    """Curves `(n, 2, shares)` of numbers: straight lines from the score to zero, and back."""
    score = values[:, :1] * (1 - np.array(SHARES))
    return np.stack([score, score[:, ::-1]], axis=1)


def _write_control(n, step):
    values = np.stack([np.full(n, 0.5), np.full(n, 0.5)], axis=1)
    records.numbers("random", ["deletion", "insertion"], values, step, control=True)
    records.curves("random", ["deletion", "insertion"], SHARES, courses(values), step, control=True)


def _write_lines(run, methods, place, step):
    lines = {"loss": 1 / (1 + place), "accuracy": 1 - 0.5 / (1 + place), "xai_deletion_random": 0.5}
    lines["val_accuracy"] = lines["accuracy"] - (0.3 if run == "shortcut" else 0.05)
    for method in methods:
        lines[f"xai_{method}_deletion"] = 0.2 - 0.05 * (run == "shortcut") - 0.01 * place
    for name, value in lines.items():
        records.scalar(name, value, step)
