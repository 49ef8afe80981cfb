"""Attention rollout: attention through all layers."""

import tensorflow as tf

from tf_xai.core.attention import identity, look, of_tokens, read


def attention_rollout(score, inputs, target=None, *, layer=None, token=None, resize=True):
    """How much of every token arrives at the last layer, if attention and the residual connections carry half each.

        R_0 = I,    R_l = normalise(1/2 A_l + 1/2 I) R_{l-1},    A_l the mean over the heads of layer l

    Args:
        score: A `Score`: the model is needed to find the layers. No score is computed.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: Has no influence.
        layer: Name or layer, or a list of these, also such that have attention layers within them; None takes all.
        token: Position of the query whose row is given, such as 0 for a class token; None gives the mean over the
            queries that are no padding; "all" gives all rows.
        resize: Whether to bring the patches of an image or series to its size, linearly; False gives their grid.

    Returns: Tree like `inputs`. The input that the tokens come from gets one number per position: `(batch, length)` for
        token ids, `(batch, *spatial, 1)` for floats; with `token="all"`, `(batch, tokens, tokens)`. Leading tokens that
        are in no input, such as a class token, are left out of the former. Other inputs get zeros.
    Raises: ValueError where there is no self-attention, or that of several sequences.
    Properties: rows sum to one before they are resized; the same for all classes. Differentiable. Cost: 1 forward pass.

    >>> import keras, tensorflow as tf
    >>> from tf_xai import Score
    >>> x = keras.Input((2, 1))
    >>> heads = keras.layers.MultiHeadAttention(1, 1, kernel_initializer="zeros")
    >>> model = keras.Model(x, keras.layers.Flatten()(heads(x, x)))
    >>> attention_rollout(Score(model), tf.ones((1, 2, 1)), token=0).numpy().tolist()
    [[[0.75], [0.25]]]

    Reference: Abnar and Zuidema, 2020, https://arxiv.org/abs/2005.00928
    """
    entries = of_tokens(look(score, inputs, layer), chosen=layer is not None)
    flow = itself = identity(entries)
    for entry in entries:
        mixed = (tf.reduce_mean(entry.weights, axis=1) + itself) / 2
        flow = mixed / tf.reduce_sum(mixed, axis=-1, keepdims=True) @ flow
    return read(flow, entries, token, score, inputs, resize)
