"""What a user may get wrong: every message names the culprit and the remedy."""

import keras
import numpy as np
import pytest

import tf_xai as xai
from tests.models import dict_model, list_model, mlp, two_outputs
from tests.training import models
from tests.training.models import fit

RightReasons, LIMEFidelity = xai.losses.RightReasons, xai.losses.LIMEFidelity
NESTED = {"image": np.zeros((5, 6, 6, 1), "float32"), "age": np.zeros((5, 2), "float32")}


@pytest.mark.parametrize("masks", [{}, {"relevant": np.ones(3), "irrelevant": np.ones(3)}])
def test_one_kind_of_mask(masks):
    with pytest.raises(ValueError, match=r"either `relevant` or `irrelevant`"):
        xai.with_evidence(np.zeros((5, 3)), **masks)


STRUCTURES = {
    "keys": (NESTED, {"image": np.zeros((5, 6, 6, 1))}, r"keys \['age', 'image'\].*keys \['image'\]"),
    "array_for_dict": (NESTED, np.zeros((5, 2)), r"keys \['age', 'image'\].*one array"),
    "dict_for_array": (np.zeros((5, 2)), {"x": np.zeros((5, 2))}, r"one array.*keys \['x'\]"),
    "too_few": ([np.zeros((5, 3)), np.zeros((5, 2))], [np.zeros((5, 3))], "2 entries.*1 entries"),
}


@pytest.mark.parametrize("case", STRUCTURES)
def test_masks_of_another_structure(case):
    x, masks, message = STRUCTURES[case]
    with pytest.raises(ValueError, match=f"(?s)`relevant` must have the structure of `inputs`.*{message}"):
        xai.with_evidence(x, relevant=masks)


@pytest.mark.parametrize("shape", [(4,), (5, 1, 3), (4, 3), (2,), (3, 5)])
def test_masks_that_do_not_broadcast(shape):
    with pytest.raises(ValueError, match=r"`irrelevant` must broadcast.*\(5, 3\).*per row"):
        xai.with_evidence(np.zeros((5, 3)), irrelevant=np.zeros(shape))


@pytest.mark.parametrize("shape", [(6, 6, 1), (1, 6, 6, 1), (5, 6, 6, 1), (6, 1, 1), (1, 1)])
def test_masks_that_broadcast(shape, rng):
    """Whatever its shape, a mask is the one that NumPy broadcasts."""
    mask = rng.integers(0, 2, shape)
    packed = xai.with_evidence(np.zeros((5, 6, 6, 1)), irrelevant=mask)
    (given,) = [value for name, value in packed.items() if name == "xai_irrelevant"]
    assert len(given) == 5
    expected = np.broadcast_to(mask, (5, 6, 6, 1))
    np.testing.assert_array_equal(np.broadcast_to(given, (5, 6, 6, 1)), expected)


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_training_without_evidence_names_the_loss(run_eagerly, rng):
    x, y = models.table(rng)
    model = models.compiled(mlp(), [LIMEFidelity(), RightReasons()], run_eagerly=run_eagerly)
    with pytest.raises(ValueError, match=r"`RightReasons` needs evidence.*with_evidence"):
        fit(model, x, y)


@pytest.mark.parametrize("wrong", ["RightReasons", "mse", keras.losses.MeanSquaredError(), RightReasons, 3.0])
def test_explanation_loss_of_another_type(wrong):
    for given in (wrong, [RightReasons(), wrong]):
        with pytest.raises(TypeError, match=r"`explanation_loss` takes `ExplanationLoss` objects"):
            models.compiled(mlp(), given)


def test_a_misspelt_loss_is_suggested():
    with pytest.raises(TypeError, match="Did you mean 'RightReasons'"):
        models.compiled(mlp(), "RightReason")


def test_two_losses_of_one_name():
    with pytest.raises(ValueError, match=r"different names.*right_reasons.*Pass `name=`"):
        models.compiled(mlp(), [RightReasons(), RightReasons("gradient_input")])
    models.compiled(mlp(), [RightReasons(), RightReasons("gradient_input", name="other")])


def test_several_outputs_need_one_named(rng):
    x, y = models.table(rng)
    labels = {"label": y, "amount": np.zeros(len(y), "float32")}
    loss = {"label": models.CROSSENTROPY, "amount": "mse"}
    model = models.compiled(two_outputs(), LIMEFidelity(), loss=loss)
    with pytest.raises(ValueError, match=r"several outputs. Pass `output=`, one of .*label"):
        fit(model, x, labels)
    with pytest.raises(ValueError, match=r"Unknown `output`.*Received: 'labels'.*Did you mean 'label'"):
        fit(models.compiled(two_outputs(), LIMEFidelity(output="labels"), loss=loss), x, labels)


@pytest.mark.parametrize("build", [dict_model, list_model])
def test_inner_errors_say_where(build, rng):
    """A loss that fails inside `fit` names itself and the shapes."""
    specs = build().input
    x = keras.tree.map_structure(lambda spec: np.zeros((6, *spec.shape[1:]), "float32"), specs)
    model = models.compiled(build(), LIMEFidelity(samples=3))
    with pytest.raises(ValueError, match="needs more than") as caught:
        fit(model, x, np.zeros(6, int))
    assert any("LIMEFidelity" in note and "(6, 2)" in note.replace("None", "6") for note in caught.value.__notes__)


def test_compile_in_one_call_says_where():
    with pytest.raises(TypeError) as caught:
        xai.compile(mlp(), "sgd", "mse", explanation_loss="mse")
    assert any("While compiling" in note for note in caught.value.__notes__)


def test_compile_in_one_call(rng):
    x, y = models.table(rng)
    model = xai.compile(mlp(), "sgd", models.CROSSENTROPY, metrics=["accuracy"], explanation_loss=[LIMEFidelity()])
    assert isinstance(model, xai.ExplainableModel)
    assert set(fit(model, x, y)) == {"loss", "accuracy", "xai_lime_fidelity_loss"}
    again = xai.compile(model, "sgd", models.CROSSENTROPY)
    assert again is model
