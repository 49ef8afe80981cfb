"""Secant rules: multipliers with which the differences between two runs of a score add up exactly.

Every operation of the run on the inputs has its partner in the run on the references. A rule gives multipliers `m` with

    sum m_i * (x_i - r_i) = sum g_k * (y_k - s_k)

for its inputs x, its outputs y, and the partner's inputs r and outputs s.
"""

import tensorflow as tf

from tf_xai.core import rules
from tf_xai.core.rules import unbroadcast


def _names(text):
    return frozenset(text.split())


# Linear in all inputs that can depend on the explained ones: the gradient is the rule.
LINEAR = _names(
    "Add AddV2 AddN Sub Neg Identity BiasAdd Mean Sum Cumsum Reshape Transpose ConjugateTranspose ConcatV2 Split "
    "SplitV Pack Unpack Slice StridedSlice Squeeze ExpandDims Pad PadV2 MirrorPad Tile BroadcastTo ReverseV2 "
    "EnsureShape Gather GatherV2 GatherNd ResourceGather Roll AvgPool AvgPool3D ResizeNearestNeighbor ResizeBilinear "
    "ResizeBicubic SpaceToBatchND BatchToSpaceND SpaceToDepth DepthToSpace MatrixDiagV3 MatrixBandPart Real Imag RFFT "
    "TensorScatterUpdate TensorScatterAdd ScatterNd UnsortedSegmentSum ExtractImagePatches Diag DiagPart Fill "
    "ResizeNearestNeighborGrad ResizeBilinearGrad ComplexAbsGrad CheckNumerics PreventGradient"
)

# Linear in each of several inputs.
BILINEAR = _names(
    "Mul MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 Einsum Conv2D Conv3D DepthwiseConv2dNative "
    "Conv2DBackpropInput Conv3DBackpropInputV2"
)

# Of one variable, smooth; and with kinks or jumps.
SMOOTH = _names(
    "Tanh Sigmoid Softplus Erf Erfc Exp Expm1 Log Log1p Sqrt Rsqrt Square Reciprocal Inv Pow Sin Cos Tan Sinh Cosh "
    "Asinh Atan Softsign"
)
KINKED = _names("Relu Relu6 Elu Selu LeakyRelu Abs Sign Floor Ceil Round Rint")

COMPARISONS = _names("Greater GreaterEqual Less LessEqual Equal NotEqual")


def secant(dy, dx, slope, small):
    """`dy / dx`, or the slope where `dx` is too small to divide by."""
    return tf.where(small, slope, dy / tf.where(small, tf.ones_like(dx), dx))


def _tiny(dx):
    return tf.abs(dx) < 1e-6


def _float(tensor):
    """What rules calculate with: numbers also for booleans, and enough digits for half precision."""
    return tensor if tensor.dtype in (tf.float32, tf.float64) else tf.cast(tensor, tf.float32)


class Pairs:
    """The rule of every operation on the way from the explained inputs to the score, given their partners.

    Args:
        way: The way through the run on the inputs.
        other: The way through the run on the references.
        method: The method's name, for errors.
    """

    def __init__(self, way, other, method):
        self.way, self.method = way, method
        self.partner = _pair(way, other)

    def __call__(self, op, *arrived):
        for names, rule in _RULES:
            if op.type in names:
                return rule(self, op, *arrived)
        raise rules.missing(self.method, op)

    def of(self, tensor):
        """The tensor of the other run, which may be the same one."""
        return self.partner.get(tensor.ref(), tensor)

    def difference(self, tensor):
        return _float(tensor) - _float(self.of(tensor))

    def mean(self, tensor):
        """The mean of both runs; of what is the same in both, the tensor itself."""
        if tensor not in self.way:
            return tensor
        return (_float(tensor) + _float(self.of(tensor))) / 2


def _pair(way, other):
    """The partners of all tensors on the way, by their refs: found side by side, from the outputs back."""
    partner = {leaf.ref(): match for leaf, match in zip(way.leaves, other.leaves, strict=True)}
    stack = [(way.output, other.output)]
    while stack:
        tensor, match = stack.pop()
        if tensor.ref() in partner or tensor not in way:
            continue
        if tensor.op.type != match.op.type:
            raise ValueError(
                f"The model takes another way through its references than through its inputs: {tensor.op.name!r} is "
                f"{tensor.op.type!r}, {match.op.name!r} is {match.op.type!r}. Make the model a pure function."
            )
        for output, twin in zip(tensor.op.outputs, match.op.outputs, strict=True):
            partner[output.ref()] = twin
        stack.extend(zip(tensor.op.inputs, match.op.inputs, strict=True))
    return partner


def _linear(pairs, op, *arrived):
    return rules.gradient(op, *arrived)


