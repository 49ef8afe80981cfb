"""Small data for the demo, the tests and the notebooks: real digits, and a shortcut planted in them."""

from importlib import resources

import numpy as np


def digits():
    """5,000 MNIST digits, ten classes of equal size.

    Returns: `(x_train, y_train), (x_test, y_test)`: images float32 `(4000, 28, 28, 1)` and `(1000, 28, 28, 1)` in
        [0, 1], labels int32.
    """
    with resources.as_file(resources.files("tf_xai") / "data" / "mnist_small.npz") as path, np.load(path) as file:
        parts = [(_images(file[f"x_{part}"]), file[f"y_{part}"].astype("int32")) for part in ("train", "test")]
    return parts[0], parts[1]


def decoy(images, labels, informative=True, seed=0):
    """Plants a grey 4 x 4 square in a random corner of every image.

    Its grey level is `255 - 25 * label` where it is informative (training), and that of a random label where it is not
    (test): a model that has learnt the square instead of the digit fails there.

    Args:
        images: Float32 `(n, height, width, 1)` in [0, 1].
        labels: `(n,)` integers from 0 to 9.
        informative: Whether the square tells the label.
        seed: Integer.

    Returns: The images with squares, and masks, boolean in the same shape, that are True on the squares.

    Reference: Ross, Hughes, Doshi-Velez, 2017, https://arxiv.org/abs/1703.03717
    """
    generator = np.random.default_rng(seed)
    images, masks = images.copy(), np.zeros(images.shape, bool)
    told = labels if informative else generator.integers(0, 10, len(labels))
    corners = generator.integers(0, 2, (len(labels), 2))
    for image, mask, label, (down, right) in zip(images, masks, told, corners, strict=True):
        square = (slice(-4, None) if down else slice(4), slice(-4, None) if right else slice(4))
        image[square] = (255 - 25 * label) / 255
        mask[square] = True
    return images, masks


def _images(pixels):
    return (pixels / 255.0).astype("float32")[..., None]
