"""Secant rules: multipliers with which the differences between two runs of a score add up exactly.

Every operation of the run on the inputs has its partner in the run on the references. A rule gives multipliers `m` with

    sum m_i * (x_i - r_i) = sum g_k * (y_k - s_k)

for its inputs x, its outputs y, and the partner's inputs r and outputs s.
"""

import tensorflow as tf

from tf_xai.core import conditions, operations, rules
from tf_xai.core.operations import names
from tf_xai.core.pairs import less, number, secant, tiny
from tf_xai.core.rules import unbroadcast


def _linear(pairs, op, *arrived):
    """The gradient: of indices that depend on what is explained there is none, and they would be lost."""
    results = rules.gradient(op, *arrived)
    if any(tensor in pairs.way and result is None for tensor, result in zip(op.inputs, results, strict=True)):
        raise rules.missing(pairs.method, op)
    return results


def _call(pairs, op, *arrived):
    """A function of its own, as Keras compiles grouped convolutions: its gradient, if it is linear throughout."""
    body = rules.body(op)
    leaves = [inner for outer, inner in zip(op.inputs, body.inputs, strict=True) if outer in pairs.way]
    if not all(_is_linear(rules.Way(output, leaves)) for output in body.outputs):
        raise rules.missing(pairs.method, op)
    return rules.gradient(op, *arrived)


def _is_linear(way):
    def linear(op):
        return op.type in operations.LINEAR or (op.type in operations.BILINEAR and rules.alone(way, op))

    return all(linear(op) for op in way.operations)


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
    """Of one variable, the secant; where it would lose digits, the slope half way, which is then as good.

    The variable is the first input, or the second, as in `2 ** x`; other inputs are constants.
    """
    live = [tensor in pairs.way for tensor in op.inputs]
    if sum(live) > 1:
        raise rules.missing(pairs.method, op)
    place = live.index(True)
    x = op.inputs[place]
    # A constant may have more axes than x: every element of the result needs a slope of its own.
    middle = tf.broadcast_to(pairs.mean(x), tf.shape(op.outputs[0]))
    dx, dy = pairs.difference(x), pairs.difference(op.outputs[0])
    halfway = rules.again(op, [tf.cast(middle, t.dtype) if i == place else t for i, t in enumerate(op.inputs)])
    slope = number(rules.gradient(halfway, tf.ones_like(op.outputs[0]))[place])
    small = tf.abs(dx) <= 1e-3 * tf.minimum(tf.abs(number(middle)), 1)
    results = [None] * len(op.inputs)
    results[place] = unbroadcast(number(arrived) * secant(dy, dx, slope, small), x)
    return results


def _kinked(pairs, op, arrived):
    """The secant; where both runs are at one point, the gradient there, zero for what has none."""
    dx, dy = pairs.difference(op.inputs[0]), pairs.difference(op.outputs[0])
    (slope,) = rules.gradient(op, arrived)
    return [secant(number(arrived) * dy, dx, tf.zeros_like(dx) if slope is None else number(slope), tiny(dx))]


def _quotient(pairs, op, arrived):
    """`x / y - r / s = (x - r) (1/y + 1/s) / 2 - (y - s) (x + r) / (2 y s)`."""
    x, y = op.inputs
    s = pairs.of(y)
    numerator = lambda: unbroadcast(arrived * (1 / y + 1 / s) / 2, x)
    denominator = lambda: unbroadcast(-number(arrived) * number(pairs.mean(x)) / number(y) / number(s), y)
    return [numerator() if x in pairs.way else None, denominator() if y in pairs.way else None]


def _squared_difference(pairs, op, arrived):
    x, y = op.inputs
    slope = number(arrived) * 2 * (number(pairs.mean(x)) - number(pairs.mean(y)))
    return [unbroadcast(slope, x), unbroadcast(-slope, y)]


def _extremum(pairs, op, arrived):
    """`max(x, y) = (x + y + |x - y|) / 2`, and the secant of `|x - y|`."""
    x, y = op.inputs
    gap, other = number(x) - number(y), number(pairs.of(x)) - number(pairs.of(y))
    change = less(gap, other)
    side = secant(less(tf.abs(gap), tf.abs(other)), change, tf.sign(gap + other), tiny(change))
    side, arrived = side if op.type == "Maximum" else -side, number(arrived)
    return [unbroadcast(arrived * (1 + side) / 2, x), unbroadcast(arrived * (1 - side) / 2, y)]


def _pooled_extremum(pairs, op, arrived, *others):
    """The larger of both results credits where it stands: its rise over the other happened there and nowhere else."""
    x, (y, s) = op.inputs[0], (op.outputs[0], pairs.of(op.outputs[0]))
    best = tf.minimum(y, s) if op.type == "Min" else tf.maximum(y, s)
    credit = rules.gradient(op, arrived * less(best, s))[0] + rules.gradient(s.op, arrived * less(y, best))[0]
    # No credit is larger than the change where it stands.
    return [tf.math.divide_no_nan(number(credit), pairs.difference(x))] + [None] * (len(op.inputs) - 1)


def _logarithmic_mean(u, v):
    """`(e^u - e^v) / (u - v)`."""
    du = less(u, v)
    return secant(tf.exp(u) - tf.exp(v), du, tf.exp((u + v) / 2), tf.abs(du) < 1e-3)


def _softmax(pairs, op, arrived):
    """With `u = log p`: `p - q = L (u - v)`, and `u = x - log sum e^x`, where the sum of `p - q` is zero."""
    x = number(op.inputs[0])
    mean = _logarithmic_mean(tf.nn.log_softmax(x), tf.nn.log_softmax(number(pairs.of(op.inputs[0]))))
    share = mean / tf.reduce_sum(mean, -1, keepdims=True)
    shifted = number(arrived) if op.type == "LogSoftmax" else number(arrived) * mean
    return [shifted - share * tf.reduce_sum(shifted, -1, keepdims=True)]


def _sorted(pairs, op, arrived, *others):
    """The mean gradient of both runs, and what it leaves over shared out by the squared differences (Broyden)."""
    x, y = op.inputs[0], op.outputs[0]
    twin = pairs.of(y).op
    slope = number(rules.gradient(op, arrived, *others)[0] + rules.gradient(twin, arrived, *others)[0]) / 2
    dx, total = pairs.difference(x), lambda values: tf.reduce_sum(values, -1, keepdims=True)
    left = total(number(arrived) * pairs.difference(y)) - total(slope * dx)
    return [slope + dx * tf.math.divide_no_nan(left, total(tf.square(dx))), None]


TABLE = [
    (operations.LINEAR, _linear),
    (operations.CALLS, _call),
    (operations.PASSES, _as_it_is),
    (operations.BILINEAR, _bilinear),
    (operations.SMOOTH, _smooth),
    (operations.KINKED, _kinked),
    (names("RealDiv"), _quotient),
    (names("SquaredDifference"), _squared_difference),
    (names("Maximum Minimum"), _extremum),
    (names("Max Min MaxPool MaxPool3D"), _pooled_extremum),
    (names("Softmax LogSoftmax"), _softmax),
    (names("TopKV2"), _sorted),
    (names("SelectV2"), conditions.choice),
    (operations.COMPARISONS, conditions.comparison),
    (names("LogicalAnd LogicalOr"), conditions.both),
    (names("LogicalNot"), conditions.negation),
    (names("Any All"), conditions.quantifier),
    (names("Cast"), conditions.cast),
    (names("IsFinite IsInf IsNan"), conditions.step),
]
