"""Relevance rules: layer-wise relevance propagation, operation by operation.

What is carried back is not a slope but a share of the score, `R`. A weighted operation, the biases after it and a
batch normalisation that directly follows are one affine layer, `z = x W + b`. In the formulas `x+` and `x-` are the
positive and the negative part, and `B(W, s)` is `s` times `W` transposed, the layer's product with its Jacobian.
"""

import tensorflow as tf

from tf_xai.core import operations, rules
from tf_xai.core.operations import CONVOLUTIONS, PRODUCTS, names
from tf_xai.core.rules import unbroadcast

# Keeps quotients finite. The value is zennit's.
TINY = 1e-6

# Where the weights of an operation stand, by where its data stand: a transposed convolution takes its data last.
_WEIGHTS = {0: 1, 1: 0, 2: 1}


def _share(relevance, z, small=TINY):
    """`R / z`, with `z` moved away from zero: in half precision by more, whose range would not do otherwise."""
    small = tf.cast(max(small, 1e-3) if z.dtype.size == 2 else small, z.dtype)
    return relevance / (z + tf.where(z >= 0, small, -small))


def _parts(tensor):
    return tf.maximum(tensor, 0), tf.minimum(tensor, 0)


class Affine:
    """A weighted operation, with the constants that follow it.

    Attributes:
        x, weights, bias: Of `z = x W + b`; factors of a batch normalisation are multiplied into weights and bias.
        z: The result, in the shape of the operation's own.
        is_first: Whether no other weighted operation stands between it and the explained inputs.
    """

    def __init__(self, op, way, consumers, is_first):
        self.op, self.is_first = op, is_first
        self.place = next(i for i, tensor in enumerate(op.inputs) if tensor in way)
        self.x, weights = op.inputs[self.place], op.inputs[_WEIGHTS[self.place]]
        self.bias, scale = tf.zeros([], weights.dtype), tf.ones([], weights.dtype)
        z, reshaped = op.outputs[0], False
        while len(after := consumers.get(z.ref(), ())) == 1:
            (step,) = after
            constant = next((tensor for tensor in step.inputs if tensor not in way), None)
            if step.type in ("Squeeze", "Reshape", "Identity") and step.outputs[0].shape[-1] == z.shape[-1]:
                reshaped = True
            elif constant is None:
                break
            elif step.type in ("BiasAdd", "AddV2", "Add") and (not reshaped or _per_channel(constant, z)):
                self.bias += tf.reshape(constant, [-1]) if _per_channel(constant, z) else constant
            elif step.type == "Mul" and _per_channel(constant, z) and _can_scale(op):
                scale, self.bias = (values * tf.reshape(constant, [-1]) for values in (scale, self.bias))
            else:
                break
            z = step.outputs[0]
        self.weights = _scaled(op, weights, scale)
        self.z = tf.reshape(z, tf.shape(op.outputs[0]))

    def forward(self, x, weights):
        """`x W`."""
        return self._again(x, weights).outputs[0]

    def back(self, weights, shares):
        """`B(W, s)`."""
        return rules.gradient(self._again(self.x, weights), shares)[self.place]

    def _again(self, x, weights):
        inputs = list(self.op.inputs)
        inputs[self.place], inputs[_WEIGHTS[self.place]] = x, weights
        return rules.again(self.op, inputs)


def _per_channel(constant, z):
    """Whether a constant differs between the channels, the last axis, only."""
    return constant.shape.num_elements() == 1 or constant.shape.num_elements() == z.shape[-1] == constant.shape[-1]


def _can_scale(op):
    """Whether the last axis of the weights is that of the channels."""
    return op.type in CONVOLUTIONS or (op.type == "MatMul" and not op.get_attr("transpose_b"))


def _scaled(op, weights, scale):
    """Weights times one factor per output channel."""
    if scale.shape.num_elements() == 1:
        return weights * scale
    if op.type == "DepthwiseConv2dNative":
        return weights * tf.reshape(scale, tf.shape(weights)[2:])
    transposed = "Backprop" in op.type  # the channels that come out stand before those that go in
    return weights * tf.reshape(scale, [-1, 1] if transposed else [-1])


def epsilon(layer, relevance, small):
    """`x B(W, R / z)`, with `z` moved away from zero by `small`."""
    return layer.x * layer.back(layer.weights, _share(relevance, layer.z, small))


def alpha_beta(layer, relevance, alpha, beta):
    """What speaks for `z` takes `alpha` of the relevance, what speaks against it loses `beta`; 1 and 0 are z-plus."""
    (x, x_), (w, w_), (b, b_) = _parts(layer.x), _parts(layer.weights), _parts(layer.bias)

    def side(v, v_, bias):
        shares = _share(relevance, layer.forward(x, v) + layer.forward(x_, v_) + bias)
        return x * layer.back(v, shares) + x_ * layer.back(v_, shares)

    return alpha * side(w, w_, b) - beta * side(w_, w, b_) if beta else side(w, w_, b)


def gamma(layer, relevance, more):
    """Weights that speak for the sign of `z` count `1 + more` times."""
    (x, x_), (w, w_), (b, b_) = _parts(layer.x), _parts(layer.weights), _parts(layer.bias)

    def side(v, v_, bias, where):
        v, v_ = layer.weights + more * v, layer.weights + more * v_
        z = layer.forward(x, v) + layer.forward(x_, v_) + layer.bias + more * bias
        shares = tf.where(where, _share(relevance, z), tf.zeros_like(z))
        return x * layer.back(v, shares) + x_ * layer.back(v_, shares)

    return side(w, w_, b, layer.z > 0) + side(w_, w, b_, layer.z < 0)


