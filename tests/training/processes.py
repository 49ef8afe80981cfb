"""What the tests run in a process of its own: `python -m tests.training.processes <task> <arguments>`."""

import subprocess
import sys


def run(task, *arguments):
    """Runs a task; its errors are those of the test."""
    command = [sys.executable, "-m", __name__, task, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(done.stderr[-4000:])
    return done.stdout


def predict_without_tf_xai(model, data, out):
    """Loads a plain model where tf_xai can not be imported."""
    sys.modules["tf_xai"] = None
    import keras
    import numpy as np

    np.savez(out, keras.saving.load_model(model).predict(np.load(data)["x"], verbose=0))


def go_on(model, data, out):
    """Loads a saved model after importing nothing but keras and tf_xai, and trains it for two more epochs."""
    import keras
    import numpy as np

    import tf_xai as xai

    data = np.load(data)
    loaded = keras.saving.load_model(model)
    evidence = xai.with_evidence(data["x"], irrelevant=data["masks"])
    history = loaded.fit(evidence, data["y"], batch_size=4, epochs=2, shuffle=False, verbose=0).history
    np.savez(out, *loaded.base.get_weights(), loss=history["loss"])


def replicas(out, count, kind, rows):
    """Trains on so many logical processors and stores the weights."""
    import keras
    import numpy as np
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * int(count))
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]

    import tf_xai as xai
    from tests.models import masked_mean, mlp
    from tests.training import models

    losses = {
        "plain": list,
        "zero": lambda: xai.losses.RightReasons(weight=0.0),
        "right_reasons": lambda: xai.losses.RightReasons(weight=2.0),
        "weighted_rows": lambda: xai.losses.RightReasons(weight=2.0),
        "lime_fidelity": lambda: xai.losses.LIMEFidelity(weight=2.0, scale=1.0),
        "auto": lambda: [
            xai.losses.RightReasons(weight="auto"),
            xai.losses.LIMEFidelity(weight="auto", auto_share=0.5, scale=1.0),
        ],
        "every": lambda: xai.losses.RightReasons(weight=2.0, every=2),
        "pcgrad": lambda: xai.losses.RightReasons(weight=2.0, every=2),
        "constraint": lambda: xai.losses.RightReasons(weight=2.0),
        "many": lambda: [
            xai.losses.EnergyGuidance("gradient_input"),
            xai.losses.AttributionPrior("sparse"),
            xai.losses.AttributionStability(0.1),
            xai.losses.FidelityLoss("infidelity"),
            xai.losses.JacobianNorm(),
            xai.losses.LIMEFidelity(scale=1.0),
            xai.losses.LIMEStability(scale=1.0),
            xai.losses.RightReasons(),
            xai.losses.SaliencyGuided(),
            xai.losses.SHAPFairness([0]),
            xai.losses.SHAPTarget([1.0, 0.0, 0.0, 0.0]),
        ],
        "padding": lambda: [xai.losses.RightReasons("gradient_input"), xai.losses.JacobianNorm()],
    }
    tradeoffs = {"pcgrad": xai.tradeoff.PCGrad(), "constraint": xai.tradeoff.Constraint(0.9)}
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(1)
    x, y = models.table(rng, int(rows))
    x = rng.integers(1, 10, x.shape).astype("int32") if kind == "padding" else x
    evidence = xai.with_evidence(x, irrelevant=models.masks_like(rng, x))
    weights = np.linspace(0, 2, len(y), dtype="float32") if kind == "weighted_rows" else None
    strategy = tf.distribute.MirroredStrategy(devices) if len(devices) > 1 else tf.distribute.get_strategy()
    with strategy.scope():
        base = masked_mean() if kind == "padding" else mlp()
        model = models.compiled(base, losses[kind](), tradeoff=tradeoffs.get(kind))
    history = models.fit(model, evidence, y, batch_size=8, epochs=3, sample_weight=weights)
    np.savez(out, *model.base.get_weights(), **{f"line_{name}": line for name, line in history.items()})


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