def _call(pairs, op, *arrived):
    """A function of its own, as Keras compiles grouped convolutions: its gradient, if it is linear throughout."""
    body = op.graph._get_function(op.get_attr("f").name).graph
    leaves = [inner for outer, inner in zip(op.inputs, body.inputs, strict=True) if outer in pairs.way]
    ways = [rules.Way(output, leaves) for output in body.outputs]
    for way, inner in ((way, inner) for way in ways for inner in way.operations):
        if inner.type not in LINEAR and not (inner.type in BILINEAR and rules.alone(way, inner)):
            raise rules.missing(pairs.method, op)
    return rules.gradient(op, *arrived)


def _as_it_is(pairs, op, *arrived):
    """Identities, also those with a gradient of their own and those that stop it: the value passes, so do multipliers.

    `IdentityN` hands every output its own input.
    """
    return list(arrived)


def _bilinear(pairs, op, arrived):
    """`xy - rs = (x - r) (y + s) / 2 + (y - s) (x + r) / 2`."""
    if rules.alone(pairs.way, op):
        return rules.gradient(op, arrived)
    means = [tf.cast(pairs.mean(tensor), tensor.dtype) for tensor in op.inputs]
    return rules.gradient(rules.again(op, means), arrived)


def _smooth(pairs, op, arrived):
    """The secant; where it would lose digits, the slope half way, which is then as good."""
    return _of_one(pairs, op, arrived, lambda dx, middle: tf.abs(dx) < 1e-3 * tf.clip_by_value(tf.abs(middle), 1e-3, 1))


def _kinked(pairs, op, arrived):
    return _of_one(pairs, op, arrived, lambda dx, middle: _tiny(dx))


def _of_one(pairs, op, arrived, small):
    """A function of one variable, its first input (or second, as in `2 ** x`); other inputs are constants."""
    live = [tensor in pairs.way for tensor in op.inputs]
    if sum(live) > 1:
        raise rules.missing(pairs.method, op)
    place = live.index(True)
    x = op.inputs[place]
    middle = pairs.mean(x)
    dx, dy = pairs.difference(x), pairs.difference(op.outputs[0])
    halfway = rules.again(op, [tf.cast(middle, t.dtype) if i == place else t for i, t in enumerate(op.inputs)])
    slope = rules.gradient(halfway, tf.ones_like(op.outputs[0]))[place]
    # A constant may have been broadcast against x; x against a constant has been only where their shapes say so.
    multiplier = secant(dy, dx, tf.zeros_like(dy) if slope is None else _float(slope), small(dx, middle))
    results = [None] * len(op.inputs)
    results[place] = unbroadcast(_float(arrived) * multiplier, x)
    return results


def _quotient(pairs, op, arrived):
    """`x / y - r / s = (x - r) (1/y + 1/s) / 2 - (y - s) (x + r) / (2 y s)`."""
    x, y = op.inputs
    s = pairs.of(y)
    numerator = lambda: unbroadcast(arrived * (1 / y + 1 / s) / 2, x)
    denominator = lambda: unbroadcast(-_float(arrived) * _float(pairs.mean(x)) / _float(y * s), y)
    return [numerator() if x in pairs.way else None, denominator() if y in pairs.way else None]


def _squared_difference(pairs, op, arrived):
    x, y = op.inputs
    slope = _float(arrived) * 2 * (_float(pairs.mean(x)) - _float(pairs.mean(y)))
    return [unbroadcast(slope, x), unbroadcast(-slope, y)]


def _extremum(pairs, op, arrived):
    """`max(x, y) = (x + y + |x - y|) / 2`, and the secant of `|x - y|`."""
    x, y = op.inputs
    gap, other = _float(x) - _float(y), _float(pairs.of(x)) - _float(pairs.of(y))
    change = gap - other
    side = secant(tf.abs(gap) - tf.abs(other), change, tf.sign(gap + other), _tiny(change))
    side, arrived = side if op.type == "Maximum" else -side, _float(arrived)
    return [unbroadcast(arrived * (1 + side) / 2, x), unbroadcast(arrived * (1 - side) / 2, y)]


def _pooled_extremum(pairs, op, arrived, *others):
    """The larger of both results credits where it stands: its rise over the other happened there and nowhere else."""
    x, (y, s) = op.inputs[0], (op.outputs[0], pairs.of(op.outputs[0]))
    best = tf.minimum(y, s) if op.type == "Min" else tf.maximum(y, s)
    credit = rules.gradient(op, arrived * (best - s))[0] + rules.gradient(s.op, arrived * (y - best))[0]
    dx = x - pairs.of(x)
    return [secant(credit, dx, tf.zeros_like(dx), _tiny(dx))] + [None] * (len(op.inputs) - 1)


