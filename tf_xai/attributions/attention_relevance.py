"""Attention relevance: attention through all layers, as far as the score depends on it."""

from functools import partial

import tensorflow as tf

from tf_xai.core.attention import find, identity, observing, of_tokens, read
from tf_xai.core.gradients import inner_gradients
from tf_xai.core.score import resolve


def attention_relevance(score, inputs, target=None, *, layer=None, token=None, resize=True):
    """How much of every token speaks for the score at the last layer.

        R_0 = I,    R_l = R_{l-1} + mean over heads of relu(d score / d A_l * A_l) R_{l-1}

    Args:
        score, inputs, layer, token, resize: As for `attention_rollout`.
        target: `(batch,)` integer classes, weights of the outputs, or None.

    Returns: Tree like `inputs`, as `attention_rollout` gives it.
    Raises: ValueError where there is no self-attention, or that of several sequences.
    Properties: class discriminative; not negative, and every token keeps the 1 that it starts with. Differentiable.
        Cost: 1 forward and 1 backward pass.

    >>> import keras, tensorflow as tf
    >>> from tf_xai import Score
    >>> x, ones = keras.Input((2, 1)), keras.initializers.Ones()
    >>> heads = keras.layers.MultiHeadAttention(1, 1, kernel_initializer=ones)
    >>> model = keras.Model(x, keras.layers.GlobalAveragePooling1D()(heads(x, x)))
    >>> attention_relevance(Score(model), tf.ones((1, 2, 1)), token=0).numpy().tolist()
    [[[1.25], [0.25]]]

    Reference: Chefer et al., 2021, https://arxiv.org/abs/2103.15679
    """
    target = resolve(score, inputs, target)
    used = partial(of_tokens, chosen=layer is not None)
    tensors = lambda seen: [entry.used for entry in used(seen)]
    seen, slopes = inner_gradients(score, partial(observing, find(score, layer)), inputs, target, tensors)
    entries = used(seen)
    relevance = identity(entries)
    for entry, slope in zip(entries, slopes, strict=True):
        relevance += tf.reduce_mean(tf.nn.relu(slope * entry.weights), axis=1) @ relevance
    return read(relevance, entries, token, score, inputs, resize)
