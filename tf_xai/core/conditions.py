"""Secant rules of truth values: of comparisons, and of what is chosen by them. Truth counts as 1, falsehood as 0."""

import numpy as np
import tensorflow as tf

from tf_xai.core import rules
from tf_xai.core.pairs import number, secant, tiny
from tf_xai.core.rules import unbroadcast


def choice(pairs, op, arrived):
    """`c x + (1 - c) y`, bilinear in the condition too, a number that is 0 or 1."""
    condition, x, y = op.inputs
    chosen, arrived = number(pairs.mean(condition)), number(arrived)
    results = [None, unbroadcast(arrived * chosen, x), unbroadcast(arrived * (1 - chosen), y)]
    if condition in pairs.way:
        if any(_has_infinity(tensor) for tensor in (x, y)):
            raise rules.missing(pairs.method, op)
        results[0] = unbroadcast(arrived * (number(pairs.mean(x)) - number(pairs.mean(y))), condition)
    return results


def _has_infinity(tensor):
    """Whether a tensor is a constant that a change of condition would multiply without bounds."""
    value = tf.get_static_value(tensor)
    return value is not None and not np.all(np.isfinite(value))


def comparison(pairs, op, arrived):
    """A step in the difference of its inputs."""
    x, y = op.inputs
    change = pairs.difference(x) - pairs.difference(y)
    jump = secant(pairs.difference(op.outputs[0]), change, tf.zeros_like(change), tiny(change))
    return [unbroadcast(arrived * jump, x), unbroadcast(-arrived * jump, y)]


def both(pairs, op, arrived):
    """And: the product of 0 and 1. Or: of what they lack to 1."""
    x, y = (number(pairs.mean(tensor)) for tensor in op.inputs)
    x, y = (x, y) if op.type == "LogicalAnd" else (1 - x, 1 - y)
    return [unbroadcast(arrived * y, op.inputs[0]), unbroadcast(arrived * x, op.inputs[1])]


def negation(pairs, op, arrived):
    return [-arrived]


def quantifier(pairs, op, arrived):
    """Where the answer changes, all statements that change have an equal share in it."""
    dx = pairs.difference(op.inputs[0])
    changed = tf.reduce_sum(tf.square(dx), op.inputs[1], keepdims=True)
    change = tf.reshape(arrived * pairs.difference(op.outputs[0]), tf.shape(changed))
    return [tf.math.divide_no_nan(change, changed) * dx, None]


def cast(pairs, op, arrived):
    """Between floats a cast is linear; to integers and booleans a step; from booleans it gives 0 and 1."""
    is_linear = op.inputs[0].dtype.is_floating and op.outputs[0].dtype.is_floating
    return [arrived] if is_linear else step(pairs, op, arrived)


def step(pairs, op, arrived):
    """Where the result changes, its change is that of the input."""
    dx = pairs.difference(op.inputs[0])
    jump = secant(pairs.difference(op.outputs[0]), dx, tf.zeros_like(dx), tiny(dx))
    return [number(arrived) * jump]