def _logarithmic_mean(u, v):
    """`(e^u - e^v) / (u - v)`."""
    du = u - v
    return secant(tf.exp(u) - tf.exp(v), du, tf.exp((u + v) / 2), tf.abs(du) < 1e-3)


def _softmax(pairs, op, arrived):
    """With `u = log p`: `p - q = L (u - v)`, and `u = x - log sum e^x`, where the sum of `p - q` is zero."""
    x = _float(op.inputs[0])
    mean = _logarithmic_mean(tf.nn.log_softmax(x), tf.nn.log_softmax(_float(pairs.of(op.inputs[0]))))
    share = mean / tf.reduce_sum(mean, -1, keepdims=True)
    shifted = _float(arrived) if op.type == "LogSoftmax" else _float(arrived) * mean
    return [shifted - share * tf.reduce_sum(shifted, -1, keepdims=True)]


def _sorted(pairs, op, arrived, *others):
    """The mean gradient of both runs, and what it leaves over shared out by the squared differences (Broyden)."""
    x, y = op.inputs[0], op.outputs[0]
    twin = pairs.of(y).op
    slope = (rules.gradient(op, arrived, *others)[0] + rules.gradient(twin, arrived, *others)[0]) / 2
    dx, total = pairs.difference(x), lambda values: tf.reduce_sum(values, -1, keepdims=True)
    left = total(arrived * pairs.difference(y)) - total(slope * dx)
    return [slope + dx * tf.math.divide_no_nan(left, total(tf.square(dx))), None]


def _choice(pairs, op, arrived):
    """`c x + (1 - c) y`, bilinear in the condition too, a number that is 0 or 1."""
    condition, x, y = op.inputs
    chosen, arrived = _float(pairs.mean(condition)), _float(arrived)
    results = [None, unbroadcast(arrived * chosen, x), unbroadcast(arrived * (1 - chosen), y)]
    if condition in pairs.way:
        results[0] = unbroadcast(arrived * (_float(pairs.mean(x)) - _float(pairs.mean(y))), condition)
    return results


def _comparison(pairs, op, arrived):
    """A step in the difference of its inputs."""
    x, y = op.inputs
    change = pairs.difference(x) - pairs.difference(y)
    jump = secant(pairs.difference(op.outputs[0]), change, tf.zeros_like(change), _tiny(change))
    return [unbroadcast(arrived * jump, x), unbroadcast(-arrived * jump, y)]


def _both(pairs, op, arrived):
    """And: the product of 0 and 1. Or: of what they lack to 1."""
    x, y = (_float(pairs.mean(tensor)) for tensor in op.inputs)
    x, y = (x, y) if op.type == "LogicalAnd" else (1 - x, 1 - y)
    return [unbroadcast(arrived * y, op.inputs[0]), unbroadcast(arrived * x, op.inputs[1])]


def _not(pairs, op, arrived):
    return [-arrived]


def _quantifier(pairs, op, arrived):
    """Where the answer changes, all statements that change have an equal share in it."""
    dx = pairs.difference(op.inputs[0])
    changed = tf.reduce_sum(tf.square(dx), op.inputs[1], keepdims=True)
    change = tf.reshape(arrived * pairs.difference(op.outputs[0]), tf.shape(changed))
    return [tf.math.divide_no_nan(change, changed) * dx, None]


def _cast(pairs, op, arrived):
    """Between floats a cast is linear; to integers and booleans a step; from booleans it gives 0 and 1."""
    x = op.inputs[0]
    if x.dtype.is_floating and op.outputs[0].dtype.is_floating:
        return [tf.cast(arrived, x.dtype)]
    dx = pairs.difference(x)
    jump = secant(pairs.difference(op.outputs[0]), dx, tf.zeros_like(dx), _tiny(dx))
    return [_float(arrived) * jump]


_RULES = [
    (LINEAR, _linear),
    (_names("PartitionedCall StatefulPartitionedCall"), _call),
    (_names("StopGradient IdentityN"), _as_it_is),
    (BILINEAR, _bilinear),
    (SMOOTH, _smooth),
    (KINKED, _kinked),
    (_names("RealDiv"), _quotient),
    (_names("SquaredDifference"), _squared_difference),
    (_names("Maximum Minimum"), _extremum),
    (_names("Max Min MaxPool MaxPool3D"), _pooled_extremum),
    (_names("Softmax LogSoftmax"), _softmax),
    (_names("TopKV2"), _sorted),
    (_names("SelectV2"), _choice),
    (COMPARISONS, _comparison),
    (_names("LogicalAnd LogicalOr"), _both),
    (_names("LogicalNot"), _not),
    (_names("Any All"), _quantifier),
    (_names("Cast"), _cast),
]
