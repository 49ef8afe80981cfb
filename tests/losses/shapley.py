"""What the tests of the losses on Shapley values share."""

import keras
import numpy as np

import tf_xai as xai

WEIGHTS = np.array([[0.5], [-1.0], [2.0], [0.25]], "float32")

EXPLAINERS = {
    "expected_gradients": xai.Explainer("expected_gradients", samples=3),
    "deep_lift": xai.Explainer("deep_lift"),
    "kernel_shap": xai.Explainer("kernel_shap", samples=16),
}


def logistic(weights=WEIGHTS):
    """A sigmoid unit whose logit is linear."""
    model = keras.Sequential([keras.Input((len(weights),)), keras.layers.Dense(1, "sigmoid")])
    model.layers[0].set_weights([weights, np.array([0.3], "float32")])
    return model


def profile(attributions):
    sizes = np.abs(attributions).sum(axis=0)
    return sizes / sizes.sum()


@keras.saving.register_keras_serializable("tests")
def first_is_large(inputs):
    """Two groups of rows."""
    return inputs[:, 0] > 0.2


def trained(x, y, losses, epochs=20):
    keras.utils.set_random_seed(3)
    base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(16, "gelu"), keras.layers.Dense(1, "sigmoid")])
    model = xai.compile(base, keras.optimizers.Adam(0.01), "binary_crossentropy", explanation_loss=losses)
    model.fit(x, y, batch_size=100, epochs=epochs, verbose=0)
    return model
