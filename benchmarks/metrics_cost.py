"""What fidelity in the training log costs: an epoch of a small CNN on 8,000 digits with `ExplanationMetrics`.

64 probe rows; integrated gradients with 16 steps; completeness, deletion, insertion and the fidelity of LIME, each of
random attributions as well. "Bare" are compiled forward and backward passes of as many rows, and nothing else.
"""

import argparse

import keras
import numpy as np
import tensorflow as tf
from step_time import images
from timing import interleave, ratio

import tf_xai as xai

ROWS, STEPS, NEIGHBOURS = 64, 16, 256


def data(rows):
    generator = np.random.default_rng(0)
    return generator.random((rows, 28, 28, 1), "float32"), generator.integers(0, 10, rows)


def network():
    keras.utils.set_random_seed(0)
    model, _ = images()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def metrics(**options):
    explainer = xai.Explainer("integrated_gradients", steps=STEPS)
    return xai.callbacks.ExplanationMetrics(*data(ROWS), explainers=explainer, batch_size=ROWS, **options)


def bare(model):
    """The passes of one measurement: 16 of both kinds, then forward passes alone."""
    x = tf.constant(data(ROWS)[0])
    points, moved, neighbours = (tf.repeat(x, count, axis=0) for count in (STEPS, STEPS + 1, NEIGHBOURS // 8))
    forward = tf.function(lambda rows: model(rows, training=False))

    @tf.function
    def gradient(rows):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(rows)
            total = tf.reduce_sum(model(rows, training=False)[:, 0])
        return tape.gradient(total, rows)

    def run():
        gradient(points).numpy()
        for _ in range(4):  # deletion and insertion, and both of random attributions
            forward(moved).numpy()
        for _ in range(2):  # the rows and their baselines
            forward(x).numpy()
        for _ in range(8):
            forward(neighbours).numpy()

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--rows", type=int, default=8000, help="digits of an epoch")
    options = parser.parse_args()
    x, y = data(options.rows)
    watched, spared = metrics(), metrics(budget=0.1)
    epoch = lambda model, *callbacks: lambda: model.fit(x, y, batch_size=64, verbose=0, callbacks=list(callbacks))
    cases = {"plain": epoch(network()), "watched": epoch(network(), watched), "budget": epoch(network(), spared)}
    passes = bare(network())
    cases |= {"passes": passes, "measure": lambda: watched.measure()}
    cases["plain and passes"] = lambda: (cases["plain"](), passes())
    seconds = interleave(cases, options.rounds, warmup=3)
    for name, over, aim in (
        ("measure", "passes", ""),
        ("watched", "plain", ""),
        ("watched", "plain and passes", "(aim: 1.05)"),
        ("budget", "plain", "(aim: 1.12)"),
    ):
        print(f"{name:8} ÷ {over:17} {ratio(seconds, name, over):6.3f} {aim}")
    print("within the budget:", {name: spared.lines[name] for name in ("xai_probe_rows", "xai_probe_metrics")})


if __name__ == "__main__":
    main()
