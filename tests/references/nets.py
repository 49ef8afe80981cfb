"""The networks of the stored references, as lists of layers: read by `make.py` for torch and by `rebuild.py` for Keras.

All end in logits. Convolutions are 3 x 3 and keep the size of their input; pooling is 2 x 2; a residual block adds what
its layers make of its input to that input.
"""

SHAPES = {"mlp": (5,), "cnn": (8, 8, 2), "vgg": (8, 8, 2), "vgg_norm": (8, 8, 2), "residual": (8, 8, 2)}

NETS = {
    "mlp": [("dense", 8), ("relu",), ("dense", 6), ("relu",), ("dense", 3)],
    "cnn": [
        *[("conv", 4), ("relu",), ("max_pool",)],
        *[("conv", 5), ("relu",), ("flatten",), ("dense", 6), ("relu",), ("dense", 3)],
    ],
    "vgg": [
        *[("conv", 4), ("relu",), ("conv", 4), ("relu",), ("max_pool",)],
        *[("conv", 5), ("relu",), ("average_pool",), ("flatten",), ("dense", 6), ("relu",), ("dense", 3)],
    ],
    "vgg_norm": [
        *[("conv", 4), ("norm",), ("relu",), ("conv", 4), ("norm",), ("relu",), ("max_pool",)],
        *[("conv", 5), ("norm",), ("relu",), ("average_pool",), ("flatten",)],
        *[("dense", 6), ("norm",), ("relu",), ("dense", 3)],
    ],
    "residual": [
        *[("conv", 4), ("relu",)],
        *[("residual", [("conv", 4), ("relu",), ("conv", 4)]), ("relu",), ("max_pool",)],
        *[("residual", [("conv", 4)]), ("relu",), ("global_average",), ("dense", 3)],
    ],
}

# Small: zennit leaves it in the BatchNorm that a canonizer has made an identity.
NORM_EPSILON = 1e-9

# The composites, and uniform rules, that relevance is stored of; a few suffice where only other layers differ.
COMPOSITES = [
    *["epsilon_plus", "epsilon_plus_flat", "epsilon_alpha2_beta1", "epsilon_alpha2_beta1_flat", "epsilon_gamma_box"],
    *["epsilon", "epsilon_large", "gamma", "z_plus", "alpha2_beta1", "flat"],
]
FEW = ["epsilon_plus_flat", "epsilon_gamma_box", "alpha2_beta1"]
RELEVANCE = {"mlp": COMPOSITES, "vgg": COMPOSITES, "vgg_norm": FEW, "residual": FEW}
