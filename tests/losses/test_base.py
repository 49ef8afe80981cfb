"""What all explanation losses have in common: arguments, names, configuration."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.losses.models import rows
from tests.models import mlp

ExplanationLoss, LIMEFidelity, RightReasons = (
    xai.losses.ExplanationLoss,
    xai.losses.LIMEFidelity,
    xai.losses.RightReasons,
)
CONCRETE = [
    RightReasons,
    LIMEFidelity,
    xai.losses.LIMEStability,
    xai.losses.SHAPFairness,
    xai.losses.SHAPTarget,
    xai.losses.AttributionPrior,
    xai.losses.EnergyGuidance,
    xai.losses.AttentionGuidance,
    xai.losses.AttributionStability,
    xai.losses.SaliencyGuided,
    xai.losses.JacobianNorm,
    xai.losses.FidelityLoss,
]
# What has to be said of every loss beside the common arguments.
NEEDED = {xai.losses.SHAPFairness: {"protected": [0]}, xai.losses.SHAPTarget: {"target": [1, 0, 2, 1]}}


def test_every_exported_loss_is_tested_here():
    exported = {getattr(xai.losses, name) for name in xai.losses.__all__}
    assert exported == {ExplanationLoss, *CONCRETE}


@pytest.mark.parametrize("loss", CONCRETE)
@pytest.mark.parametrize("weight", [-1, -0.5, "automatic", None, [1.0], float("nan")])
def test_weight_is_a_number_or_auto(loss, weight):
    with pytest.raises(ValueError, match=r"`weight` must be a number of at least 0, or 'auto'"):
        loss(**NEEDED.get(loss, {}), weight=weight)


@pytest.mark.parametrize("weight", [0, 2, 0.5, np.float32(0.5), np.int64(3), "auto"])
def test_weights_that_serve(weight):
    assert RightReasons(weight=weight).weight == weight


@pytest.mark.parametrize("loss", CONCRETE)
def test_unknown_argument(loss):
    with pytest.raises(TypeError, match="wieght"):
        loss(**NEEDED.get(loss, {}), wieght=1.0)


def test_unknown_variant():
    with pytest.raises(ValueError, match=r"Unknown `variant`.*'ridge'.*Received: 'ridg'. Did you mean 'ridge'"):
        LIMEFidelity("ridg")


def test_unknown_explainer():
    with pytest.raises(ValueError, match=r"Unknown `method`.*Did you mean 'gradient'"):
        RightReasons("gradent")
    with pytest.raises(TypeError, match="has no option 'steps'"):
        RightReasons(xai.Explainer("gradient", steps=3))


@pytest.mark.parametrize("bad", [{"samples": 0}, {"samples": 2.5}, {"scale": 0.0}, {"scale": -1.0}])
def test_lime_fidelity_needs_a_neighbourhood(bad):
    """A neighbourhood without points or without width explains nothing."""
    with pytest.raises(ValueError, match=f"`{next(iter(bad))}`"):
        LIMEFidelity(**bad)


@pytest.mark.parametrize(("loss", "name"), [(RightReasons, "right_reasons"), (LIMEFidelity, "lime_fidelity")])
def test_names(loss, name):
    assert loss().name == name
    assert loss(name="mine").name == "mine"


CONFIGURED = {
    "right_reasons": lambda: RightReasons(weight=10.0, auto_share=0.3, output="label", name="mine"),
    "auto": lambda: RightReasons(weight="auto"),
    "explainer_by_name": lambda: RightReasons("integrated_gradients", weight=2.0),
    "explainer": lambda: RightReasons(xai.Explainer("integrated_gradients", steps=7, baseline=0.5, space="logit")),
    "background": lambda: RightReasons(xai.Explainer("expected_gradients", background=np.eye(4, dtype="float32"))),
    "lime_fidelity": lambda: LIMEFidelity("ridge", 30, 0.1, normalize=False, weight=3.0, auto_share=0.1, output=1),
    "one_coordinate": lambda: LIMEFidelity("one_coordinate", weight="auto", name="mine"),
    "resampled": lambda: LIMEFidelity(neighbourhood="resampled", regions=[[0, 1], [2], [3]]),
    "regions": lambda: LIMEFidelity(neighbourhood="regions", regions=np.arange(4), baseline=np.ones(4, "float32")),
    "patches": lambda: LIMEFidelity("ridge", neighbourhood="regions", regions=xai.regions.Patches(4), baseline="mean"),
    "shap_fairness": lambda: xai.losses.SHAPFairness(slice(1, 3), 0.1, 0, weight=2.0),
    "shap_target": lambda: xai.losses.SHAPTarget([1, 2, 0, 1], "ranking", "kernel_shap", name="mine"),
    "energy_guidance": lambda: xai.losses.EnergyGuidance(
        xai.Explainer("grad_cam", layer="last", resize=False), weight=2.0
    ),
    "sparse": lambda: xai.losses.AttributionPrior(
        "sparse", xai.Explainer("expected_gradients", samples=1), weight="auto"
    ),
    "graph": lambda: xai.losses.AttributionPrior("graph", "gradient_input", 1 - np.eye(4), name="mine"),
    "attention_guidance": lambda: xai.losses.AttentionGuidance("last", "attention_rollout", weight=0.5),
    "attribution_stability": lambda: xai.losses.AttributionStability(0.2, "gradient_input", True, every=3),
    "saliency_guided": lambda: xai.losses.SaliencyGuided(0.3, fraction=0.5),
    "jacobian_norm": lambda: xai.losses.JacobianNorm(3, output=0),
    "fidelity_loss": lambda: xai.losses.FidelityLoss("infidelity", samples=4, normalize=True, weight="auto"),
    "lime_stability": lambda: xai.losses.LIMEStability(40, 0.3, 0.2, normalize=False, auto_share=0.2),
}


def flat(config):
    """A configuration with arrays as lists, so that it can be compared."""
    return keras.tree.map_structure(lambda leaf: np.asarray(leaf).tolist(), config)


@pytest.mark.parametrize("case", CONFIGURED)
def test_configuration_round_trip(case):
    loss = CONFIGURED[case]()
    assert flat(type(loss).from_config(loss.get_config()).get_config()) == flat(loss.get_config())
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(copy) is type(loss)
    assert (copy.weight, copy.auto_share, copy.output, copy.name) == (
        loss.weight,
        loss.auto_share,
        loss.output,
        loss.name,
    )
    assert flat(copy.get_config()) == flat(loss.get_config())


@pytest.mark.parametrize("case", ["explainer", "background", "one_coordinate", "sparse", "graph"])
def test_a_copy_has_the_same_value(case, rng):
    loss, model = CONFIGURED[case](), mlp()
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    x, masks = rng.normal(size=(5, 4)).astype("float32"), np.ones((5, 4), "float32")
    np.testing.assert_array_equal(rows(copy, model, x, irrelevant=masks), rows(loss, model, x, irrelevant=masks))


def test_a_loss_of_ones_own(rng):
    """A subclass with `bind` and `call` is all that it takes; without them the message says so."""

    class MeanScore(ExplanationLoss):
        def bind(self, model):
            return xai.Score(model, output=self.output)

        def call(self, explain, batch):
            return explain(batch.inputs, batch.target)

    x, y = rng.normal(size=(6, 4)).astype("float32"), rng.integers(0, 3, 6)
    model = xai.ExplainableModel(mlp())
    expected = model.base(x).numpy()[np.arange(6), y].mean()
    model.compile("sgd", "sparse_categorical_crossentropy", explanation_loss=MeanScore(weight=0.0))
    lines = model.fit(x, y, verbose=0).history
    np.testing.assert_allclose(lines["xai_mean_score_loss"], [expected], rtol=1e-6)
    with pytest.raises(NotImplementedError, match="ExplanationLoss must define `bind`"):
        ExplanationLoss().bind(model)
    with pytest.raises(NotImplementedError, match="ExplanationLoss must define `call`"):
        ExplanationLoss().call(None, None)


def test_a_loss_returns_one_number_per_row(rng):
    class OneNumber(xai.losses.JacobianNorm):
        def call(self, explain, batch):
            return tf.reduce_mean(super().call(explain, batch))

    model = xai.compile(mlp(), "sgd", "sparse_categorical_crossentropy", explanation_loss=OneNumber())
    with pytest.raises(ValueError, match=r"`OneNumber.call` must return .*, `\(batch,\)`. Received: shape \(\)"):
        model.fit(rng.normal(size=(6, 4)).astype("float32"), rng.integers(0, 3, 6), verbose=0)


def test_representations_tell_losses_apart():
    shown = [repr(RightReasons(weight=10.0)), repr(RightReasons(explainer="integrated_gradients"))]
    assert "weight=10.0" in shown[0] and "integrated_gradients" in shown[1]
