"""Evidence: masks that travel with the inputs and say where the reason may, or must not, lie."""

import keras
import numpy as np
import tensorflow as tf

from tf_xai.core import checks, trees

_INPUTS, _RELEVANT, _IRRELEVANT = "xai_inputs", "xai_relevant", "xai_irrelevant"


def with_evidence(x, *, relevant=None, irrelevant=None):
    """Packs masks beside the inputs, for `fit` with losses that need evidence.

    Args:
        x: Inputs: array, tensor, or a nest of them, each `(rows, ...)`.
        relevant: Masks in the structure of `x` that broadcast to it, 1 where the reason lies.
        irrelevant: The same, 1 where it must not lie. One of the two.

    Returns: A plain nested structure, for arrays, tensors and `tf.data` pipelines alike.
    Raises: ValueError for masks of another structure or shape, or for both or none of them.

    >>> sorted(with_evidence(np.zeros((2, 3)), irrelevant=np.ones(3)))
    ['xai_inputs', 'xai_irrelevant']
    """
    if (relevant is None) == (irrelevant is None):
        raise ValueError("Pass either `relevant` or `irrelevant` masks. The one is taken as 1 less the other.")
    name, masks = ("relevant", relevant) if irrelevant is None else ("irrelevant", irrelevant)
    checks.same_structure(name, masks, x, "Pass one mask per input: zeros where there is nothing to say.")
    masks = trees.map_leaves(lambda mask, leaf: _for_every_row(name, mask, leaf), masks, x)
    return {_INPUTS: x, f"xai_{name}": masks}


def split_evidence(x):
    """Inputs, and the mask of what is irrelevant, or None."""
    if not (isinstance(x, dict) and _INPUTS in x):
        return x, None
    if _IRRELEVANT in x:
        return x[_INPUTS], x[_IRRELEVANT]
    return x[_INPUTS], keras.tree.map_structure(lambda mask: 1 - tf.cast(mask, tf.float32), x[_RELEVANT])


def missing(name, needed, evidence, training):
    """Whether there is no evidence for what needs some: an error in training, silence in validation.

    Args:
        name: Of the loss or metric.
        needed: "relevant" or "irrelevant"; None where it needs no evidence.
        evidence: The masks of the batch, or None.
    """
    if evidence is not None or not needed:
        return False
    if training:
        raise ValueError(f"`{name}` needs evidence. Pass `tf_xai.with_evidence(x, {needed}=masks)` as `x`.")
    return True


def checked(masks):
    """The masks of a batch, which may come from a pipeline that nobody has looked into; None as it is."""
    words = "Evidence must hold booleans or numbers from 0 to 1. Divide masks of 0 and 255 by 255."

    def within(mask):
        mask = tf.cast(mask, tf.float32)
        tf.debugging.assert_greater_equal(mask, 0.0, words)  # which a NaN is not, either
        tf.debugging.assert_less_equal(mask, 1.0, words)
        return mask

    return masks if masks is None else keras.tree.map_structure(within, masks)


def _for_every_row(name, mask, leaf):
    """A mask with a batch axis like the input's. NumPy masks stay views: nothing is copied."""
    shape, expected = tuple(mask.shape), tuple(leaf.shape)
    if isinstance(mask, np.ndarray):
        _check_values(name, mask)
    if not checks.broadcasts(shape, expected):
        raise ValueError(
            f"`{name}` must broadcast to the inputs. Expected: {expected}. Received: {shape}. Pass one mask per row, "
            "or one for all rows, with its channel axis (`masks[..., None]`)."
        )
    if len(shape) == len(expected) and (shape[0] != 1 or expected[0] == 1):
        return mask
    row = mask[0] if len(shape) == len(expected) else mask
    row = row[(None,) * (len(expected) - 1 - len(row.shape))]
    if isinstance(leaf, tf.Tensor):
        return tf.broadcast_to(row, tf.concat([tf.shape(leaf)[:1], tf.shape(row)], 0))
    return np.broadcast_to(row, (expected[0], *row.shape))


def _check_values(name, mask):
    """Raises unless a mask holds booleans or numbers from 0 to 1: a NaN in it would destroy the weights."""
    numbers = mask.dtype.kind in "biuf" and mask.size > 0
    if not numbers or not 0 <= mask.min() <= mask.max() <= 1:
        received = (
            f"{mask.dtype} from {mask.min()} to {mask.max()}" if numbers else f"{mask.size} entries of {mask.dtype}"
        )
        raise ValueError(f"`{name}` must hold booleans or numbers from 0 to 1. Received: {received}.")
