"""A training step with `RightReasons`, against two hand-written steps and the plain one: small CNN, batch 64."""

import argparse

import keras
import numpy as np
import tensorflow as tf
from timing import interleave, ratio, table

import tf_xai as xai

BATCH = 64


def network():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10),
        ]
    )


def task_loss(y, logits):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))


def penalty(mask, logits, tape, x):
    with tape:
        total = tf.reduce_sum(tf.nn.log_softmax(logits))
    return tf.reduce_mean(tf.reduce_sum(tf.square(mask * tape.gradient(total, x)), axis=[1, 2, 3]))


def by_hand(compute, optimizer, weights):
    """A compiled step around a loss."""

    @tf.function
    def step(x, mask, y):
        with tf.GradientTape() as tape:
            loss = compute(x, mask, y)
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    return step


def hand_written(shared):
    """Nested tapes: the penalty's forward pass is that of the task loss, or one of its own."""
    model, optimizer = network(), keras.optimizers.Adam()

    def compute(x, mask, y):
        with tf.GradientTape(persistent=True) as inner:
            inner.watch(x)
            logits = model(x, training=shared)
        task = task_loss(y, model(x, training=True) if not shared else logits)
        return task + 10.0 * penalty(mask, logits, inner, x)

    return by_hand(compute, optimizer, model.trainable_variables)


def plain():
    model, optimizer = network(), keras.optimizers.Adam()
    return by_hand(lambda x, mask, y: task_loss(y, model(x, training=True)), optimizer, model.trainable_variables)


def ours():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = xai.compile(network(), "adam", loss, explanation_loss=xai.losses.RightReasons(weight=10.0))
    step = tf.function(model.train_step)
    return lambda x, mask, y: step((xai.with_evidence(x, irrelevant=mask), y))["loss"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    generator = np.random.default_rng(0)
    x = tf.constant(generator.random((BATCH, 28, 28, 1), "float32"))
    mask = tf.cast(x > 0.9, tf.float32)
    y = tf.constant(generator.integers(0, 10, BATCH))
    steps = {
        "plain": plain(),
        "by hand, shared forward pass": hand_written(shared=True),
        "by hand, separate forward pass": hand_written(shared=False),
        "tf_xai RightReasons": ours(),
    }
    cases = {name: lambda step=step: step(x, mask, y).numpy() for name, step in steps.items()}
    seconds = interleave(cases, rounds, warmup=10)
    table(seconds, "plain")
    hand = [name for name in steps if name.startswith("by hand")]
    print(f"\ntf_xai / faster by hand: {ratio(seconds, 'tf_xai RightReasons', hand):.3f} (aim: 1.10)")
    print(f"tf_xai / plain:          {ratio(seconds, 'tf_xai RightReasons', 'plain'):.3f} (aim: 2.6)")


if __name__ == "__main__":
    main()
