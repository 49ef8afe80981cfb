"""Writes `saliency.npz`: a network of one hidden layer, and what PAIR's guided integrated gradients say of it.

Run by hand, with saliency 0.2.1 and numpy 1.26.4 (its call of `numpy.quantile` fails with later ones):

    python -m tests.references.make_saliency

The score is tanh(x @ hidden + bias) @ out. Computed in float64, stored in float32.
"""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import saliency.core as saliency

ROWS, FEATURES, UNITS = 2, 13, 6
# Steps, share of the features that go at a time, width of the corridor; the first are the package's defaults.
SETTINGS = {"default": (200, 0.25, 0.02), "wide": (20, 0.1, 0.3), "unbounded": (7, 0.5, 1.0)}


def main():
    rng = np.random.default_rng(3)
    draw = lambda *shape: rng.normal(size=shape).astype("float32")
    arrays = {"hidden": draw(FEATURES, UNITS), "bias": draw(UNITS), "out": draw(UNITS)}
    arrays |= {"x": draw(ROWS, FEATURES), "baseline": 0.3 * draw(1, FEATURES)}
    hidden, bias, out, x, baseline = (array.astype("float64") for array in arrays.values())

    def slopes(rows, call_model_args, expected_keys):
        return {saliency.INPUT_OUTPUT_GRADIENTS: (1 - np.tanh(rows @ hidden + bias) ** 2) * out @ hidden.T}

    for name, (steps, fraction, distance) in SETTINGS.items():
        options = {"x_baseline": baseline[0], "x_steps": steps, "fraction": fraction, "max_dist": distance}
        results = [saliency.GuidedIG().GetMask(row, slopes, **options) for row in x]
        arrays[name] = np.array(results, "float32")
        arrays[f"{name}/options"] = np.array([steps, fraction, distance])
    versions = {f"version/{package}": version(package) for package in ("saliency", "numpy")}
    np.savez_compressed(Path(__file__).parent / "saliency.npz", **arrays, **versions)


if __name__ == "__main__":
    main()
