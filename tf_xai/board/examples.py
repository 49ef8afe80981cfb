"""Examples and their attributions as the arrays of a blob, see FORMAT.md: what is drawn of each kind of input."""

import numpy as np
import tensorflow as tf

from tf_xai.board.packing import listed, pack, pooled, quantise

# The most pixels of an image, and cells of a map, in height and width; of a frame of a video half as many. Steps of a
# long signal, and frames of a video.
PIXELS, CELLS, STEPS, FRAMES = 256, 112, 1024, 8

# Floats beyond it are taken for bytes, 0 to 255.
BRIGHT = 15


def blob(inputs, labels, classes, digest, names=None, tokens=None, rate=None):
    """The blob of the inputs.

    Args:
        inputs: `[(name, array (n, ...))]`.
        labels: `(n,)`, or None.
        classes: Their names, or None.
        digest: The same for the same inputs.
        names: Of the features of a table or the channels of a series, or a dict of input to these.
        tokens, rate: See `example`.
    """
    of = lambda name: names.get(name) if isinstance(names, dict) else names
    entries = [example(name, leaf, names=of(name), tokens=tokens, rate=rate) for name, leaf in inputs]
    return pack(
        [entry for entry in entries if entry is not None],
        n=len(inputs[0][1]),
        labels=None if labels is None else listed(labels),
        classes=None if classes is None else [str(name) for name in classes],
        digest=digest,
    )


def kind(leaf, rate=None):
    """What an input `(n, ...)` is: "image", "video", "table", "text", "series", "audio"; None of what is not drawn."""
    rank, floats = leaf.ndim, leaf.dtype.kind == "f"
    if rank == 2 and leaf.dtype.kind in "iuUSO":
        return "text"
    if not floats:
        return "image" if rank == 4 and leaf.dtype.kind in "iu" else None
    if rate is not None and (rank == 2 or (rank == 3 and leaf.shape[2] == 1)):
        return "audio"
    return {2: "table", 3: "series", 4: "image", 5: "video"}.get(rank)


def example(name, leaf, *, names=None, tokens=None, rate=None):
    """The entry of an input `(n, ...)`; None of what is not drawn.

    Args:
        name: Of the input.
        leaf: Array.
        names: Of the features of a table or the channels of a series.
        tokens: Function of the ids of a row to words, "" for padding.
        rate: Of audio, in Hz.
    """
    of = kind(leaf, rate)
    if of in ("image", "video"):
        return {"name": name, "kind": "image", "encoding": "png", "data": _png(_pictures(_flat(leaf, PIXELS)))}
    if of == "text":
        return {"name": name, "kind": of, "encoding": "json", "data": [_words(row, tokens) for row in leaf]}
    if of == "audio":
        return {"name": name, "kind": of, "rate": rate, "data": leaf.reshape(len(leaf), -1).astype("float32")}
    if of is None:
        return None
    names = [str(each) for each in (range(leaf.shape[-1]) if names is None else names)]
    if len(names) != leaf.shape[-1]:
        raise ValueError(
            f"`feature_names` must name every feature{f' of {name!r}' if name else ''}. Expected: {leaf.shape[-1]} "
            f"names. Received: {len(names)}."
        )
    return {"name": name, "kind": of, "names": names, "data": leaf.astype("float32")}


def attribution(name, values, leaf, *, rate=None, smooth=False):
    """The entry of the attributions of an input, or of a map over it with a grid of its own."""
    of = kind(leaf, rate)
    if of in ("image", "video"):
        maps = _flat(values, CELLS).sum(axis=-1)
        smooth = {"smooth": True} if smooth and values.shape[1:3] != leaf.shape[1:3] else {}
        return _map(name, "image", maps, **smooth)
    if of in ("series", "audio"):
        values = values.reshape(leaf.shape[:2]) if of == "audio" else values
        return _map(name, of, pooled(values.astype("float32"), (1,), STEPS))
    return _map(name, of, values)


def heads(layer, weights, of):
    """The entry of attention `(n, heads, queries, keys)` over the tokens of an input."""
    return _map(layer, "attention", weights, of=of)


def _map(name, kind, values, **more):
    codes, scale, clip = quantise(values)
    return {"name": name, "kind": kind, "scale": listed(scale), "clip": listed(clip), **more, "data": codes}


def _flat(values, most):
    """Images `(n, height, width, channels)` of at most so many cells; of every video some frames, side by side."""
    values = np.asarray(values, "float32")
    if values.ndim == 4:
        return pooled(values, (1, 2), most)
    some = np.linspace(0, values.shape[1] - 1, min(FRAMES, values.shape[1])).round().astype(int)
    frames = pooled(values[:, some], (2, 3), most // 2)
    return np.concatenate(list(frames.swapaxes(0, 1)), axis=2)


def _pictures(images):
    """Images `(n, height, width, channels)` of any range as uint8, grey or RGB."""
    levels = np.nan_to_num(images)
    levels = levels if levels.shape[-1] in (1, 3) else levels.mean(axis=-1, keepdims=True)
    low, high = levels.min(initial=0), levels.max(initial=0)
    if low >= 0 and (high <= 1 or BRIGHT < high <= 255):
        return (levels * (255 if high <= 1 else 1)).round().astype("uint8")
    low, high = (each(axis=(1, 2, 3), keepdims=True) for each in (levels.min, levels.max))
    return (255 * (levels - low) / np.where(high > low, high - low, 1)).round().astype("uint8")


def _png(pictures):
    return [tf.io.encode_png(picture).numpy() for picture in pictures]


def _words(row, tokens):
    """The tokens of a row of ids."""
    plain = lambda token: token.decode() if isinstance(token, bytes) else str(token)
    words = [plain(token) for token in (row if tokens is None else tokens(row))]
    if len(words) != len(row):
        raise ValueError(
            f"`tokens` must give a word for every id of a row, '' for padding. Expected: {len(row)} words. Received: "
            f"{len(words)}."
        )
    return words
