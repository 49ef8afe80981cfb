"""Writes `metrics.npz`: what captum's and Quantus's metrics say of the stored MLP, and of maps on masks.

Run by hand, with torch 2.13.0, captum 0.9.0, quantus 0.6.0 and numpy 2.4.6, after `make.py`, whose MLP it reads:

    python -m tests.references.make_metrics

Perturbations are drawn here and stored, so that other code can be given the same ones. Computed in float64, stored in
float32. Of Quantus only metrics are stored that are right on a linear model: `perturb_baseline` is a number, since its
"black" is the least value of a row; attributions are taken as they are (`normalise=False`, `abs=False`).
"""

from importlib.metadata import version
from pathlib import Path

import captum.attr
import captum.metrics
import numpy as np
import quantus
import torch
from torch import nn

HERE = Path(__file__).parent
SAMPLES, RADIUS, SCALE, FEATURES, ROWS = 7, 0.3, 0.4, 5, 2


def tensor(x):
    return torch.tensor(np.asarray(x), dtype=torch.float64)


def mlp(stored):
    """The network of `nets.py` with its stored weights, and its inputs, target and baseline."""
    arrays = [stored[f"mlp/weights/{k}"] for k in range(6)]
    layers = []
    for kernel, bias in zip(arrays[::2], arrays[1::2], strict=True):
        layer = nn.Linear(*kernel.shape)
        layer.weight.data, layer.bias.data = tensor(kernel.T), tensor(bias)
        layers += [layer, nn.ReLU()]
    model = nn.Sequential(*layers[:-1]).double().eval()
    target = torch.tensor(stored["mlp/target"]).long()
    return model, tensor(stored["mlp/x"]), target, tensor(stored["mlp/baseline"])


def by_captum(model, x, target, baseline, shares, moves):
    """Infidelity and sensitivity with these perturbations, `(samples, features)`, the same ones for every row."""
    ours = lambda values, rows: tensor(values).repeat(len(rows) // SAMPLES, 1)  # a row's samples lie side by side

    @captum.metrics.infidelity_perturb_func_decorator(True)
    def perturb(rows, baselines=0.0):
        return rows - ours(shares, rows) * (rows - baselines)

    def infidelity(attributions, start, **options):
        given = {} if start is None else {"baselines": start.expand_as(x)}
        return captum.metrics.infidelity(
            model, perturb, x, attributions, target=target, n_perturb_samples=SAMPLES, **given, **options
        )

    product = captum.attr.InputXGradient(model).attribute(x.clone().requires_grad_(), target=target).detach()
    ig = captum.attr.IntegratedGradients(model)
    from_baseline = ig.attribute(x, baseline.expand_as(x), target=target, n_steps=50)
    results = {
        "infidelity/gradient_input": infidelity(product, None),
        "infidelity/negated": infidelity(-product, None),
        "infidelity/integrated_gradients": infidelity(from_baseline, baseline),
    }
    for name, method in {"gradient_input": captum.attr.InputXGradient(model), "integrated_gradients": ig}.items():
        results[f"max_sensitivity/{name}"] = captum.metrics.sensitivity_max(
            method.attribute,
            x,
            lambda rows, radius: rows + radius * ours(moves, rows),
            perturb_radius=RADIUS,
            n_perturb_samples=SAMPLES,
            target=target,
        )
    return {"gradient_input": product, **results}


class Duck:
    """What Quantus asks of a model."""

    def __init__(self, model):
        self.model = model

    def shape_input(self, x, shape, channel_first=None, batched=False):
        return x.reshape(shape if batched else (1, *shape))

    def predict(self, x):
        return self.model(tensor(x)).detach().numpy()


def by_quantus(model, x, target, noise):
    """Metrics of noise for attributions of the MLP; and the sets drawn, `(draws, rows, features in a set)`."""
    options = {"abs": False, "normalise": False, "disable_warnings": True, "display_progressbar": False}
    given = (Duck(model), x.numpy(), target.numpy(), noise)
    faithful = {"perturb_baseline": 0.0, **options}
    estimate = quantus.FaithfulnessEstimate(features_in_step=1, **faithful)
    sets, choice = [], np.random.choice

    def recorded(*args, **kwargs):
        sets.append(choice(*args, **kwargs))
        return sets[-1]

    np.random.seed(3)
    np.random.choice = recorded
    correlation = quantus.FaithfulnessCorrelation(subset_size=2, nr_runs=20, **faithful).evaluate_batch(*given)
    np.random.choice = choice
    shapes = {"sparseness": quantus.Sparseness(**options), "complexity": quantus.Complexity(**options)}
    return {
        "faithfulness_estimate": estimate.evaluate_batch(*given),
        "faithfulness_correlation": correlation,
        "sets": np.array(sets).reshape(-1, ROWS, 2),
        **{name: metric.evaluate_batch(x_batch=x.numpy(), a_batch=np.abs(noise)) for name, metric in shapes.items()},
    }


def of_maps(rng):
    """Localisation of maps without negative values, whose masks are not empty."""
    maps = np.abs(rng.normal(size=(4, 1, 6, 6))).astype("float32")
    masks = rng.random((4, 1, 6, 6)) < 0.3
    options = {"abs": False, "normalise": False, "disable_warnings": True, "display_progressbar": False}
    metrics = {
        "relevance_mass": quantus.RelevanceMassAccuracy(**options),
        "relevance_rank": quantus.RelevanceRankAccuracy(**options),
        "pointing_game": quantus.PointingGame(**options),
    }
    results = {name: metric.evaluate_batch(a_batch=maps, s_batch=masks) for name, metric in metrics.items()}
    return {"maps": maps[:, 0], "masks": masks[:, 0], **results}


def main():
    rng = np.random.default_rng(4)
    with np.load(HERE / "captum.npz") as stored:
        model, x, target, baseline = mlp(stored)
        np.testing.assert_allclose(model(x).detach(), stored["mlp/output"], rtol=1e-5)
    shares = (SCALE * rng.normal(size=(SAMPLES, FEATURES))).astype("float32")
    moves = rng.uniform(-1, 1, size=(SAMPLES, FEATURES)).astype("float32")
    noise = rng.normal(size=(ROWS, FEATURES)).astype("float32")
    content = {"shares": shares, "moves": moves, "noise": noise, "scale": SCALE, "radius": RADIUS}
    content |= {f"captum/{k}": v for k, v in by_captum(model, x, target, baseline, shares, moves).items()}
    content |= {f"quantus/{k}": v for k, v in by_quantus(model, x, target, noise).items()}
    content |= {f"quantus/{k}": v for k, v in of_maps(rng).items()}
    small = lambda v: v.astype("float32") if (v := np.asarray(v)).dtype.kind == "f" else v
    content = {key: small(value) for key, value in content.items()}
    versions = {f"version/{name}": version(name) for name in ("captum", "torch", "quantus", "numpy")}
    np.savez_compressed(HERE / "metrics.npz", **content, **versions)


if __name__ == "__main__":
    main()
