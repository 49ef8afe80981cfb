"""Grad-CAM, on images, series and volumes."""

import tensorflow as tf

from tf_xai.core import trees
from tf_xai.core.capture import find_layer, layers_of
from tf_xai.core.gradients import layer_gradients
from tf_xai.core.resize import resize as resize_maps
from tf_xai.core.score import Score, resolve


def grad_cam(score, inputs, target=None, *, layer=None, relu=True, resize=True):
    """Where the feature maps of a layer speak for the score.

        w_c = mean over positions of d score / d A_c,    a = relu(sum_c w_c A_c)

    Args:
        score: A `Score`: the model is needed to find the layer.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        layer: Name or layer, also inside a nested model; None takes the last one with spatial axes.
        relu: Whether to drop what speaks against the score.
        resize: Whether to bring the map to the size of the input, linearly; False gives the grid of the layer.

    Returns: Tree like `inputs`. The input that the layer looks at gets its map, with one channel,
        `(batch, *spatial, 1)`; `(batch, length)` for token ids. Other inputs get zeros.
    Raises: ValueError where the layer has no spatial axes, or no input or several match them.
    Properties: class discriminative; not complete. Differentiable. Cost: 1 forward pass, and a backward pass down to
        the layer.

    Reference: Selvaraju et al., 2017, https://arxiv.org/abs/1610.02391
    """
    if not isinstance(score, Score):
        raise TypeError(f"`grad_cam` needs a `Score`, to find the layer in its model. Received: {type(score)}.")
    target = resolve(score, inputs, target)
    ranks = {_spatial_rank(leaf) for leaf in trees.leaves(inputs)} - {0}
    if layer is None:
        layers, choose = [*layers_of(score.model), score.model], lambda outputs: _spatial(_inner(outputs), ranks)
    else:
        layers, choose = [find_layer(score.model, layer)], lambda outputs: _spatial(outputs, ranks)
    activations, slopes = layer_gradients(score, layers, inputs, target, choose)
    maps = _weighted_sum(activations, slopes)
    maps = tf.nn.relu(maps) if relu else maps
    return _place(maps, inputs, resize)


def _weighted_sum(activations, slopes):
    positions = list(range(1, activations.shape.rank - 1))
    weights = tf.reduce_mean(slopes, positions, keepdims=True)
    return tf.reduce_sum(weights * activations, axis=-1)


def _inner(outputs):
    """Without the output of the model, which comes last: a map there (segmentation) is the score itself."""
    ends = trees.leaves(outputs[-1])
    return [output for output in outputs[:-1] if not any(output is end for end in ends)]


def _spatial(outputs, ranks):
    """The outputs `(batch, *spatial, channels)` with as many spatial axes as an input has, not all of length 1."""
    outputs = [output for output in outputs if isinstance(output, tf.Tensor) and output.shape.rank]
    spatial = [x for x in outputs if x.shape.rank - 2 in ranks and any(n != 1 for n in x.shape[1:-1])]
    if not spatial:
        seen = sorted({str(tuple(output.shape)) for output in outputs})
        raise ValueError(
            f"Grad-CAM needs a layer with spatial axes, `(batch, ..., channels)`. Received layers of shapes {seen} for "
            f"inputs with {sorted(ranks)} spatial axes. Pass `layer=`, or use 'integrated_gradients'."
        )
    return spatial


def _spatial_rank(leaf):
    """Axes between batch and channels; token ids have no channels."""
    return max(0, leaf.shape.rank - (2 if trees.is_float(leaf) else 1))


def _place(maps, inputs, resize):
    """The map at the one input whose spatial axes it has, zeros elsewhere."""
    leaves = trees.leaves(inputs)
    matching = [i for i, leaf in enumerate(leaves) if _spatial_rank(leaf) == maps.shape.rank - 1]
    if len(matching) != 1:
        raise ValueError(
            f"Grad-CAM can not tell which input a map of shape {tuple(maps.shape)} belongs to. Received inputs of "
            f"shapes {[tuple(leaf.shape) for leaf in leaves]}. Name a `layer=` whose spatial axes fit one of them."
        )
    placed = [trees.zeros_like(leaf) for leaf in leaves]
    leaf = leaves[matching[0]]
    if resize:
        maps = resize_maps(maps, tf.shape(leaf)[1 : maps.shape.rank])
    placed[matching[0]] = maps[..., None] if trees.is_float(leaf) else maps
    return trees.pack(inputs, placed)
