"""Attention: what the attention layers of any model look at, and where these tokens lie in the inputs."""

import inspect
from contextlib import contextmanager
from functools import partial, reduce, wraps
from typing import NamedTuple

import tensorflow as tf

from tf_xai.core import trees
from tf_xai.core.capture import arguments, attention_layers, find_layer, model_of, patched
from tf_xai.core.maps import home_of, lengths, on_grid, place, told_apart


class Attention(NamedTuple):
    """One call of an attention layer.

    Attributes:
        name: Of the layer; that of a second call, or of a second layer with this name, ends in "/1", and so on.
        used: `(batch, heads, queries, keys)`, the weights as the layer used them, in its dtype.
        valid: Whether a query is no padding, broadcasts to `(batch, queries)`; None where nothing is masked.
        own: Whether the tokens attend to themselves: the queries are the values or keys.
    """

    name: str
    used: tf.Tensor
    valid: tf.Tensor | None
    own: bool

    @property
    def weights(self):
        return tf.cast(self.used, tf.float32)


def find(score, layer=None):
    """The attention layers of a score's model, or those that are, or lie in, the layers asked for.

    Args:
        score: A `Score`.
        layer: Name or layer, or a list of these; None takes all.
    """
    model = model_of(score)
    entries = layer if isinstance(layer, (list, tuple)) else [layer]
    roots = [model] if layer is None else [find_layer(model, entry) for entry in entries]
    found = [part for root in roots for part in attention_layers(root)]
    if not found:
        raise ValueError(
            f"There is no attention layer in {[root.name for root in roots]} that has heads. Expected a "
            "`keras.layers.MultiHeadAttention` or `GroupQueryAttention`; in place of `Attention` take "
            "`MultiHeadAttention(1, units)`. Use 'integrated_gradients', which needs none; as a loss "
            "`EnergyGuidance('integrated_gradients')`."
        )
    for part in found:
        if "return_attention_scores" not in inspect.signature(part.call).parameters:
            raise ValueError(
                f"The layer {part.name!r} does not tell what it attends to: the `call` of {type(part).__name__} has no "
                "`return_attention_scores`. Leave it out with `layer=`, or use 'integrated_gradients'."
            )
    return found


@contextmanager
def observing(layers, watch=lambda tensors: None):
    """A list of what the layers attend to in a forward pass, in the order of their calls.

    Args:
        layers: What `find` gives.
        watch: Called with what the layers read, before they do.
    """
    seen = []
    with patched(layers, partial(_attending, seen, watch)):
        yield seen
    if not seen:
        raise ValueError(f"The model calls none of {[layer.name for layer in layers]}. Pass layers that it calls.")


def look(score, inputs, layer=None):
    """What the attention layers attend to, as a list of `Attention`: one forward pass."""
    with observing(find(score, layer)) as seen:
        # Its values, too: from them a score knows which classes there are.
        score.values(score.model(inputs, training=False))
    return seen


def of_tokens(seen, chosen=False):
    """The calls in which the tokens of one sequence attend to each other: self-attention.

    Args:
        seen: List of `Attention`.
        chosen: Whether the caller named the layers, and so vouches that equal numbers of tokens are the same tokens.
    """
    alike = lambda entry: len(entry.used.shape) == 4 and entry.used.shape[2] == entry.used.shape[3]
    square = [entry for entry in seen if alike(entry)]
    lengths = {entry.used.shape[3] for entry in square} - {None}
    if square and len(lengths) < 2 and (chosen or all(entry.own for entry in square)):
        return square
    outline = {entry.name: (tuple(entry.used.shape), "self" if entry.own else "cross") for entry in seen}
    raise ValueError(
        "Expected self-attention over the tokens of one sequence, with weights `(batch, heads, tokens, tokens)`. "
        f"Received: {outline}. Pass `layer=` with the layers of one sequence."
    )


