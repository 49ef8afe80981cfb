"""Two runs of a score in one graph, operation beside operation."""

import tensorflow as tf

from tf_xai.core import rules


def secant(dy, dx, slope, small):
    """`dy / dx`, or the slope where `dx` is too small to divide by."""
    return tf.where(small, slope, tf.math.divide_no_nan(dy, dx))


def less(x, y):
    """`x - y`; zero, not undefined, for one infinity less the same."""
    return tf.where(x == y, tf.zeros_like(x), x - y)


def tiny(dx):
    return tf.abs(dx) < 1e-6


def number(tensor):
    """What rules calculate with: numbers also for booleans, and enough digits for half precision."""
    return tensor if tensor.dtype in (tf.float32, tf.float64) else tf.cast(tensor, tf.float32)


class Pairs:
    """The rule of every operation on the way from the explained inputs to the score, given their partners.

    Args:
        way: The way through the run on the inputs.
        other: The way through the run on the references.
        table: Pairs of operations' names and a rule `(pairs, op, *arrived)`.
        method: The method's name, for errors.
    """

    def __init__(self, way, other, table, method):
        self.way, self.method = way, method
        self._rules = {name: rule for names, rule in table for name in names}
        self.partner = _pair(way, other)

    def __call__(self, op, *arrived):
        if op.type not in self._rules:
            raise rules.missing(self.method, op)
        return self._rules[op.type](self, op, *arrived)

    def of(self, tensor):
        """The tensor of the other run, which may be the same one."""
        return self.partner.get(tensor.ref(), tensor)

    def difference(self, tensor):
        return less(number(tensor), number(self.of(tensor)))

    def mean(self, tensor):
        """The mean of both runs; of what is the same in both, the tensor itself."""
        if tensor not in self.way:
            return tensor
        return (number(tensor) + number(self.of(tensor))) / 2


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
