"""Trains the same network without and with `RightReasons`, on digits with a planted shortcut, and compares."""

import time
from pathlib import Path

import keras
import numpy as np

import tf_xai as xai
from tf_xai.datasets import decoy, digits
from tf_xai.demo.page import write_page

PROBE, BATCH, METHODS = 64, 64, ["integrated_gradients", "gradient_input"]


def run(output, epochs):
    """Runs the demo, prints its table, and writes logs, pictures and a page to `output`. Returns the results."""
    output = Path(output)
    (x, y), (x_test, y_test) = digits()
    x, masks = decoy(x, y)
    shown, squares = decoy(x_test, y_test, informative=False, seed=1)
    print(
        f"{len(x)} MNIST digits. In training, a grey square in a corner gives the answer away; in the test it lies.\n"
    )
    models, results = {}, {}
    for name, losses in {"plain": [], "right_reasons": [xai.losses.RightReasons(weight=1.0)]}.items():
        print(f"Training {name.replace('_', ' ')}:")
        model, history = train(name, losses, (x, masks, y), (shown, y_test), output / "logs", epochs)
        explanation = xai.explain(model, shown, y_test, batch_size=250, verbose=0)
        models[name] = model
        results[name] = {
            "history": history,
            "explanation": explanation[:8],
            "row": {
                "train accuracy": history["accuracy"][-1],
                "test, squares lie": history["val_accuracy"][-1],
                "test, no squares": model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"],
                "attribution on square": mass(explanation.values, squares),
                "deletion (lower is better)": history["xai_deletion"][-1],
                "insertion (higher is better)": history["xai_insertion"][-1],
            },
        }
    batch = xai.with_evidence(x[:BATCH], irrelevant=masks[:BATCH]), y[:BATCH]
    for name, seconds in step_seconds(models, batch).items():
        results[name]["row"]["ms per step"] = 1e3 * seconds
    report(results, output)
    return results


def network():
    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense
    layers = [keras.layers.Flatten(), dense(50, "relu"), dense(30, "relu"), dense(10, "softmax")]
    return keras.Sequential([keras.Input((28, 28, 1)), *layers])


def train(name, losses, data, test, logs, epochs):
    """The trained model and its history."""
    x, masks, y = data
    model = xai.compile(
        network(),
        keras.optimizers.Adam(1e-3),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        explanation_loss=losses,
    )
    probe = test[0][:PROBE], test[1][:PROBE]
    callbacks = [
        xai.callbacks.ExplanationMetrics(*probe, metrics=["completeness", "deletion", "insertion", "lime_fidelity"]),
        xai.callbacks.AttributionBoard(logs / name, *probe, METHODS, class_names=range(10)),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: _progress(epoch, epochs, logs)),
    ]
    inputs = xai.with_evidence(x, irrelevant=masks)
    history = model.fit(inputs, y, BATCH, epochs, verbose=0, validation_data=test, callbacks=callbacks).history
    return model, history


def step_seconds(models, batch, rounds=60, warmup=10):
    """The median seconds of a training step of each model, in turn, so that the machine's drift hits both alike."""
    seconds = {name: [] for name in models}
    for number in range(rounds):
        for name, model in models.items():
            start = time.perf_counter()
            model.train_on_batch(*batch)
            if number >= warmup:
                seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def mass(values, squares):
    """The share of the attributions' magnitude that lies on the square, mean over the images."""
    magnitude = np.abs(values).reshape(len(values), -1)
    inside = magnitude * squares.reshape(len(values), -1)
    return float(np.mean(inside.sum(axis=1) / np.maximum(magnitude.sum(axis=1), 1e-12)))


def _progress(epoch, epochs, logs):
    if epoch == 0 or (epoch + 1) % 5 == 0 or epoch + 1 == epochs:
        print(
            f"  epoch {epoch + 1:2d}/{epochs}  train {logs['accuracy']:.3f}  test {logs['val_accuracy']:.3f}  "
            f"deletion {logs['xai_deletion']:.3f} (random {logs['xai_deletion_random']:.3f})  "
            f"insertion {logs['xai_insertion']:.3f} (random {logs['xai_insertion_random']:.3f})",
            flush=True,
        )


def report(results, output):
    """Prints the table, writes pictures and page, and says where they are."""
    plain, ours = (results[name]["row"] for name in ("plain", "right_reasons"))
    print(f"\n{'':30}{'plain':>10}{'right reasons':>16}")
    for name, value in plain.items():
        print(f"{name:30}{value:10.4f}{ours[name]:16.4f}")
    print(f"{'step time, ratio':30}{1:10.2f}{ours['ms per step'] / plain['ms per step']:16.2f}")
    page, board = write_page(results, output), xai.board.to_html(output / "logs", output / "board.html")
    print(f"\nPage with pictures:  {page}")
    print(f"Every epoch:         {board}")
    print(f"TensorBoard:         tensorboard --logdir {output / 'logs'}, tab XAI (pip install 'tf-xai[tensorboard]')")
