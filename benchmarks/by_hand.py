"""The penalties of `tf_xai.losses`, written by hand for one network and one setting each, with nested tapes.

Every function takes the model, one batch and what its setting needs, and returns the mean penalty. They do the same
work as the losses: the same number of neighbours, draws and forward passes. Those of `SHARED` take `own` as well, which
differentiates the outputs of the task's forward pass: `own(score)` is the gradient of `score(logits)` at the inputs.
"""

import tensorflow as tf


def gradient(score, x):
    """d sum(score(x)) / d x."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        total = tf.reduce_sum(score(x))
    return tape.gradient(total, x)


def of_class(logits, y):
    return tf.gather(logits, y, axis=1, batch_dims=1)


def centred(logits, y):
    """The logit of the true class less the mean of all."""
    return of_class(logits, y) - tf.reduce_mean(logits, axis=1)


def flat(x):
    return tf.reshape(x, [tf.shape(x)[0], -1])


def right_reasons(model, x, y, mask, own):
    slope = own(tf.nn.log_softmax)
    return tf.reduce_mean(tf.reduce_sum(flat(tf.square(mask * slope)), axis=1))


def lime_fidelity(model, x, y, mask, samples=60, scale=0.5):
    """Least squares with intercept on shared noise: one QR factorisation."""
    noise = tf.random.normal((samples, x.shape[1]))
    z = tf.reshape(x + scale * noise[:, None], [-1, x.shape[1]])
    values = tf.reshape(of_class(model(z, training=False), tf.tile(y, [samples])), [samples, -1])
    basis, _ = tf.linalg.qr(noise - tf.reduce_mean(noise, axis=0))
    values -= tf.reduce_mean(values, axis=0)
    left = values - tf.matmul(basis, tf.matmul(basis, values, transpose_a=True))
    residual = tf.reduce_sum(tf.square(left), axis=0) / (samples - 1 - x.shape[1])
    return tf.reduce_mean(residual / (tf.reduce_sum(tf.square(values), axis=0) / (samples - 1)))


def lime_stability(model, x, y, mask, samples=60, scale=0.5, radius=0.1):
    noise = scale * tf.random.normal((samples, x.shape[1]))
    move = radius * tf.random.normal((1, x.shape[1]))
    both = tf.concat([noise, noise + move], axis=0)
    z = tf.reshape(x + both[:, None], [-1, x.shape[1]])
    values = tf.reshape(of_class(model(z, training=False), tf.tile(y, [2 * samples])), [2 * samples, -1])
    basis, triangle = tf.linalg.qr(noise - tf.reduce_mean(noise, axis=0))
    slopes = lambda part: tf.linalg.triangular_solve(
        triangle, tf.matmul(basis, part - tf.reduce_mean(part, axis=0), transpose_a=True), lower=False
    )
    here, there = (slopes(part) for part in tf.split(values, 2))
    size = tf.reduce_sum(tf.square(here) + tf.square(there), axis=0) / 2
    return tf.reduce_mean(tf.reduce_sum(tf.square(there - here), axis=0) / size)


def expected_gradients(model, x, y, samples):
    """Against other rows of the batch, with one `t` per draw."""
    count = tf.shape(x)[0]
    rolled = tf.stack([tf.roll(x, k + 1, axis=0) for k in range(samples)])
    t = tf.reshape(tf.random.uniform((samples,)), [samples] + [1] * x.shape.rank)
    delta = x - rolled
    point = tf.reshape(rolled + t * delta, tf.concat([[samples * count], tf.shape(x)[1:]], 0))
    slope = gradient(lambda z: centred(model(z, training=False), tf.tile(y, [samples])), point)
    return tf.reduce_mean(delta * tf.reshape(slope, tf.shape(delta)), axis=0)


def shap_target(model, x, y, mask, samples=4):
    size = tf.reduce_sum(tf.abs(expected_gradients(model, x, y, samples)), axis=0)
    return tf.reduce_sum(tf.square(size / tf.reduce_sum(size) - 1 / x.shape[1]))


def shap_fairness(model, x, y, mask, samples=4):
    size = tf.reduce_sum(tf.abs(expected_gradients(model, x, y, samples)), axis=0)
    return tf.reduce_sum(size[:3]) / tf.reduce_sum(size)


def smooth_prior(model, x, y, mask, samples=1):
    values = expected_gradients(model, x, y, samples)
    down, right = values[:, 1:] - values[:, :-1], values[:, :, 1:] - values[:, :, :-1]
    steps = tf.concat([flat(tf.abs(down)), flat(tf.abs(right))], axis=1)
    return tf.reduce_mean(tf.reduce_mean(steps, axis=1) / (2 * tf.math.reduce_std(flat(values), axis=1)))


def energy_of_grad_cam(model, x, y, mask, layer=2):
    """Grad-CAM of a convolution, cut off from the layers above it, resized to the input."""
    lower, upper = model.layers[: layer + 1], model.layers[layer + 1 :]
    for part in lower:
        x = part(x)

    def score(activations):
        for part in upper:
            activations = part(activations)
        return centred(activations, y)

    weights = tf.reduce_mean(gradient(score, x), axis=[1, 2], keepdims=True)
    maps = tf.image.resize(tf.reduce_sum(weights * x, axis=-1, keepdims=True), mask.shape[1:3])
    positive = tf.nn.relu(maps)
    return tf.reduce_mean(1 - tf.reduce_sum(flat((1 - mask) * positive), 1) / tf.reduce_sum(flat(positive), 1))


def attention_guidance(model, x, y, mask):
    """A model of one embedding and one attention layer: its weights, from the layer itself."""
    embedded = model.layers[1](x)
    _, weights = model.layers[2](embedded, embedded, return_attention_scores=True)
    attended = tf.reduce_mean(weights, axis=[1, 2])
    even = (1 - mask) / tf.reduce_sum(1 - mask, axis=1, keepdims=True)
    return tf.reduce_mean(tf.reduce_sum(tf.math.xlogy(even, even) - even * tf.math.log(attended), axis=1))


def attribution_stability(model, x, y, mask, own, radius=0.1):
    score = lambda logits: centred(logits, y)
    near = x + tf.random.uniform(tf.shape(x), -radius, radius)
    here, there = own(score), gradient(lambda z: score(model(z, training=False)), near)
    gap = tf.reduce_sum(flat(tf.square(here - there)), axis=1)
    return tf.reduce_mean(gap / tf.reduce_sum(flat(tf.square(here)), axis=1))


def saliency_guided(model, x, y, mask, own, share=0.5):
    size = flat(tf.abs(tf.stop_gradient(own(lambda logits: centred(logits, y)))))
    ranks = tf.argsort(tf.argsort(size, direction="DESCENDING"))
    noise = tf.random.uniform(tf.shape(x), tf.reduce_min(x), tf.reduce_max(x))
    keep = tf.reshape(ranks < int((1 - share) * size.shape[1]), tf.shape(x))
    whole = tf.nn.log_softmax(model(x, training=False))
    part = tf.nn.log_softmax(model(tf.where(keep, x, noise), training=False))
    return tf.reduce_mean(tf.reduce_sum(tf.exp(whole) * (whole - part), axis=1))


def jacobian_norm(model, x, y, mask, classes=10):
    direction = tf.math.l2_normalize(tf.random.normal((tf.shape(x)[0], classes)), axis=1)
    slope = gradient(lambda x: direction * model(x, training=False), x)
    return classes / 2 * tf.reduce_mean(tf.reduce_sum(flat(tf.square(slope)), axis=1))


def infidelity(model, x, y, mask, samples=4, scale=0.2):
    score = lambda x, y: centred(model(x, training=False), y)
    values = x * gradient(lambda x: score(x, y), x)
    shares = scale * tf.random.normal(tf.concat([[samples], tf.shape(x)], 0))
    moved = tf.reshape((1 - shares) * x, tf.concat([[-1], tf.shape(x)[1:]], 0))
    drop = score(x, y) - tf.reshape(score(moved, tf.tile(y, [samples])), [samples, -1])
    said = tf.reduce_sum(tf.reshape(shares * values, [samples, tf.shape(x)[0], -1]), axis=2)
    return tf.reduce_mean(tf.square(said - drop))


SHARED = (right_reasons, attribution_stability, saliency_guided)
