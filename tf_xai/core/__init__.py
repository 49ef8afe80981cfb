"""The numeric core: scores, gradients, variants of a batch, baselines. Imports nothing else of tf_xai."""

try:
    import tensorflow  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("tf_xai needs TensorFlow: pip install 'tf-xai[tensorflow]'.") from error

import keras

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"tf_xai needs Keras on TensorFlow. Received: the backend {keras.backend.backend()!r}. Set the environment "
        "variable KERAS_BACKEND=tensorflow before Keras is imported."
    )