def identity(entries):
    """`(batch, tokens, tokens)`: every token is itself."""
    shape = tf.shape(entries[0].used)
    return tf.eye(shape[-1], batch_shape=shape[:1])


def read(flow, entries, token, score, inputs, resize):
    """The flow `(batch, queries, keys)` from every token, as a tree like `inputs`.

    Args:
        flow: Float tensor.
        entries: The calls it was made of.
        token: Position of a query; None takes the mean over those that are no padding; "all" gives the whole flow.
        score: A `Score`.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        resize: Whether to bring the patches of an image, or of a series, to its size.
    """
    kinds = told_apart(score, inputs)
    if isinstance(token, str) and token == "all":
        return _whole(flow, kinds)
    if token is None:
        valid = tf.cast(_all_valid(entries, flow), tf.float32)[..., None]
        values = tf.math.divide_no_nan(tf.reduce_sum(valid * flow, axis=1), tf.reduce_sum(valid, axis=1))
    else:
        values = flow[:, _position(token, flow.shape[1])]
    maps = on_grid(values[..., None], kinds)[..., 0]
    shapes = [lengths(leaf) for leaf in trees.leaves(kinds) if lengths(leaf)]
    alone = len(shapes) == 1 and len(shapes[0]) == maps.shape.rank - 1
    if not (alone or tuple(maps.shape[1:]) in shapes):
        raise ValueError(
            f"The tokens must be the patches of one input. Received: {flow.shape[1]} tokens for inputs of shapes "
            f"{[tuple(leaf.shape) for leaf in trees.leaves(inputs)]}. Pass `token='all'` for the whole flow."
        )
    return place(maps, score, inputs, resize)


def _whole(flow, inputs):
    """The flow at the input that the tokens come from."""
    leaves = trees.leaves(inputs)
    placed = [trees.zeros_like(leaf) for leaf in leaves]
    spatial = [i for i, leaf in enumerate(leaves) if lengths(leaf)]
    placed[spatial[0] if len(spatial) == 1 else home_of(1, inputs)] = flow
    return trees.pack(inputs, placed)


def _position(token, length):
    if isinstance(token, bool) or not isinstance(token, int) or not (length is None or -length <= token < length):
        raise ValueError(f"`token` must be None, 'all' or the position of one of {length} tokens. Received: {token!r}.")
    return token


def _all_valid(entries, flow):
    """`(batch, tokens)`: whether a token is padding in no call."""
    valid = tf.ones(tf.shape(flow)[:2], tf.bool)
    for entry in entries:
        valid = valid if entry.valid is None else valid & entry.valid
    return valid


def _attending(seen, watch, layer, call):
    """The call of a layer, which also tells its weights: Keras's fused path would never compute them."""

    @wraps(call)
    def attend(*args, **kwargs):
        given, before = arguments(call, args, kwargs), dict(vars(layer))
        watch([given["query"]])
        output, used = call(*args, **{**kwargs, "return_attention_scores": True})
        vars(layer).update(before)  # GroupQueryAttention notes on itself what it was asked for.
        own = any(given.get(name) is given["query"] for name in ("value", "key"))
        again = sum(entry.name.split("/")[0] == layer.name for entry in seen)
        seen.append(Attention(f"{layer.name}/{again}" if again else layer.name, used, _valid(given), own))
        return (output, used) if given.get("return_attention_scores") else output

    return attend


def _valid(given):
    """Tokens that are no padding, `(batch, tokens)`: by the mask that Keras carries, and to which any query attends."""
    masks = [] if given.get("query_mask") is None else [tf.cast(given["query_mask"], tf.bool)]
    if given.get("attention_mask") is not None:
        allowed = tf.cast(given["attention_mask"], tf.bool)
        masks.append(tf.reduce_any(allowed, range(min(1, allowed.shape.rank - 2), allowed.shape.rank - 1)))
    return reduce(tf.logical_and, masks) if masks else None
