"""Integrated gradients on MobileNetV2 against the bare gradient of the same path points, and its peak memory."""

import resource
import subprocess
import sys

import keras
import numpy as np
import tensorflow as tf
from timing import interleave, ratio, table

import tf_xai as xai

IMAGES, STEPS, BATCH = 16, 32, 32


def bare_gradient(model):
    """The compiled gradient of class scores, for batches of path points."""

    @tf.function
    def gradient(points, target):
        with tf.GradientTape() as tape:
            tape.watch(points)
            total = tf.reduce_sum(tf.gather(model(points, training=False), target, axis=1, batch_dims=1))
        return tape.gradient(total, points)

    return gradient


def speed(rounds):
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2(input_shape=(128, 128, 3), weights=None)
    x = np.random.default_rng(0).random((IMAGES, 128, 128, 3), "float32")
    target = np.arange(IMAGES)
    times = (np.polynomial.legendre.leggauss(STEPS)[0] + 1) / 2
    points = (times[:, None, None, None, None] * x).reshape(-1, BATCH, 128, 128, 3).astype("float32")
    points, targets = tf.constant(points), tf.constant(np.tile(target, STEPS).reshape(-1, BATCH))
    gradient = bare_gradient(model)
    bound = xai.Explainer("integrated_gradients", steps=STEPS).bind(model)
    inputs, classes = tf.constant(x), tf.constant(target)
    cases = {
        "bare gradient of the path points": lambda: [gradient(*each) for each in zip(points, targets, strict=True)],
        "bound explainer": lambda: bound(inputs, classes),
        "xai.explain": lambda: xai.explain(model, x, target, steps=STEPS, batch_size=IMAGES, verbose=0),
    }
    seconds = interleave(cases, rounds)
    table(seconds, "bare gradient of the path points")
    for name in ("bound explainer", "xai.explain"):
        print(f"{name} / bare: {ratio(seconds, name, 'bare gradient of the path points'):.3f} (aim: 1.10)")


def explain_once(steps):
    """In a process of its own: explains two 224 x 224 images, prints the peak resident memory in MiB."""
    model = keras.applications.MobileNetV2(weights=None)
    x = np.random.default_rng(0).random((2, 224, 224, 3), "float32")
    xai.explain(model, x, 0, steps=steps, verbose=0)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def memory():
    peak = {}
    for steps in (STEPS, 1000):
        command = [sys.executable, __file__, str(steps)]
        peak[steps] = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"peak memory at {steps} steps: {peak[steps]:.0f} MiB")
    print(f"{1000} steps / {STEPS} steps: {peak[1000] / peak[STEPS]:.2f} (aim: 1.5)")


def report(rounds):
    speed(rounds)
    memory()


if __name__ == "__main__":
    explain_once(int(sys.argv[1]))
