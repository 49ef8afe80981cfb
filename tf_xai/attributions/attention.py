"""Raw attention: what every head of every attention layer looks at."""

from tf_xai.core.attention import look


def attention(score, inputs, target=None, *, layer=None):
    """The weights that the attention layers of a model give to their keys.

        A = softmax(Q K^T / sqrt(d)),    for every layer, head and query

    Args:
        score: A `Score`: the model is needed to find the layers. No score is computed.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: Has no influence.
        layer: Name or layer, or a list of these, also such that have attention layers within them; None takes all.

    Returns: `{layer name: (batch, heads, queries, keys)}`, in the order of the calls. The second call of a layer, or
        the second layer of a name, is called "name/1", and so on.
    Raises: ValueError where there is no `MultiHeadAttention` or `GroupQueryAttention`.
    Properties: says what is read, not what it is used for. Rows sum to one; those of padding may be zero.
        Differentiable. Cost: 1 forward pass.

    >>> import keras, tensorflow as tf
    >>> from tf_xai import Score
    >>> x = keras.Input((2, 1))
    >>> heads = keras.layers.MultiHeadAttention(1, 1, kernel_initializer="zeros", name="heads")
    >>> model = keras.Model(x, keras.layers.Flatten()(heads(x, x)))
    >>> attention(Score(model), tf.ones((1, 2, 1)))["heads"].numpy().tolist()
    [[[[0.5, 0.5], [0.5, 0.5]]]]

    Reference: Vaswani et al., 2017, https://arxiv.org/abs/1706.03762
    """
    return {entry.name: entry.weights for entry in look(score, inputs, layer)}
