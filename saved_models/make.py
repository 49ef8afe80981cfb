"""Makes the models of this folder, and the manifest that says how: `python saved_models/make.py`."""

import json
from pathlib import Path

import keras
import tensorflow as tf

import tf_xai as xai
from tf_xai.datasets import decoy, digits
from tf_xai.demo.run import BATCH, network

HERE = Path(__file__).parent
EPOCHS = 30
MODELS = {
    "digits_plain": (0.0, "learnt the planted square: its accuracy falls where the square lies"),
    "digits_right_reasons": (1.0, "the same network, trained with RightReasons on the square"),
}


def main():
    (x, y), (x_test, y_test) = digits()
    x, masks = decoy(x, y)
    shown, _ = decoy(x_test, y_test, informative=False, seed=1)
    manifest = {}
    for name, (weight, purpose) in MODELS.items():
        loss = xai.losses.RightReasons(weight=weight)
        optimizer = keras.optimizers.Adam(1e-3)
        model = xai.compile(
            network(), optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], explanation_loss=loss
        )
        model.fit(xai.with_evidence(x, irrelevant=masks), y, BATCH, EPOCHS, verbose=0)
        accuracy = model.evaluate(shown, y_test, verbose=0, return_dict=True)["accuracy"]
        model.base.save(HERE / f"{name}.keras")
        manifest[f"{name}.keras"] = {
            "purpose": purpose,
            "data": "tf_xai.datasets.digits() with tf_xai.datasets.decoy(), 4,000 images",
            "network": "tf_xai.demo.run.network(): Flatten, Dense 50 ReLU, Dense 30 ReLU, Dense 10 softmax; seed 0",
            "training": f"Adam 1e-3, batch {BATCH}, {EPOCHS} epochs, RightReasons(weight={weight})",
            "test accuracy, random squares": round(accuracy, 3),
            "made with": f"saved_models/make.py; tensorflow {tf.__version__}, keras {keras.__version__}",
            "licence": "Apache-2.0; trained on MNIST (see tf_xai/data/README.md)",
        }
    (HERE / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
