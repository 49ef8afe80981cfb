"""A training step with every loss, against a plain one and against the same penalty written by hand.

`--form` runs the penalties on gradients in both second-order forms on four kinds of network instead.
"""

import argparse

import by_hand
import keras
import numpy as np
import tensorflow as tf
from timing import interleave, ratio

import tf_xai as xai

layers, losses = keras.layers, xai.losses


def table():
    """256 rows of 30 columns, an MLP."""
    hidden = [layers.Dense(64, "gelu"), layers.Dense(64, "gelu")]
    return keras.Sequential([keras.Input((30,)), *hidden, layers.Dense(10)]), (256, 30)


def images():
    """64 images of 28 x 28, a CNN."""
    first, second = (layers.Conv2D(filters, 3, activation="relu") for filters in (32, 64))
    head = [layers.Flatten(), layers.Dense(128, "relu"), layers.Dense(10)]
    pool = layers.MaxPooling2D
    return keras.Sequential([keras.Input((28, 28, 1)), first, pool(), second, pool(), *head]), (64, 28, 28, 1)


def texts():
    """32 texts of 64 tokens, one attention layer."""
    tokens = keras.Input((64,), dtype="int32")
    embedded = layers.Embedding(1000, 32)(tokens)
    attended = layers.MultiHeadAttention(4, 8)(embedded, embedded)
    return keras.Model(tokens, layers.Dense(10)(layers.GlobalAveragePooling1D()(embedded + attended))), (32, 64)


def transformer():
    """64 series of 32 steps and 32 channels, two transformer blocks."""
    x = inputs = keras.Input((32, 32))
    for _ in range(2):
        x = layers.LayerNormalization()(x + layers.MultiHeadAttention(4, 8)(x, x))
        x = layers.LayerNormalization()(x + layers.Dense(32)(layers.Dense(64, "gelu")(x)))
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling1D()(x))), (64, 32, 32)


def mobile_net():
    """16 images of 96 x 96, MobileNetV2."""
    options = {"weights": None, "classes": 10, "classifier_activation": None}
    return keras.applications.MobileNetV2(input_shape=(96, 96, 3), **options), (16, 96, 96, 3)


def drawn(samples, **options):
    return xai.Explainer("expected_gradients", samples=samples, **options)


CASES = {
    "RightReasons": (images, losses.RightReasons(), by_hand.right_reasons),
    "LIMEFidelity": (table, losses.LIMEFidelity(), by_hand.lime_fidelity),
    "LIMEStability": (table, losses.LIMEStability(), by_hand.lime_stability),
    "SHAPTarget": (table, losses.SHAPTarget(np.ones(30), explainer=drawn(4)), by_hand.shap_target),
    "SHAPFairness": (table, losses.SHAPFairness([0, 1, 2], explainer=drawn(4)), by_hand.shap_fairness),
    "AttributionPrior": (images, losses.AttributionPrior("smooth", drawn(1)), by_hand.smooth_prior),
    "EnergyGuidance": (images, losses.EnergyGuidance(), by_hand.energy_of_grad_cam),
    "AttentionGuidance": (texts, losses.AttentionGuidance(), by_hand.attention_guidance),
    "AttributionStability": (images, losses.AttributionStability(), by_hand.attribution_stability),
    "SaliencyGuided": (images, losses.SaliencyGuided(), by_hand.saliency_guided),
    "JacobianNorm": (images, losses.JacobianNorm(), by_hand.jacobian_norm),
    "FidelityLoss": (images, losses.FidelityLoss("infidelity", samples=4), by_hand.infidelity),
}

# With less work: the penalty on a quarter of the batch at every fourth step. A surrogate of 30 columns takes 60
# neighbours of every row, nearly four times the rows of the four steps; in a random subspace four will do.
RARELY = {"fraction": 0.25, "every": 4}
SPARE = {
    "RightReasons": (images, losses.RightReasons(**RARELY)),
    "LIMEFidelity": (table, losses.LIMEFidelity(**RARELY)),
    "  four neighbours": (table, losses.LIMEFidelity(samples=4, **RARELY)),
}


def build(network):
    keras.utils.set_random_seed(0)
    return network()


