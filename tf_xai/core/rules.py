"""Backward rules: a walk back through the operations of a score, with a rule for each in place of its gradient.

The operations are read from the graph, so that any model is served: nested, subclassed, with operations outside layers.
TensorFlow's registry of gradients is read, never written. What the rules build are ordinary operations, and can be
differentiated.
"""

import tensorflow as tf
from tensorflow.python.framework.ops import get_gradient_function

from tf_xai.core import checks, trees
from tf_xai.core.capture import unrolled
from tf_xai.core.gradients import fill, floats
from tf_xai.core.operations import CALLS, RECTIFIERS, VALUELESS
from tf_xai.core.score import resolve
from tf_xai.core.tracing import trace


def in_graph(function, *arguments):
    """Calls a function of trees where there is a graph to read: in the one around it, or in one of its own."""
    return function(*arguments) if tf.inside_function() else trace(function)(*arguments)


def observe(score, inputs, target):
    """The score of a batch, `(batch,)`, and the tensors that stand for its floating inputs in the graph."""
    marked = trees.map_leaves(tf.identity, inputs)
    try:
        with unrolled(getattr(score, "model", None)):
            return score(marked, target), floats(marked)
    except ValueError as error:
        if "unroll" not in str(error):
            raise
        raise NoRule(
            "Recurrent layers are unrolled for rules, which takes a fixed number of time steps. Received: inputs of "
            f"shape {checks.shapes(inputs)}. Pad them alike, or use 'integrated_gradients', which needs none."
        ) from error


class Way:
    """The operations between leaves and an output: those through which the output depends on the leaves."""

    def __init__(self, output, leaves):
        self.output, self.leaves = output, leaves
        self._live = {leaf.ref() for leaf in leaves}
        self.operations = [op for op in _ancestors(output, self._live) if self._passes(op)]

    def _passes(self, op):
        """Whether an operation is on the way; its outputs are then, too. Operations come in order of their creation."""
        passes = op.type not in VALUELESS and any(tensor.ref() in self._live for tensor in op.inputs)
        self._live.update(tensor.ref() for tensor in op.outputs if passes)
        return passes

    def __contains__(self, tensor):
        return tensor.ref() in self._live

    def back(self, rule, start=None):
        """Walks back from the output: what `rule` makes of it, for every leaf; None where no operation leads to it.

        Args:
            rule: Function of an operation and what came back to each of its outputs, to what goes on to its inputs.
            start: What the walk begins with, shaped like the output; ones where None.
        """
        carried = {self.output.ref(): tf.ones_like(self.output) if start is None else start}
        for op in reversed(self.operations):
            arrived = [carried.pop(tensor.ref(), None) for tensor in op.outputs]
            if all(value is None for value in arrived):
                continue
            for tensor, value in zip(op.inputs, rule(op, *arrived), strict=True):
                if value is not None and tensor in self:
                    key, value = tensor.ref(), tf.cast(value, tensor.dtype if tensor.dtype.is_floating else tf.float32)
                    carried[key] = carried[key] + value if key in carried else value
        return [carried.get(leaf.ref()) for leaf in self.leaves]


def _ancestors(output, ends):
    """The operations that lead to a tensor, up to where it begins, in order of their creation."""
    found, stack = set(), [output]
    while stack:
        tensor = stack.pop()
        if tensor.ref() not in ends and tensor.op not in found:
            found.add(tensor.op)
            stack.extend(tensor.op.inputs)
    return [op for op in output.graph.get_operations() if op in found]


def gradient(op, *arrived):
    """The rule that every operation has in TensorFlow: its gradient."""
    function = get_gradient_function(op)
    if function is None:
        return [None] * len(op.inputs)
    whole = [tf.zeros_like(t) if value is None else value for t, value in zip(op.outputs, arrived, strict=True)]
    results = function(op, *whole)
    return list(results) if isinstance(results, (list, tuple)) else [results]


def alone(way, op):
    """Whether only one input depends on what is explained."""
    return sum(tensor in way for tensor in op.inputs) == 1


def again(op, inputs):
    """The same operation on other inputs."""
    definition = op.op_def
    counted = {name for arg in definition.input_arg for name in (arg.type_attr, arg.number_attr, arg.type_list_attr)}
    options = {attr.name: op.get_attr(attr.name) for attr in definition.attr if attr.name not in counted}
    inputs, arguments = iter(inputs), {}
    for arg in definition.input_arg:
        count = op.get_attr(arg.number_attr) if arg.number_attr else None
        arguments[arg.name] = next(inputs) if count is None else [next(inputs) for _ in range(count)]
    result = getattr(tf.raw_ops, op.type)(**arguments, **options)
    return (result[0] if isinstance(result, (list, tuple)) else result).op


def body(op):
    """The graph of the function that an operation calls."""
    return op.graph._get_function(op.get_attr("f").name).graph


def unbroadcast(values, like):
    """Sums what came back over the axes along which an input was broadcast."""
    axes, _ = tf.raw_ops.BroadcastGradientArgs(s0=tf.shape(like), s1=tf.shape(values))
    return tf.reshape(tf.reduce_sum(values, axes), tf.shape(like))


def through_rectifiers(method, rule, score, inputs, target):
    """Gradients in which `rule(op, arrived)` stands in for those of ReLU and its like."""

    def step(op, *arrived):
        if op.type in CALLS and any(inner.type in RECTIFIERS for inner in body(op).get_operations()):
            raise missing(method, op)
        return [rule(op, *arrived)] if op.type in RECTIFIERS else gradient(op, *arrived)

    def explain(inputs, target):
        way = Way(*observe(score, inputs, resolve(score, inputs, target)))
        if not any(op.type in RECTIFIERS for op in way.operations):
            raise ValueError(
                f"`{method}` changes the gradient of ReLU and its like, and the model has none. Use 'gradient', or "
                "'integrated_gradients'."
            )
        return fill(way.back(step), inputs)

    return in_graph(explain, inputs, target)


class NoRule(ValueError):
    """A method has no rule for an operation of the model."""


def missing(method, op):
    """The error of an operation without a rule: names it, and the layer that it is in."""
    layer = "/".join(op.name.split("/")[:-1]) or "the score itself"
    remedy = (
        "Give the input a fixed number of time steps, so that the loop can be unrolled"
        if "While" in op.type
        else "Replace it by operations that have a rule"
    )
    return NoRule(
        f"`{method}` has no rule for the operation {op.type!r} in {layer!r}. {remedy}, or use 'integrated_gradients', "
        "which needs none."
    )
