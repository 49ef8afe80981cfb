"""Expected gradients: Shapley values of the Aumann kind over a background set."""

import tensorflow as tf

from tf_xai.core import baselines, checks, random, trees
from tf_xai.core.gradients import gradients
from tf_xai.core.score import resolve
from tf_xai.core.variants import sum_variants


def expected_gradients(score, inputs, target=None, *, background=None, samples=32, seed=0, chunk=None):
    """Averages integrated gradients over baselines drawn from a background set.

        a_i = E_{r ~ background, t ~ U(0, 1)} (x_i - r_i) * d score(r + t (x - r)) / d x_i

    The draws are the same for every row, references in equal number and `t` stratified.

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        background: Tree like `inputs` with any number of rows; None takes the other rows of the batch.
        samples: Draws of a reference and a `t`.
        seed: Integer; None draws anew at every call.
        chunk: Draws in one forward pass; None bounds the memory.

    Returns: Tree like `inputs`, same shapes, float32; units: score.
    Raises: TypeError for integer inputs; ValueError for a background of another structure, or a batch of one row
        without a background.
    Properties: completeness in expectation, `sum a = score(x) - E score(r)`; exact on linear models once every
        reference is drawn equally often. Differentiable. Cost: `samples` forward and backward passes.

    >>> import tensorflow as tf
    >>> x, background = tf.constant([[2.0, 3.0]]), tf.constant([[0.0, 0.0], [2.0, 2.0]])
    >>> expected_gradients(lambda x, target: x[:, 0] + 2 * x[:, 1], x, background=background).numpy().tolist()
    [[1.0, 4.0]]

    Reference: Erion et al., 2021, https://arxiv.org/abs/1906.10670
    """
    checks.positive("samples", samples)
    target = resolve(score, inputs, target)
    reference = _from_batch(inputs, seed) if background is None else _from_background(background, inputs, samples, seed)
    shuffle = random.permutation(random.fold(seed, 1), samples)
    jitter = random.uniform(random.fold(seed, 2), (samples,))
    times = (tf.cast(shuffle, tf.float32) + jitter) / samples

    def draw(k):
        start = reference(k)
        delta = trees.map_leaves(lambda x, r: x[None] - r if trees.is_float(x) else trees.zeros_like(r), inputs, start)
        t = tf.gather(times, k)
        between = lambda d, r: trees.align(tf.cast(t, d.dtype), d.shape.rank) * d + r if trees.is_float(r) else r
        return trees.map_leaves(between, delta, start), delta

    def contribution(drawn, target):
        point, delta = drawn
        return trees.multiply(delta, gradients(score, point, target))

    return sum_variants(contribution, draw, tf.fill([samples], 1 / samples), inputs, target, chunk)


def _from_background(background, inputs, samples, seed):
    """References in random order, each as often as any other."""
    references, count = baselines.references(background, inputs), trees.batch_size(background)
    order = tf.gather(random.permutation(seed, count), tf.range(samples) % count)
    return lambda k: references(tf.gather(order, k))


def _from_batch(inputs, seed):
    """Draw `k` takes for every row the row `1 + k mod (batch - 1)` places further on."""
    batch = trees.batch_size(inputs)
    alone = (
        "`expected_gradients` without a background takes the other rows of the batch, and this batch has one row. "
        "Pass `background=`, rows of the training data."
    )
    if isinstance(batch, int) and batch == 1:
        raise ValueError(alone)
    # Where the size is known at run time only, TensorFlow raises an InvalidArgumentError with the same words.
    tf.debugging.assert_greater(batch, 1, message=alone)

    def reference(k):
        shift = 1 + k % tf.maximum(batch - 1, 1)
        rows = (tf.range(batch)[None, :] + shift[:, None]) % batch
        other = lambda x: tf.gather(x, rows) if trees.is_float(x) else trees.repeat(x, tf.shape(k)[0])
        return trees.map_leaves(other, inputs)

    return reference
