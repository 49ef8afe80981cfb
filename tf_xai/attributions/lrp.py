"""Layer-wise relevance propagation."""

from functools import partial

from tf_xai.core import checks, operations, relevance, rules
from tf_xai.core.gradients import fill
from tf_xai.core.score import resolve

# For every composite: the rule of the first weighted layers, of other convolutions, of other dense layers.
COMPOSITES = {
    "epsilon": ("epsilon", "epsilon", "epsilon"),
    "gamma": ("gamma", "gamma", "gamma"),
    "z_plus": ("z_plus", "z_plus", "z_plus"),
    "alpha2_beta1": ("alpha2_beta1", "alpha2_beta1", "alpha2_beta1"),
    "flat": ("flat", "flat", "flat"),
    "epsilon_plus": (None, "z_plus", "epsilon"),
    "epsilon_plus_flat": ("flat", "z_plus", "epsilon"),
    "epsilon_alpha2_beta1": (None, "alpha2_beta1", "epsilon"),
    "epsilon_alpha2_beta1_flat": ("flat", "alpha2_beta1", "epsilon"),
    "epsilon_gamma_box": ("box", "gamma", "epsilon"),
}


def lrp(score, inputs, target=None, *, composite="epsilon_plus", epsilon=1e-6, gamma=0.25, low=None, high=None):
    """Hands the score back through the network, every layer sharing out what it got among its inputs.

        R_i = sum_j (x_i w_ij / z_j) R_j,    z_j = sum_i x_i w_ij + b_j         (rule "epsilon"; others vary the shares)

    Rules for each layer come from a composite: "epsilon_plus" (convolutions z-plus, dense layers epsilon),
    "epsilon_plus_flat", "epsilon_alpha2_beta1", "epsilon_alpha2_beta1_flat", "epsilon_gamma_box"; or one for all:
    "epsilon", "gamma", "z_plus", "alpha2_beta1", "flat". "..._flat" and "..._box" treat the first layer by the rule at
    the end of their name. A batch normalisation right after a layer is folded into it. Activations hand relevance on;
    sums, also of residual branches, and means share it in proportion; where activations are multiplied, each has half.

    Args:
        score: Callable `(inputs, target) -> (batch,)`. Explain logits: `space="logit"`.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        composite: Name, see above.
        epsilon: Of the rule "epsilon": what absorbs relevance where `z` is small.
        gamma: Of the rule "gamma": how much more the favoured weights count.
        low, high: Of "epsilon_gamma_box": the range of what goes into the first convolution; numbers, or arrays that
            broadcast to it, such as one number per channel.

    Returns: Tree like `inputs`, same shapes, float32; units: score.
    Raises: TypeError for integer inputs; ValueError for operations that have no rule.
    Properties: conservation, `sum R = score`, but for biases, epsilon and the softmax of attention. Exact on linear
        models without bias. Differentiable almost everywhere. Cost: 1 forward and 1 to 4 backward passes, by the rules.

    >>> import keras, tensorflow as tf
    >>> layer = keras.layers.Dense(1, kernel_initializer=keras.initializers.Constant([[1.0], [2.0]]))
    >>> lrp(lambda x, target: layer(x)[:, 0], tf.constant([[3.0, 4.0]])).numpy().round(4).tolist()
    [[3.0, 8.0]]

    Reference: Bach et al., 2015, https://doi.org/10.1371/journal.pone.0130140; composites: Montavon et al., 2019,
    https://doi.org/10.1007/978-3-030-28954-6_10; attention: Achtibat et al., 2024, https://arxiv.org/abs/2402.05602
    """
    for name, value in (("epsilon", epsilon), ("gamma", gamma)):
        if not value >= 0:
            raise ValueError(f"`{name}` must not be negative. Received: {name}={value!r}.")
    first, convolution, dense = checks.choose("composite", composite, COMPOSITES)
    named = {
        "epsilon": partial(relevance.epsilon, small=epsilon),
        "gamma": partial(relevance.gamma, more=gamma),
        "z_plus": partial(relevance.alpha_beta, alpha=1, beta=0),
        "alpha2_beta1": partial(relevance.alpha_beta, alpha=2, beta=1),
        "flat": relevance.flat,
        "box": partial(relevance.box, low=low, high=high),
    }

    def rule(layer, arrived):
        is_convolution = layer.op.type in operations.CONVOLUTIONS
        starts = layer.is_first and first and (first != "box" or is_convolution)
        return named[first if starts else convolution if is_convolution else dense](layer, arrived)

    def explain(inputs, target):
        way = rules.Way(*rules.observe(score, inputs, resolve(score, inputs, target)))
        return fill(way.back(relevance.Relevance(way, rule), start=way.output), inputs)

    return rules.in_graph(explain, inputs, target)
