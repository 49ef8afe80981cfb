"""Against captum 0.9.0, whose results `make.py` has stored."""

import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.references.rebuild import Reference
from tf_xai import attributions

NETS = ["mlp", "cnn"]


@pytest.fixture(scope="module", params=NETS)
def reference(request):
    """Every network in turn."""
    return Reference("captum", request.param)


@pytest.fixture(scope="module")
def images():
    """The one that looks at images."""
    return Reference("captum", "cnn")


def test_the_rebuilt_network_is_the_same(reference):
    reference.assert_agrees(reference.model(reference.x), "output", 1e-6)


@pytest.mark.parametrize("method", ["gradient", "gradient_input", "guided_backprop", "deconvnet", "deep_lift"])
def test_one_pass(reference, method):
    reference.assert_agrees(getattr(attributions, method)(reference.score, reference.x, reference.target), method)


def test_integrated_gradients(reference):
    values = lambda **options: attributions.integrated_gradients(
        reference.score, reference.x, reference.target, steps=50, **options
    )
    reference.assert_agrees(values(), "integrated_gradients")
    reference.assert_agrees(values(baseline=reference["baseline"]), "integrated_gradients_baseline")


def test_deep_lift_from_a_baseline(reference):
    options = {"baseline": reference["baseline"]}
    values = attributions.deep_lift(reference.score, reference.x, reference.target, **options)
    reference.assert_agrees(values, "deep_lift_baseline")


def test_grad_cam(images):
    layer = images.layer(layers.ReLU, 1)
    maps = attributions.grad_cam(images.score, images.x, images.target, layer=layer, resize=False)
    images.assert_agrees(maps, "grad_cam")


def test_guided_grad_cam(images):
    layer = images.layer(layers.ReLU, 0)
    values = attributions.guided_grad_cam(images.score, images.x, images.target, layer=layer)
    images.assert_agrees(values, "guided_grad_cam")


@pytest.mark.parametrize("baseline", ["zeros", "stored"])
def test_occlusion(images, baseline):
    start, name = ("zeros", "occlusion") if baseline == "zeros" else (images["baseline"], "occlusion_baseline")
    values = attributions.occlusion(images.score, images.x, images.target, baseline=start, window=3, stride=2)
    # A window moves over the positions: the channels of a position have its value in common.
    assert np.ptp(images[name], axis=-1).max() == 0
    images.assert_agrees(tf.broadcast_to(values, images.x.shape), name)
