"""Attributions drawn over images, as uint8 arrays."""

import numpy as np

# Blue for what speaks against the score, orange for what speaks for it: told apart with any colour vision.
AGAINST, FOR = np.array([33, 102, 172], "float32"), np.array([230, 97, 1], "float32")

# The share of each map's magnitudes that is drawn within the colour scale: one outlier does not hide the rest.
CLIP = 0.99


def overlay(images, attributions):
    """Colours every image where its attributions lie.

    Args:
        images: `(n, height, width, 1 or 3)`, of any range: each is stretched to its own.
        attributions: `(n, height, width, channels)`; channels are summed.

    Returns: uint8 `(n, height, width, 3)`.
    """
    maps = np.nan_to_num(np.asarray(attributions, "float32")).sum(axis=-1)
    strength = normalize(maps)[..., None]
    colors = np.where(strength > 0, FOR, AGAINST)
    opacity = 0.85 * np.abs(strength)
    return ((1 - opacity) * grey(images)[..., None] + opacity * colors).round().astype("uint8")


def normalize(maps):
    """Maps `(n, ...)` divided by a high quantile of their own magnitude, and cut to [-1, 1]."""
    flat = np.abs(maps).reshape(len(maps), -1)
    scale = np.quantile(flat, CLIP, axis=1)
    # A map with few pixels has none at the quantile: it is scaled by its largest.
    scale = np.where(scale > 0, scale, flat.max(axis=1))
    scale = np.where(scale > 0, scale, 1).reshape((-1,) + (1,) * (maps.ndim - 1))
    return np.clip(maps / scale, -1, 1)


def grey(images):
    """Images as paler grey levels, so that colours show: `(n, height, width)`, 0 to 255."""
    levels = np.nan_to_num(np.asarray(images, "float32")).mean(axis=-1)
    low, high = levels.min(axis=(1, 2), keepdims=True), levels.max(axis=(1, 2), keepdims=True)
    return 60 + 180 * (levels - low) / np.where(high > low, high - low, 1)


def grid(rows, scale=1, gap=2):
    """Images in rows, `[[uint8 (height, width, 3), ...], ...]`, as one image on white."""
    height, width = rows[0][0].shape[:2]
    height, width = height * scale, width * scale
    shape = (len(rows) * (height + gap) - gap, max(map(len, rows)) * (width + gap) - gap, 3)
    canvas = np.full(shape, 255, "uint8")
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = i * (height + gap), j * (width + gap)
            canvas[top : top + height, left : left + width] = image.repeat(scale, axis=0).repeat(scale, axis=1)
    return canvas
