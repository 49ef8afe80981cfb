"""A warning of networks that are linear between kinks, for penalties on their gradients."""

import warnings

import keras

KINKED = ("relu", "leaky_relu", "relu6", "hard_tanh", "hard_sigmoid", "hard_shrink", "threshold")

# Layers that bend without an activation: they normalise by their input, or multiply what depends on it.
BENT = (
    *(keras.layers.LayerNormalization, keras.layers.GroupNormalization, keras.layers.RMSNormalization),
    *(keras.layers.UnitNormalization, keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention),
    *(keras.layers.Attention, keras.layers.AdditiveAttention, keras.layers.Multiply, keras.layers.Dot),
    *(keras.layers.RNN, keras.layers.Lambda, keras.layers.Softmax, keras.layers.ELU),
)


def warn_of_kinks(loss, score):
    """Warns where a penalty on gradients can not move the biases of a ReLU network.

    Between its kinks the network is linear: its gradient, and any penalty on it, does not depend on a hidden bias.
    """
    if not loss.on_slopes:
        return
    straight = score.space == "logit" or (score.space == "output" and score.link.from_logits is not False)
    straight |= score.link.kind == "identity"
    layers = score.model._flatten_layers(include_self=False)
    activations = [_activation(layer) for layer in layers]
    end = {"softmax", "sigmoid"} if score.space == "logit" else set()
    kinks = set(activations) & set(KINKED)
    if straight and kinks and set(activations) <= {*KINKED, "linear", *end}:
        warnings.warn(
            f"`{type(loss).__name__}` penalises gradients of a network that is linear between the kinks of "
            f"{sorted(kinks)}: its kernels learn from the penalty, its hidden biases do not. A smooth activation, such "
            "as 'gelu' or 'softplus', lets all weights learn.",
            stacklevel=3,
        )


def _activation(layer):
    """The name of what bends a layer's output."""
    if isinstance(layer, (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU)):
        return "relu"
    if isinstance(layer, BENT) or type(layer).__module__.split(".")[0] != "keras":
        return "bent"
    activation = getattr(layer, "activation", keras.activations.linear)
    return _activation(activation) if isinstance(activation, keras.Layer) else getattr(activation, "__name__", "bent")
