"""Second-order gradients: what a loss on attributions does to a weight, exactly and by differences."""

import tensorflow as tf


def along(loss, weight, direction):
    """The derivative of `loss()` along a direction of a weight, and a function of a step to its central difference."""
    with tf.GradientTape() as tape:
        value = loss()
    exact = tf.reduce_sum(tape.gradient(value, weight.value) * direction)
    start = tf.identity(weight.value)

    def moved(step):
        weight.assign(start + step * direction)
        return loss()

    def difference(step):
        slope = (moved(step) - moved(-step)) / (2 * step)
        weight.assign(start)
        return slope

    return exact, difference
