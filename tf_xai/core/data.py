"""What users pass as inputs, as tensors: arrays, data frames, data sets, in the dtypes that the model declares."""

import itertools

import keras
import numpy as np
import tensorflow as tf

from tf_xai.core import checks, trees


def to_tensors(model, inputs):
    """Inputs as tensors: in the dtypes that the model declares, otherwise floats as Keras's `floatx`."""
    declared = _declared(model, inputs)
    leaves = [_to_tensor(leaf, dtype) for leaf, dtype in zip(trees.leaves(inputs), declared, strict=True)]
    return trees.pack(inputs, leaves)


def _declared(model, inputs):
    """The dtype of every `keras.Input`, or None where the model declares none or is fed in another structure."""
    try:
        specs = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
        keras.tree.assert_same_structure(specs, inputs)
    except (AttributeError, ValueError, TypeError):
        return [None] * len(trees.leaves(inputs))
    return [spec.dtype for spec in keras.tree.flatten(specs)]


def check_shapes(model, inputs):
    """Raises unless the rows are such as the model declares, if it declares any."""
    specs = getattr(model, "inputs", None) or []
    leaves = trees.leaves(inputs)
    if isinstance(model, keras.Sequential) or len(specs) != len(leaves):
        specs = specs[:1] if len(leaves) == 1 else []
    for spec, leaf in zip(specs, leaves, strict=False):
        shape = tf.TensorShape(leaf.shape)
        if shape.rank == len(spec.shape) - 1 and shape.is_compatible_with(spec.shape[1:]):
            raise ValueError(f"This is one row, of shape {tuple(shape)}. Add the axis of rows: `x[:1]`, or `x[None]`.")
        if shape.rank == len(spec.shape) and not shape[1:].is_compatible_with(spec.shape[1:]):
            raise ValueError(
                f"The model takes rows of shape {tuple(spec.shape[1:])}. Received: {tuple(shape[1:])}. Pass the inputs "
                "that it was trained on."
            )


def _to_tensor(leaf, declared):
    """Floats in the declared dtype; integers too, where the model declares floats. Names and numbers stay."""
    if isinstance(leaf, (str, int, float)):
        return leaf
    leaf = tf.convert_to_tensor(leaf)
    wanted = tf.as_dtype(declared or keras.config.floatx())
    if wanted.is_floating and (leaf.dtype.is_floating or (leaf.dtype.is_integer and declared)):
        return tf.cast(leaf, wanted)
    return leaf


def feature_names(x):
    """The column names of a data frame, else None."""
    return [str(name) for name in x.columns] if hasattr(x, "columns") else None


def aligned(option, x):
    """A data frame, or a series, with the columns of the frame that is explained in their order."""
    axis = "columns" if hasattr(option, "columns") else "index"
    if not (hasattr(x, "columns") and hasattr(option, "reindex")) or set(x.columns).isdisjoint(getattr(option, axis)):
        return option
    missing = [name for name in x.columns if name not in getattr(option, axis)]
    if missing:
        raise ValueError(f"A background or baseline must have the columns of the data. Missing: {missing}.")
    return option.reindex(**{axis: x.columns})


def row_labels(x):
    """The index of a data frame as an array, else None."""
    if not hasattr(x, "columns"):
        return None
    index = x.index.to_numpy()
    return index.astype(str) if index.dtype == object else index


def without_frames(tree):
    """A tree in which data frames and series are NumPy arrays."""

    def leaf(x):
        if not hasattr(x, "to_numpy"):
            return x
        values = x.to_numpy()
        # Columns of several dtypes come out as objects: numbers and booleans among them are numbers all the same.
        return x.to_numpy(dtype="float32") if values.dtype.kind == "O" else values

    return trees.map_leaves(leaf, tree)


def arrays(x):
    """Data frames and anything that NumPy reads, as a tree of NumPy arrays or tensors."""
    keep = lambda leaf: leaf if isinstance(leaf, (np.ndarray, tf.Tensor)) else np.asarray(leaf)
    return trees.map_leaves(keep, without_frames(_numbers(x)))


def _numbers(x):
    """A plain list of numbers is one array, not a list of inputs."""
    if isinstance(x, (list, tuple)) and all(not hasattr(entry, "shape") for entry in x):
        return np.asarray(x)
    return x


def batches(x, target, batch_size):
    """Yields `(inputs, target)` of at most `batch_size` rows, in batches of nearly equal size.

    A `tf.data.Dataset` comes in its own batches; its labels and weights are left aside, as in `predict`.
    """
    if isinstance(x, tf.data.Dataset):
        if target is not None:
            raise ValueError("`target` can not be given with a dataset. Explain its arrays, or the predicted class.")
        for element in x:
            yield keras.utils.unpack_x_y_sample_weight(element)[0], None
        return
    rows = count(x)
    if target is not None and count(target) != rows:
        raise ValueError(f"`target` must have one entry per row. Expected: {rows}. Received: {count(target)}.")
    ends = np.linspace(0, rows, -(-rows // batch_size) + 1).astype(int)
    for start, end in itertools.pairwise(ends):
        part = slice(start, end)
        take = lambda leaf: leaf[part]  # noqa: B023
        yield trees.map_leaves(take, x), None if target is None else trees.map_leaves(take, target)


def count(x):
    """The rows of all arrays; a ValueError where they differ or there are none."""
    rows = {leaf.shape[0] if len(leaf.shape) else None for leaf in trees.leaves(x)}
    if len(rows) > 1 or None in rows:
        raise ValueError(f"All inputs must have the same number of rows. Received shapes: {checks.shapes(x)}.")
    if not rows or rows == {0}:
        raise ValueError("There is nothing to explain: the inputs have no rows.")
    return rows.pop()
