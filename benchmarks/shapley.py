"""Shapley values of a table against bare forward passes of as many rows, and against the shap package."""

import keras
import numpy as np
import shap
import tensorflow as tf
from timing import interleave, ratio, table

import tf_xai as xai

ROWS, REFERENCES, FEATURES = 20, 100, 30
KERNEL = 2048

# Sixteen orders and their reverses, the estimate that shap makes of its `max_evals`; shap evaluates the empty and the
# full coalition again for every order.
PERMUTATION, MAX_EVALS = 16 * 2 * (FEATURES - 1) + 2, 16 * (2 * FEATURES + 1)

# Rows in one bare forward pass: the faster of these counts.
BATCHES = (2**16, 2**17)


def network():
    """30 features, two hidden layers of 64, one output."""
    layers = [keras.layers.Dense(64, "relu"), keras.layers.Dense(64, "relu"), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input((FEATURES,)), *layers])


def forward_passes(forward, samples, batch):
    """As many rows as `samples` coalitions make, in batches; none of them has to be built."""
    rows = tf.random.stateless_normal((batch, FEATURES), (0, 1))
    whole, rest = divmod(samples * ROWS * REFERENCES, batch)
    return lambda: [forward(rows) for _ in range(whole)] + [forward(rows[:rest])]


def cases(model, x, background):
    forward = tf.function(lambda rows: model(rows, training=False)[:, 0], reduce_retracing=True)
    # Shap gets the model as its documentation has it, and also traced, with one trace for all sizes.
    plain = lambda rows: model(rows).numpy()[:, 0]
    traced = lambda rows: forward(tf.constant(rows, tf.float32)).numpy()
    bind = lambda method, samples: xai.Explainer(method, samples=samples, background=background).bind(model)
    ours = {"kernel_shap": bind("kernel_shap", KERNEL), "permutation_shap": bind("permutation_shap", PERMUTATION)}
    kernel = shap.KernelExplainer(traced, background)
    permutation = {predict: shap.PermutationExplainer(predict, background) for predict in (plain, traced)}
    inputs = tf.constant(x)
    bare = {
        f"{samples} x {REFERENCES} x {ROWS} rows forward, by {batch}": forward_passes(forward, samples, batch)
        for samples in (KERNEL, PERMUTATION)
        for batch in BATCHES
    }
    return bare | {
        "kernel_shap": lambda: ours["kernel_shap"](inputs),
        "shap.KernelExplainer, traced": lambda: kernel.shap_values(x, nsamples=KERNEL, l1_reg=False, silent=True),
        "permutation_shap": lambda: ours["permutation_shap"](inputs),
        "shap.PermutationExplainer": lambda: permutation[plain](x, max_evals=MAX_EVALS, silent=True),
        "shap.PermutationExplainer, traced": lambda: permutation[traced](x, max_evals=MAX_EVALS, silent=True),
    }


def report(rounds):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x, background = (rng.normal(size=(count, FEATURES)).astype("float32") for count in (ROWS, REFERENCES))
    seconds = interleave(cases(network(), x, background), rounds, warmup=1)
    for name, samples, peers in (
        ("kernel_shap", KERNEL, {"shap.KernelExplainer, traced": 2}),
        ("permutation_shap", PERMUTATION, {"shap.PermutationExplainer, traced": None, "shap.PermutationExplainer": 10}),
    ):
        bare = [case for case in seconds if case.startswith(f"{samples} x")]
        table({case: seconds[case] for case in (*bare, name, *peers)}, bare[0])
        print(f"{name} / forward passes: {ratio(seconds, name, bare):.2f} (aim: 1.30 at most)")
        for peer, aim in peers.items():
            wanted = f" (aim: {aim} at least)" if aim else ""
            print(f"{peer} / {name}: {ratio(seconds, peer, name):.1f}{wanted}")
