"""The walk back through the operations of a score."""

import numpy as np
import pytest
import tensorflow as tf

from tf_xai.core import rules


def _draw(rng, *shape):
    return tf.constant(rng.normal(size=shape), tf.float32)


REPEATED = {
    "a list": (lambda x: tf.add_n([x[0], x[1], x[0]]), lambda x: [x[0] + 1, x[1] + 1, x[0] + 1]),
    "a list and an attribute": (lambda x: tf.einsum("nij,njk->nki", *x), lambda x: [v + 1 for v in x]),
    "a list and a number": (lambda x: tf.raw_ops.ConcatV2(values=x, axis=2), lambda x: [x[0] + 1, x[1] + 1, 2]),
    "attributes": (
        lambda x: tf.nn.conv2d(x[0][..., None], x[1][:, :, None], [1, 2], "SAME"),
        lambda x: [x[0][..., None] + 1, x[1][:, :, None] + 1],
    ),
    "flags": (lambda x: tf.linalg.matmul(*x, transpose_a=True), lambda x: [v + 1 for v in x]),
    "several results": (lambda x: tf.math.top_k(x[0], 2)[0], lambda x: [x[0] + 1, 2]),
}


@pytest.mark.parametrize("case", REPEATED)
def test_the_same_operation_on_other_inputs(case, rng):
    call, shifted = REPEATED[case]

    def both(x):
        op = call(x).op
        other = rules.again(op, shifted(x))
        assert (other.type, other is op) == (op.type, False)
        return other.outputs[0], call([v + 1 for v in x])

    result, expected = rules.in_graph(both, [_draw(rng, 3, 3, 3), _draw(rng, 3, 3, 3)])
    np.testing.assert_array_equal(result, expected)


def _types(operations):
    return [op.type for op in operations]


def test_a_way_has_what_the_output_depends_on_and_nothing_else():
    def look(x):
        leaf = tf.identity(x)
        constant = tf.exp(tf.ones([3]))
        unused = tf.sin(leaf)
        sized = leaf * tf.cast(tf.shape(leaf)[0], tf.float32)
        output = tf.reduce_sum(tf.tanh(sized) + constant)
        way = rules.Way(output, [leaf])
        assert _types(way.operations) == ["Mul", "Tanh", "AddV2", "Sum"]
        assert [tensor in way for tensor in (leaf, sized, output, constant, unused, x)] == [True] * 3 + [False] * 3
        return output

    rules.in_graph(look, tf.zeros(3))


def test_walking_back_by_gradients_gives_the_gradient(rng):
    def function(x, y):
        parts = tf.split(tf.tanh(x) * y, 2, axis=1)
        return tf.reduce_sum(parts[0] ** 2 * tf.stop_gradient(y[:, :1]), axis=1) + tf.reduce_max(x, axis=1)

    def walk(x, y):
        x, y, other = tf.identity(x), tf.identity(y), tf.identity(y)
        way = rules.Way(function(x, y), [x, y, other])
        slopes = way.back(rules.gradient)
        assert slopes.pop() is None
        scaled = way.back(rules.gradient, start=2 * tf.ones_like(way.output))
        return slopes, scaled[:2], tf.gradients(way.output, [x, y])

    slopes, scaled, expected = rules.in_graph(walk, _draw(rng, 3, 4), _draw(rng, 3, 4))
    for slope, twice, exact in zip(slopes, scaled, expected, strict=True):
        np.testing.assert_allclose(slope, exact, rtol=1e-6)
        np.testing.assert_allclose(twice, 2 * exact, rtol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 4), (1, 4), (2, 1, 4), (1,), ()])
def test_what_was_broadcast_is_summed(shape, rng):
    values = _draw(rng, 2, 3, 4)
    with tf.GradientTape() as tape:
        like = tf.ones(shape)
        tape.watch(like)
        total = tf.reduce_sum(like * values)
    np.testing.assert_allclose(rules.unbroadcast(values, like), tape.gradient(total, like), rtol=1e-5, atol=1e-6)


def test_only_one_input_depends_on_what_is_explained():
    def look(x):
        leaf = tf.identity(x)
        ways = [leaf * 2.0, leaf * tf.sin(leaf), leaf * leaf]
        way = rules.Way(tf.add_n(ways), [leaf])
        return [tf.constant(rules.alone(way, tensor.op)) for tensor in ways]

    np.testing.assert_array_equal(rules.in_graph(look, tf.ones(2)), [True, False, False])


def test_an_error_names_the_operation_its_layer_and_the_remedy():
    with tf.Graph().as_default():
        with tf.name_scope("model"), tf.name_scope("layer"):
            inside = tf.math.lgamma(tf.ones(2))
        outside = tf.math.lgamma(tf.ones(2), name="alone")
        loop = tf.while_loop(lambda i: i < 3, lambda i: i + 1, [0])[0]
    say = lambda tensor: str(rules.missing("deep_lift", tensor.op))
    assert say(inside).startswith("`deep_lift` has no rule for the operation 'Lgamma' in 'model/layer'. Replace it")
    assert "'Lgamma' in 'the score itself'" in say(outside)
    assert "fixed number of time steps" in str(rules.missing("lrp", _loop_of(loop)))


def _loop_of(tensor):
    """The operation that runs the loop: its results come out of identities."""
    return tensor.op if "While" in tensor.op.type else _loop_of(tensor.op.inputs[0])
