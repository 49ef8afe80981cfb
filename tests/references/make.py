"""Writes `captum.npz` and `zennit.npz`: networks, inputs, and what captum and zennit say of them.

Run by hand, with torch 2.15.0, captum 0.9.0 and zennit 0.5.1 (none of them is needed to use or to test the project):

    python -m tests.references.make

Computed in float64, stored in float32. Arrays are in Keras's layouts: channels last, kernels `(height, width, in, out)`
and `(in, out)`; a flattened image runs over height, width, channels.

Conventions of zennit. With z_j = sum_i x_i w_ij + b_j, stab(z) = z + 1e-6 sgn(z) where sgn(0) = 1, x+ and x- the
positive and the negative part, and B(w, s)_i = sum_j w_ij s_j, a rule takes the relevance R_j of outputs to inputs:

    epsilon       R_i = x_i B(w, R / (z + eps sgn(z)))
    z_plus        R_i = x+_i B(w+, R / stab(p)) + x-_i B(w-, R / stab(p)),    p = x+ w+ + x- w- + b+
    alpha_beta    R_i = alpha (as z_plus) - beta (x+_i B(w-, R / stab(n)) + x-_i B(w+, R / stab(n))),
                  n = x+ w- + x- w+ + b-
    gamma         outputs z_j > 0: R_i = x+_i B(u, R / stab(d)) + x-_i B(v, R / stab(d)),
                  u = w + g w+, v = w + g w-, d = x+ u + x- v + b + g b+;
                  outputs z_j < 0: u and v change places, and d ends in b + g b-; outputs 0 pass nothing on
    z_box         R_i = x_i B(w, s) - l_i B(w+, s) - h_i B(w-, s),  s = R / stab(x w - l w+ - h w-); the bias cancels
    flat          R_i = sum_j R_j / (n_j + 1e-6) over the outputs that see i, n_j the number of real inputs that j sees

Activations and BatchNorm pass relevance on unchanged; average pooling and sums share it by contribution,
R_i = x_i * (gradient of R / stab(z)); max pooling, flattening and all else pass it on as their gradient. A BatchNorm
right behind a weighted layer is merged into it first. Relevance starts as the score at the target.
"""

from importlib.metadata import version
from pathlib import Path

import captum.attr
import numpy as np
import torch
import zennit.composites
import zennit.rules
from torch import nn
from zennit.attribution import Gradient
from zennit.canonizers import SequentialMergeBatchNorm
from zennit.layer import Sum
from zennit.types import Linear

from tests.references.nets import NETS, NORM_EPSILON, RELEVANCE, SHAPES

ROWS = 2
# The bounds of both channels of an image.
LOW, HIGH = np.array([-2.5, -3.0], "float32"), np.array([3.0, 4.0], "float32")