def box(layer, relevance, low, high):
    """For inputs between `low` and `high`: they count from the end that speaks most against `z`."""
    if low is None or high is None:
        raise ValueError("The rule of the first convolution needs `low=` and `high=`, the range of what goes into it.")
    low, high = (tf.broadcast_to(tf.cast(end, layer.x.dtype), tf.shape(layer.x)) for end in (low, high))
    w, w_ = _parts(layer.weights)
    terms = [(layer.x, layer.weights), (-low, w), (-high, w_)]
    shares = _share(relevance, tf.add_n([layer.forward(x, v) for x, v in terms]))
    return tf.add_n([x * layer.back(v, shares) for x, v in terms])


def flat(layer, relevance):
    """All inputs alike."""
    ones = tf.ones_like(layer.weights)
    return layer.back(ones, _share(relevance, layer.forward(tf.ones_like(layer.x), ones)))


class Relevance:
    """The rule of every operation on the way of a score.

    Args:
        way: The way from the explained inputs to the score.
        rule: Function of an `Affine` layer and the relevance of its result to that of its input.
    """

    def __init__(self, way, rule):
        self.way, self.rule = way, rule
        self._layers = {layer.op: layer for layer in _affine_layers(way)}

    def __call__(self, op, *arrived):
        if op in self._layers:
            layer = self._layers[op]
            return [self.rule(layer, arrived[0]) if i == layer.place else None for i in range(len(op.inputs))]
        if op.type not in _RULES:
            raise rules.missing("lrp", op)
        live = [i for i, tensor in enumerate(op.inputs) if tensor in self.way]
        return _RULES[op.type](op, live, *arrived)


def _affine_layers(way):
    """All weighted operations on the way whose weights do not depend on what is explained."""
    consumers, behind = {}, set()
    for op in way.operations:
        for tensor in op.inputs:
            consumers.setdefault(tensor.ref(), []).append(op)
    for op in way.operations:
        is_behind = any(tensor.ref() in behind for tensor in op.inputs)
        if op.type in CONVOLUTIONS | PRODUCTS and rules.alone(way, op):
            yield Affine(op, way, consumers, not is_behind)
            is_behind = True
        behind.update(tensor.ref() for tensor in op.outputs if is_behind)


def _place(op, live, results):
    """What goes on to the inputs that depend on what is explained; nothing to the others."""
    results = dict(zip(live, results, strict=True))
    return [unbroadcast(results[i], tensor) if i in results else None for i, tensor in enumerate(op.inputs)]


def _pass(op, live, arrived, *others):
    """Activations, scales and shifts hand on what they get; a quotient to its numerator."""
    return _place(op, live[:1], [arrived])


def _structure(op, live, *arrived):
    """Values that are only moved, chosen or left out take their relevance along."""
    return rules.gradient(op, *arrived)


def _sum(op, live, arrived):
    """In proportion to what each term brings."""
    if len(live) == 1:
        return _pass(op, live, arrived)
    signs = [-1 if op.type == "Sub" and i == 1 else 1 for i in live]
    shares = _share(arrived, op.outputs[0])
    return _place(op, live, [sign * op.inputs[i] * shares for i, sign in zip(live, signs, strict=True)])


def _mean(op, live, arrived):
    """In proportion to what each summand brings."""
    slopes = rules.gradient(op, _share(arrived, op.outputs[0]))
    return [tensor * slopes[i] if i in live else None for i, tensor in enumerate(op.inputs)]


def _factors(op, live, arrived):
    """Half to each factor, as in AttnLRP; nothing to a factor that only normalises, and all to the other."""
    if len(live) == 1:
        return _pass(op, live, arrived)
    heirs = [i for i in live if not _normalises(op.inputs[i])] or live
    return _place(op, heirs, [arrived / len(heirs)] * len(heirs))


def _normalises(tensor):
    return tensor.op.type in ("Rsqrt", "Reciprocal") or (
        tensor.op.type == "Mul" and any(factor.op.type == "Rsqrt" for factor in tensor.op.inputs)
    )


def _product(op, live, arrived):
    """Of two matrices that both depend on what is explained: half to each, in proportion to the terms."""
    slopes = rules.gradient(op, _share(arrived, op.outputs[0]) / 2)
    return [tensor * slope for tensor, slope in zip(op.inputs, slopes, strict=True)]


def _softmax(op, live, arrived):
    """First-order Taylor, as in AttnLRP."""
    x, p = op.inputs[0], op.outputs[0]
    return [x * (arrived - p * tf.reduce_sum(arrived, -1, keepdims=True))]


_TABLE = [
    (operations.SMOOTH | operations.KINKED | names("Neg Cast RealDiv"), _pass),
    (operations.PASSES, lambda op, live, *arrived: arrived),  # each output is its own input
    (operations.SUMS, _sum),
    (operations.MEANS, _mean),
    (names("Mul"), _factors),
    (PRODUCTS, _product),
    (names("Softmax"), _softmax),
    (operations.MOVES | names("Max Min MaxPool MaxPool3D Maximum Minimum SelectV2"), _structure),
]
_RULES = {name: rule for types, rule in _TABLE for name in types}
