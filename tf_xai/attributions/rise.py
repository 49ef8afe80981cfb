"""RISE: randomised input sampling."""

import tensorflow as tf

from tf_xai.core import baselines, checks, random, trees
from tf_xai.core.score import resolve
from tf_xai.core.variants import sum_variants


def rise(score, inputs, target=None, *, baseline="zeros", samples=2000, share=0.5, grid=8, seed=0, chunk=None):
    """Averages random masks, weighed with the score of what they leave visible.

        a_i = 1 / (N p) * sum_k score(m_k x + (1 - m_k) b) * m_ki,    E m_ki = p

    A mask is a coarse grid of zeros and ones, enlarged linearly and shifted at random. All rows share the masks, and
    every input has its own.

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        baseline: What stands in the dark, see `core.baselines.resolve`.
        samples: Masks `N`.
        share: The share `p` of cells that are visible, between 0 and 1.
        grid: Cells along every spatial axis. In a table every column is a cell.
        seed: Integer; None draws anew at every call.
        chunk: Masks in one forward pass; None bounds the memory.

    Returns: Tree like `inputs`. Inputs with spatial axes get a map with one channel, `(batch, *spatial, 1)`; tables get
        values in their shape. float32; units: score, expected where the position is visible.
    Raises: ValueError for a share that is not between 0 and 1; TypeError for integer inputs.
    Properties: not complete; only differences between positions tell something. Differentiable. Cost: `samples` forward
        passes.

    >>> import tensorflow as tf
    >>> values = rise(lambda x, target: 2 * x[:, 1], tf.constant([[1.0, 3.0]]), samples=4000)
    >>> values.numpy().round().tolist()
    [[3.0, 6.0]]

    Reference: Petsiuk et al., 2018, https://arxiv.org/abs/1806.07421
    """
    checks.positive("samples", samples)
    checks.positive("grid", grid)
    if not 0 < share < 1:
        raise ValueError(f"`share` must lie between 0 and 1. Received: share={share}.")
    checks.some_floats(inputs)
    target = resolve(score, inputs, target)
    start, seed = baselines.resolve(baseline, inputs), random.key(seed)
    masks = [_masks(x, samples, share, grid, random.fold(seed, i)) for i, x in enumerate(trees.leaves(inputs))]

    def variant(k):
        seen = trees.pack(inputs, [mask(k) for mask in masks])
        return trees.map_leaves(_blend, seen, inputs, start), trees.map_leaves(_for_rows, seen, inputs)

    def weighed(drawn, target):
        blended, seen = drawn
        values = score(blended, target)
        return trees.map_leaves(lambda mask: trees.align(values, mask.shape.rank) * mask, seen)

    like = trees.map_leaves(lambda x: x[..., :1] if trees.is_float(x) and x.shape.rank > 2 else x, inputs)
    return sum_variants(weighed, variant, tf.fill([samples], 1 / (samples * share)), inputs, target, chunk, like)


def _blend(mask, x, b):
    if not trees.is_float(x):
        return trees.repeat(x, tf.shape(mask)[0])
    mask = tf.cast(mask, x.dtype)
    return mask * x + (1 - mask) * b


def _for_rows(mask, x):
    """A mask `(chunk, 1, ...)` for every row."""
    return tf.broadcast_to(mask, tf.concat([tf.shape(mask)[:1], tf.shape(x)[:1], tf.shape(mask)[2:]], 0))


def _masks(x, samples, share, grid, seed):
    """A function of indices `(chunk,)` to masks of one input, `(chunk, 1, *spatial, 1)` or `(chunk, 1, columns)`."""
    if not trees.is_float(x):
        return lambda k: tf.zeros(tf.concat([tf.shape(k), [1], tf.shape(x)[1:]], 0))
    if x.shape.rank < 3:
        visible = _visible(seed, [samples, *x.shape[1:]], share)
        return lambda k: tf.gather(visible, k)[:, None]
    lengths = x.shape[1:-1]
    cells = [min(grid, length) for length in lengths]
    visible = _visible(seed, [samples, *cells], share)
    shifts = random.uniform(random.fold(seed, 0), [len(cells), samples])
    letters = "abcd"[: len(cells)], "wxyz"[: len(cells)]
    enlarge = [f"k{new}{old}" for old, new in zip(*letters, strict=True)]

    def masks(k):
        matrices = [
            _enlarging(*each) for each in zip(lengths, cells, tf.unstack(tf.gather(shifts, k, axis=1)), strict=True)
        ]
        mask = tf.einsum(f"{','.join(enlarge)},k{letters[0]}->k{letters[1]}", *matrices, tf.gather(visible, k))
        return mask[:, None, ..., None]

    return masks


def _visible(seed, shape, share):
    return tf.cast(random.uniform(seed, shape) < share, tf.float32)


def _enlarging(length, cells, shifts):
    """Matrices `(chunk, length, cells)` that interpolate cells linearly, one cell more than fits, shifted inside it."""
    size = -(-length // cells)
    shift = tf.floor(shifts * size)[:, None]
    place = (tf.range(length, dtype=tf.float32) + shift + 0.5) * cells / ((cells + 1) * size) - 0.5
    place = tf.clip_by_value(place, 0.0, cells - 1.0)
    return tf.maximum(0.0, 1.0 - tf.abs(place[..., None] - tf.range(cells, dtype=tf.float32)))
