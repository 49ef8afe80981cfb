"""SmoothGrad, SmoothGrad-squared and VarGrad."""

import tensorflow as tf

from tf_xai.core import checks, random, trees
from tf_xai.core.gradients import gradients
from tf_xai.core.score import resolve
from tf_xai.core.variants import sum_variants

FORMS = {
    "mean": lambda mean, square: mean,
    "square": lambda mean, square: square,
    "variance": lambda mean, square: trees.map_leaves(lambda m, s: tf.maximum(s - tf.square(m), 0.0), mean, square),
}


def smooth_grad(score, inputs, target=None, *, samples=32, noise=0.15, form="mean", seed=0, chunk=None):
    """Averages the gradient over Gaussian noise around the input.

        a_i = E_e g_i(x + s e)  |  E_e g_i(x + s e)^2  |  Var_e g_i(x + s e),   g = d score / d x,  e ~ N(0, I)

    Args:
        score: Callable `(inputs, target) -> (batch,)`.
        inputs: Tensor or nested tensors, each `(batch, ...)`.
        target: `(batch,)` integer classes, weights of the outputs, or None.
        samples: Draws of the noise, the same for every row.
        noise: Its standard deviation `s`, as a share of every row's range (largest less least value).
        form: "mean", "square" or "variance".
        seed: Integer; None draws anew at every call.
        chunk: Draws in one forward pass; None bounds the memory.

    Returns: Tree like `inputs`, same shapes, float32; units: score per input unit, or their square.
    Raises: TypeError for integer inputs.
    Properties: the gradient itself on linear models. Differentiable. Cost: `samples` forward and backward passes.

    >>> import tensorflow as tf
    >>> smooth_grad(lambda x, target: x[:, 0] + 2 * x[:, 1], tf.constant([[2.0, 3.0]])).numpy().round(4).tolist()
    [[1.0, 2.0]]

    Reference: Smilkov et al., 2017, https://arxiv.org/abs/1706.03825; variance: Adebayo et al., 2018,
    https://arxiv.org/abs/1810.03307
    """
    checks.positive("samples", samples)
    form = checks.choose("form", form, FORMS)
    target = resolve(score, inputs, target)
    seed = random.key(seed)

    def noisy(x, k, number):
        if not trees.is_float(x):
            return trees.repeat(x, tf.shape(k)[0])
        axes = list(range(1, x.shape.rank))
        scale = noise * (tf.reduce_max(x, axes, keepdims=True) - tf.reduce_min(x, axes, keepdims=True))
        draws = random.normals(random.fold(seed, number), k, tf.shape(x)[1:])
        return x + scale * tf.cast(draws, x.dtype)[:, None]

    def variant(k):
        return trees.pack(inputs, [noisy(x, k, number) for number, x in enumerate(trees.leaves(inputs))])

    def moments(points, target):
        slope = gradients(score, points, target)
        return slope, trees.square(slope)

    weights = tf.fill([samples], 1 / samples)
    mean, square = sum_variants(moments, variant, weights, inputs, target, chunk, like=(inputs, inputs))
    return form(mean, square)
