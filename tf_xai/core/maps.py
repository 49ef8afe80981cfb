"""Maps: what a layer sees at every position, and where in the inputs these positions lie.

A layer looks at the one input that has as many spatial axes: images, series, volumes, token ids. Tokens of an image lie
on the grid of its patches.
"""

import math
from contextlib import contextmanager
from functools import partial, wraps

import tensorflow as tf

from tf_xai.core import trees
from tf_xai.core.capture import arguments, attention_layers, capture, find_layer, layers_of, model_of, patched
from tf_xai.core.gradients import layer_gradients
from tf_xai.core.places import embeddings
from tf_xai.core.resize import resize as resize_maps

# The most tokens that are no patch: a class token and registers.
EXTRA = 8


def layer_maps(score, inputs, target, layer=None):
    """Activations of a layer and `d score / d activations`, two float32 tensors `(batch, *spatial, channels)`.

    Args:
        score: A `Score`.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` or `(batch, classes)`, or None.
        layer: Name or layer. None takes the last one with spatial axes; in a transformer, what its last attention
            layer reads, because with a class token the layers behind it depend on that token only.
    """
    model, values, kinds = model_of(score), [], told_apart(score, inputs)
    if layer is None:
        observing = partial(_everything, model, values)
        choose = lambda outputs: _spatial(_informed(_inner(outputs), values), kinds, values)
    else:
        observing = partial(capture, [find_layer(model, layer)])
        choose = lambda outputs: _spatial(outputs, kinds, outputs)
    activations, slopes = layer_gradients(score, observing, inputs, target, choose)
    return on_grid(activations, kinds), on_grid(slopes, kinds)


def place(maps, score, inputs, resize=True, relu=False):
    """A tree like `inputs`: maps `(batch, *spatial)` at the one input with such axes, zeros elsewhere.

    Args:
        maps: Float tensor.
        score: A `Score`.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        resize: Whether to bring the maps to the size of the input, linearly.
        relu: Whether to drop what is negative before.
    """
    inputs, maps = told_apart(score, inputs), tf.nn.relu(maps) if relu else maps
    leaves, home = trees.leaves(inputs), home_of(maps.shape.rank - 1, inputs)
    placed = [trees.zeros_like(leaf) for leaf in leaves]
    if resize:
        maps = resize_maps(maps, tf.shape(leaves[home])[1 : maps.shape.rank])
    placed[home] = maps[..., None] if trees.is_float(leaves[home]) else maps
    return trees.pack(inputs, placed)


def told_apart(score, inputs):
    """The inputs as what they are to the model: token ids as integers; integers beside them as booleans, as masks."""
    ids = {site.leaf for site in embeddings(model_of(score), inputs)}
    kind = lambda i, leaf: tf.int32 if i in ids else leaf.dtype if trees.is_float(leaf) else tf.bool
    leaves = [tf.cast(leaf, kind(i, leaf)) if ids else leaf for i, leaf in enumerate(trees.leaves(inputs))]
    return trees.pack(inputs, leaves)


def no_tokens(method, axes, score, inputs, instead):
    """The position of the input with so many spatial axes; a TypeError where it holds token ids."""
    inputs = told_apart(score, inputs)
    home = home_of(axes, inputs)
    leaf = trees.leaves(inputs)[home]
    if not trees.is_float(leaf):
        raise TypeError(
            f"`{method}` multiplies its input by maps, and token ids can not be multiplied. Received: "
            f"{leaf.dtype.name} of shape {tuple(leaf.shape)}. Use {instead}."
        )
    return home


def home_of(axes, inputs):
    """The position, among the leaves of the inputs, of the one with so many spatial axes."""
    leaves = trees.leaves(inputs)
    matching = [i for i, leaf in enumerate(leaves) if len(lengths(leaf)) == axes]
    if len(matching) != 1:
        raise ValueError(
            f"The method can not tell which input a map with {axes} spatial axes belongs to. Received inputs of shapes "
            f"{[tuple(leaf.shape) for leaf in leaves]}. Name a `layer=` whose spatial axes fit one of them, and pass "
            "masks as booleans."
        )
    return matching[0]