class Flatten(nn.Module):
    """As Keras does: channels last."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


class Copy(nn.Module):
    """Keeps two layers apart: captum's DeepLift drops the rule of a max pooling whose input is a ReLU's output itself,
    and no longer adds up."""

    def forward(self, x):
        return x.clone()


class Residual(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers, self.sum = layers, Sum()

    def forward(self, x):
        return self.sum(torch.stack([x, self.layers(x)], dim=-1))


def first_channels(x):
    """Channels last to channels first; tables as they are."""
    return np.moveaxis(x, -1, 1)


def last_channels(x):
    return np.moveaxis(x.detach().numpy(), 1, -1).astype("float32")


def tensor(x):
    return torch.tensor(np.ascontiguousarray(x), dtype=torch.float64)


class Builder:
    """Torch layers with weights drawn in Keras's layouts, which it keeps in `weights` in the order of the layers."""

    def __init__(self, shape, rng):
        self.shape, self.rng, self.weights = shape, rng, []

    def draw(self, *shape, scale=1.0, shift=0.0):
        """Numbers that float32 holds exactly, so that torch in float64 has the same ones as Keras."""
        values = (shift + scale * self.rng.normal(size=shape)).astype("float32")
        self.weights.append(values)
        return values

    def sequence(self, layers):
        return nn.Sequential(*[getattr(self, kind)(*options) for kind, *options in layers])

    def weighted(self, layer, kernel, axes):
        bias = self.draw(kernel.shape[-1], scale=0.3)
        layer.weight.data, layer.bias.data = tensor(kernel.transpose(axes)), tensor(bias)
        return layer

    def dense(self, units):
        inputs = int(np.prod(self.shape))
        self.shape = (units,)
        return self.weighted(nn.Linear(inputs, units), self.draw(inputs, units, scale=inputs**-0.5), (1, 0))

    def conv(self, filters):
        channels = self.shape[-1]
        self.shape = (*self.shape[:2], filters)
        kernel = self.draw(3, 3, channels, filters, scale=(9 * channels) ** -0.5)
        return self.weighted(nn.Conv2d(channels, filters, 3, padding=1), kernel, (3, 2, 0, 1))

    def norm(self):
        """With the statistics of a trained one; some scales are negative."""
        units = self.shape[-1]
        layer = (nn.BatchNorm2d if len(self.shape) == 3 else nn.BatchNorm1d)(units, eps=NORM_EPSILON)
        layer.weight.data = tensor(self.draw(units, shift=0.7, scale=0.6))
        layer.bias.data = tensor(self.draw(units, scale=0.3))
        layer.running_mean = tensor(self.draw(units, scale=0.3))
        layer.running_var = tensor(self.draw(units, shift=1.0, scale=0.2))
        return layer

    def residual(self, layers):
        return Residual(self.sequence(layers))

    def relu(self):
        return nn.ReLU()

    def max_pool(self):
        self.shape = (self.shape[0] // 2, self.shape[1] // 2, self.shape[2])
        return nn.Sequential(Copy(), nn.MaxPool2d(2))

    def average_pool(self):
        self.max_pool()
        return nn.AvgPool2d(2)

    def global_average(self):
        self.shape = self.shape[-1:]
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def flatten(self):
        return Flatten()


def net(name, seed):
    """A torch network and its arrays: weights, inputs, targets, a baseline."""
    rng = np.random.default_rng(seed)
    builder = Builder(SHAPES[name], rng)
    model = builder.sequence(NETS[name]).double().eval()
    x, baseline = (rng.normal(size=(rows, *SHAPES[name])).astype("float32") for rows in (ROWS, 1))
    arrays = {f"weights/{k}": weights for k, weights in enumerate(builder.weights)}
    arrays |= {"x": x, "target": np.arange(ROWS, dtype="int32"), "baseline": 0.5 * baseline}
    return model, {**arrays, "low": LOW, "high": HIGH}


def by_captum(name, model, arrays):
    """What captum makes of a network: results by the name of the method."""
    methods, x, target = captum.attr, tensor(first_channels(arrays["x"])), torch.tensor(arrays["target"]).long()
    baseline = tensor(first_channels(arrays["baseline"]))
    options = {"target": target, "baselines": baseline}
    results = {
        "output": model(x),
        "gradient": methods.Saliency(model).attribute(x.requires_grad_(), target=target, abs=False),
        "gradient_input": methods.InputXGradient(model).attribute(x, target=target),
        "integrated_gradients": methods.IntegratedGradients(model).attribute(x, target=target, n_steps=50),
        "integrated_gradients_baseline": methods.IntegratedGradients(model).attribute(x, **options, n_steps=50),
        "deep_lift": methods.DeepLift(model).attribute(x, target=target),
        "deep_lift_baseline": methods.DeepLift(model).attribute(x, **options),
        "guided_backprop": methods.GuidedBackprop(model).attribute(x, target=target),
        "deconvnet": methods.Deconvolution(model).attribute(x, target=target),
    }
    if x.ndim == 2:
        return results
    relus = [layer for layer in model if isinstance(layer, nn.ReLU)]
    window = {"sliding_window_shapes": (x.shape[1], 3, 3), "strides": (x.shape[1], 2, 2)}
    return results | {
        "grad_cam": methods.LayerGradCam(model, relus[1]).attribute(x, target, relu_attributions=True),
        # At the size of the input, where captum's interpolation to the nearest changes nothing.
        "guided_grad_cam": methods.GuidedGradCam(model, relus[0]).attribute(x, target),
        "occlusion": methods.Occlusion(model).attribute(x, target=target, **window),
        "occlusion_baseline": methods.Occlusion(model).attribute(x, **options, **window),
    }


def by_zennit(name, model, arrays):
    """What zennit makes of a network: results by the name of the composite, or of the rule of all weighted layers."""
    composites, rules = zennit.composites, zennit.rules
    box = {"low": tensor(LOW[None, :, None, None]), "high": tensor(HIGH[None, :, None, None])}
    everywhere = lambda rule: composites.LayerMapComposite([*composites.layer_map_base(), (Linear, rule)])
    table = {
        "epsilon_plus": composites.EpsilonPlus(),
        "epsilon_plus_flat": composites.EpsilonPlusFlat(),
        "epsilon_alpha2_beta1": composites.EpsilonAlpha2Beta1(),
        "epsilon_alpha2_beta1_flat": composites.EpsilonAlpha2Beta1Flat(),
        "epsilon_gamma_box": composites.EpsilonGammaBox(**box),
        "epsilon": everywhere(rules.Epsilon()),
        "epsilon_large": everywhere(rules.Epsilon(epsilon=0.1)),
        "gamma": everywhere(rules.Gamma()),
        "z_plus": everywhere(rules.ZPlus()),
        "alpha2_beta1": everywhere(rules.AlphaBeta()),
        "flat": everywhere(rules.Flat()),
    }
    x, target = tensor(first_channels(arrays["x"])), torch.tensor(arrays["target"]).long()
    start = lambda output: output * nn.functional.one_hot(target, 3)
    results = {"output": model(x)}
    for composite in RELEVANCE[name]:
        table[composite].canonizers = [SequentialMergeBatchNorm()]
        with Gradient(model, table[composite], attr_output=start) as attributor:
            results[composite] = attributor(x)[1]
    return results


def write(package, explain, **seeds):
    """One file with the arrays of some networks, as `net/array`."""
    content = {f"version/{name}": version(name) for name in (package, "torch")}
    for name, seed in seeds.items():
        model, arrays = net(name, seed)
        results = {key: last_channels(value) for key, value in explain(name, model, arrays).items()}
        content |= {f"{name}/{key}": value for key, value in {**arrays, **results}.items()}
    np.savez_compressed(Path(__file__).parent / f"{package}.npz", **content)


if __name__ == "__main__":
    # Seeds with which no method finds nothing at all in a row, and float32 has the digits to compare.
    write("captum", by_captum, mlp=5, cnn=2)
    write("zennit", by_zennit, mlp=5, vgg=5, vgg_norm=3, residual=3)