def batch(shape):
    """Inputs, labels and masks; whole numbers below 1000 for token ids."""
    generator = np.random.default_rng(0)
    ids = len(shape) == 2 and shape[1] == 64
    x = generator.integers(1, 1000, shape).astype("int32") if ids else generator.normal(size=shape).astype("float32")
    mask = (generator.random(shape) > 0.5).astype("float32")
    return tf.constant(x), tf.constant(generator.integers(0, 10, shape[0]), tf.int32), tf.constant(mask)


def crossentropy(y, logits):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))


def step_by_hand(network, penalty=None):
    model, shape = build(network)
    optimizer, weights = keras.optimizers.Adam(), model.trainable_variables
    x, y, mask = batch(shape)

    def both_losses(x, y, mask):
        if penalty not in by_hand.SHARED:
            task = crossentropy(y, model(x, training=True))
            return task if penalty is None else task + penalty(model, x, y, mask)
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as inner:
            inner.watch(x)
            logits = model(x, training=True)

        def own(score):
            with inner:
                total = tf.reduce_sum(score(logits))
            return inner.gradient(total, x)

        return crossentropy(y, logits) + penalty(model, x, y, mask, own)

    @tf.function
    def step(x, y, mask):
        with tf.GradientTape() as tape:
            loss = both_losses(x, y, mask)
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    return lambda: step(x, y, mask).numpy()


def plain_step(network, jit_compile=False):
    """Keras's own training step."""
    model, shape = build(network)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=jit_compile)
    x, y, _ = batch(shape)
    step = tf.function(model.train_step, jit_compile=jit_compile)
    return lambda: step((x, y))["loss"].numpy()


def step_of(network, loss, **options):
    """A training step of tf_xai, without the logs that `fit` keeps."""
    base, shape = build(network)
    loss_of_task = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = xai.compile(base, "adam", loss_of_task, explanation_loss=loss, **options)
    x, y, mask = batch(shape)
    x = xai.with_evidence(x, irrelevant=mask) if loss.needs_evidence else x
    step = tf.function(model.train_step, jit_compile=options.get("jit_compile", False))
    return lambda: step((x, y))["loss"].numpy()


def compare(rounds, only):
    print(f"{'loss':22} {'÷ plain':>8} {'by hand':>8} {'÷ by hand':>10} (aim: 1.10)")
    for name, (network, loss, penalty) in CASES.items():
        if only and name not in only:
            continue
        cases = {"plain": step_by_hand(network), "hand": step_by_hand(network, penalty), "ours": step_of(network, loss)}
        seconds = interleave(cases, rounds, warmup=5)
        over = [ratio(seconds, *pair) for pair in (("ours", "plain"), ("hand", "plain"), ("ours", "hand"))]
        print(f"{name:22} {over[0]:8.2f} {over[1]:8.2f} {over[2]:10.3f}", flush=True)
    print("\na quarter of the batch at every fourth step, mean over four steps ÷ plain (aim: 1.25)")
    for name, (network, loss) in SPARE.items():
        one, plain = step_of(network, loss), plain_step(network)
        four = {
            "plain": lambda plain=plain: [plain() for _ in range(4)],
            "ours": lambda one=one: [one() for _ in range(4)],
        }
        print(f"{name:22} {ratio(interleave(four, rounds, warmup=5), 'ours', 'plain'):8.2f}", flush=True)


def compare_forms(rounds):
    """Reverse over reverse against reverse over forward mode, in a graph and compiled with XLA."""
    print(f"{'network':14} {'':6} {'reverse ÷ plain':>16} {'forward ÷ plain':>16}")
    for network in (table, images, transformer, mobile_net):
        for jit in (False, True):
            if jit and network is mobile_net:
                continue  # XLA on CPU takes an order of magnitude longer for depthwise convolutions
            cases = {"plain": plain_step(network, jit)}
            for form in ("reverse", "forward"):
                cases[form] = step_of(network, losses.RightReasons(), second_order=form, jit_compile=jit)
            seconds = interleave(cases, rounds, warmup=5)
            over = [ratio(seconds, form, "plain") for form in ("reverse", "forward")]
            print(f"{network.__name__:14} {'XLA' if jit else 'graph':6} {over[0]:16.2f} {over[1]:16.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--only", nargs="+", choices=list(CASES), help="these losses")
    parser.add_argument("--form", action="store_true", help="compare the second-order forms")
    options = parser.parse_args()
    compare_forms(options.rounds) if options.form else compare(options.rounds, options.only)


if __name__ == "__main__":
    main()
