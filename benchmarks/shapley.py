"""Shapley values of a table against bare forward passes of as many rows, and against the shap package."""

import argparse

import keras
import numpy as np
import shap
import tensorflow as tf
from timing import interleave, ratio, table

import tf_xai as xai

ROWS, REFERENCES, FEATURES = 20, 100, 30
KERNEL, PERMUTATION = 2048, 1000

# Rows in one bare forward pass: the faster of these counts.
BATCHES = (2**14, 2**16)


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
    predict = lambda rows: forward(tf.constant(rows, tf.float32)).numpy()
    bind = lambda method, samples: xai.Explainer(method, samples=samples, background=background).bind(model)
    ours = {"kernel_shap": bind("kernel_shap", KERNEL), "permutation_shap": bind("permutation_shap", PERMUTATION)}
    kernel = shap.KernelExplainer(predict, background)
    permutation = shap.PermutationExplainer(predict, shap.maskers.Independent(background, max_samples=REFERENCES))
    inputs = tf.constant(x)
    bare = {
        f"{samples} x {REFERENCES} x {ROWS} rows forward, by {batch}": forward_passes(forward, samples, batch)
        for samples in (KERNEL, PERMUTATION)
        for batch in BATCHES
    }
    return bare | {
        "kernel_shap": lambda: ours["kernel_shap"](inputs),
        "shap.KernelExplainer": lambda: kernel.shap_values(x, nsamples=KERNEL, l1_reg=False, silent=True),
        "permutation_shap": lambda: ours["permutation_shap"](inputs),
        "shap.PermutationExplainer": lambda: permutation(x, max_evals=PERMUTATION, silent=True),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x, background = (rng.normal(size=(count, FEATURES)).astype("float32") for count in (ROWS, REFERENCES))
    seconds = interleave(cases(network(), x, background), options.rounds, warmup=1)
    for name, samples, peer, aim in (
        ("kernel_shap", KERNEL, "shap.KernelExplainer", 2),
        ("permutation_shap", PERMUTATION, "shap.PermutationExplainer", 10),
    ):
        bare = [case for case in seconds if case.startswith(f"{samples} x")]
        table({case: seconds[case] for case in (*bare, name, peer)}, bare[0])
        print(f"{name} / forward passes: {ratio(seconds, name, bare):.2f} (aim: 1.30 at most)")
        print(f"{peer} / {name}: {ratio(seconds, peer, name):.1f} (aim: {aim} at least)")


if __name__ == "__main__":
    main()
