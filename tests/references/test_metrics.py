"""Metrics against captum 0.9.0 and Quantus 0.6.0, whose results `make_metrics.py` has stored, with their draws."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.references.rebuild import Reference
from tf_xai import metrics
from tf_xai.core import random
from tf_xai.metrics import correlation


@pytest.fixture(scope="module")
def stored():
    with np.load(Path(__file__).parent / "metrics.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def mlp():
    return Reference("captum", "mlp")


@pytest.fixture
def drawn(stored, monkeypatch):
    """The perturbations that captum had, in place of the metrics' own."""
    uniform = (stored["moves"] + 1) / 2
    monkeypatch.setattr(random, "normals", lambda seed, k, shape: tf.gather(stored["shares"] / stored["scale"], k))
    monkeypatch.setattr(random, "fold", lambda seed, number: number)
    monkeypatch.setattr(random, "uniform", lambda number, shape: tf.gather(uniform, number))
    return stored


def explainer(name):
    """With the options that captum had."""
    return xai.Explainer(name, **({"steps": 50} if name == "integrated_gradients" else {}))


@pytest.mark.parametrize("case", ["gradient_input", "negated", "integrated_gradients"])
def test_infidelity(case, mlp, drawn):
    product, baseline = drawn["captum/gradient_input"], "zeros"
    values = {"gradient_input": product, "negated": -product}.get(case)
    if case == "integrated_gradients":
        values, baseline = mlp["integrated_gradients_baseline"], mlp["baseline"]
    options = {"baseline": baseline, "samples": len(drawn["shares"]), "scale": float(drawn["scale"])}
    found = metrics.infidelity(mlp.score, mlp.x, mlp.target, values, **options)
    np.testing.assert_allclose(found, drawn[f"captum/infidelity/{case}"], rtol=1e-5)


@pytest.mark.parametrize("method", ["gradient_input", "integrated_gradients"])
def test_max_sensitivity(method, mlp, drawn):
    explain = explainer(method).bind(mlp.model)
    options = {"radius": float(drawn["radius"]), "samples": len(drawn["moves"]), "chunk": 1}
    given = (mlp.score, mlp.x, mlp.target, explain(mlp.x, mlp.target))
    found = metrics.max_sensitivity(*given, explain=explain, **options)
    np.testing.assert_allclose(found, drawn[f"captum/max_sensitivity/{method}"], rtol=1e-5)


def test_faithfulness_estimate(mlp, stored):
    found = metrics.faithfulness_estimate(mlp.score, mlp.x, mlp.target, stored["noise"])
    np.testing.assert_allclose(found, stored["quantus/faithfulness_estimate"], rtol=1e-5)


def test_faithfulness_correlation(mlp, stored, monkeypatch):
    """With the sets that Quantus drew."""
    sets = np.any(stored["quantus/sets"][..., None] == np.arange(5), axis=-2)
    for row in range(2):
        monkeypatch.setattr(correlation, "_sets", lambda *_, row=row: tf.constant(sets[:, row]))
        given = (mlp.x[row:][:1], mlp.target[row:][:1], stored["noise"][row:][:1])
        found = metrics.faithfulness_correlation(mlp.score, *given, size=2)
        np.testing.assert_allclose(found, stored["quantus/faithfulness_correlation"][row:][:1], rtol=1e-5)


@pytest.mark.parametrize("name", ["sparseness", "complexity"])
def test_of_attributions_alone(name, stored):
    found = metrics.METRICS[name](None, None, None, stored["noise"])
    np.testing.assert_allclose(found, stored[f"quantus/{name}"], rtol=1e-5)


@pytest.mark.parametrize("name", ["relevance_mass", "relevance_rank", "pointing_game"])
def test_localisation(name, stored):
    maps, masks = stored["quantus/maps"][..., None], stored["quantus/masks"][..., None]
    found = metrics.METRICS[name](None, maps, None, maps, evidence=masks)
    np.testing.assert_allclose(found, stored[f"quantus/{name}"], rtol=1e-5)