def lengths(leaf):
    """The spatial axes of an input, between batch and channels. Token ids have no channels, masks no axes."""
    if tf.as_dtype(leaf.dtype).is_bool:
        return ()
    return tuple(leaf.shape[1:-1] if trees.is_float(leaf) else leaf.shape[1:])


def on_grid(tokens, inputs):
    """Tokens `(batch, tokens, channels)` as `(batch, *grid, channels)`, without leading ones that are in no input.

    Anything else is on the grid of an input already.
    """
    grid = _grid(tokens, inputs)
    if grid is None:
        return tokens
    return tf.reshape(tokens[:, -math.prod(grid) :], [-1, *grid, tokens.shape[-1]])


def _grid(tokens, inputs):
    """Where tokens lie in the one input with spatial axes, or None: the grid that leaves the fewest of them over.

    That of a series or of token ids is its length; that of an image or volume may be of any square patches.
    """
    shapes = [lengths(leaf) for leaf in trees.leaves(inputs) if lengths(leaf)]
    if tokens.shape.rank != 3 or len(shapes) != 1 or None in (*shapes[0], tokens.shape[1]):
        return None
    sizes = range(1, max(shapes[0]) + 1 if len(shapes[0]) > 1 else 2)
    whole = [tuple(max(1, length // size) for length in shapes[0]) for size in sizes]
    padded = [tuple(-(-length // size) for length in shapes[0]) for size in sizes]
    over = {grid: tokens.shape[1] - math.prod(grid) for grid in (*whole, *padded)}
    fitting = [grid for grid, extra in over.items() if 0 <= extra <= EXTRA and math.prod(grid) > 1]
    return min(fitting, key=over.get, default=None)


@contextmanager
def _everything(model, values, record):
    """Records the outputs of all layers, and what attention layers read, which also goes to `values`."""

    def reading(layer, call):
        @wraps(call)
        def read(*args, **kwargs):
            values.append(arguments(call, args, kwargs)["value"])
            record(values[-1])
            return call(*args, **kwargs)

        return read

    with capture([*layers_of(model), model], record), patched(attention_layers(model), reading):
        yield


def _inner(outputs):
    """Without the output of the model, which comes last: a map there (segmentation) is the score itself."""
    ends = trees.leaves(outputs[-1])
    return [output for output in outputs[:-1] if not any(output is end for end in ends)]


def _informed(outputs, values):
    """Without the outputs behind the last attention layer that are as long as what it read."""
    if not values:
        return outputs
    last = max(i for i, output in enumerate(outputs) if output is values[-1])
    behind = [x for x in outputs[last + 1 :] if not _is_tensor(x) or x.shape[1:-1] != values[-1].shape[1:-1]]
    return [*outputs[: last + 1], *behind]


def _spatial(outputs, inputs, tokens):
    """The outputs `(batch, *spatial, channels)` with as many spatial axes as an input has, not all of length 1.

    Those of `tokens` that may be the patches of an image are such, too.
    """
    ranks = {len(lengths(leaf)) for leaf in trees.leaves(inputs)} - {0}
    outputs = [output for output in outputs if _is_tensor(output)]
    has_axes = lambda x: x.shape.rank - 2 in ranks and any(n != 1 for n in x.shape[1:-1])
    has_patches = lambda x: any(x is entry for entry in tokens) and _grid(x, inputs)
    spatial = [output for output in outputs if has_axes(output) or has_patches(output)]
    if not spatial:
        seen = sorted({str(tuple(output.shape)) for output in outputs})
        raise ValueError(
            "A map needs a layer with spatial axes, `(batch, ..., channels)`, or with the patches of an image, "
            f"`(batch, patches, channels)`. Received layers of shapes {seen} for inputs of shapes "
            f"{[tuple(leaf.shape) for leaf in trees.leaves(inputs)]}. Pass `layer=`, or use 'integrated_gradients'."
        )
    return spatial


def _is_tensor(output):
    return isinstance(output, tf.Tensor) and bool(output.shape.rank)
