"""What a user may get wrong: every message names the culprit and the remedy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.models import cnn, dict_model, list_model, mlp, two_outputs
from tests.training import models
from tests.training.models import fit
from tests.training.test_modes import under

RightReasons, LIMEFidelity, JacobianNorm = xai.losses.RightReasons, xai.losses.LIMEFidelity, xai.losses.JacobianNorm
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
    model = models.compiled(build(), LIMEFidelity(samples=2))
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


@pytest.mark.parametrize("kind", ["relevant", "irrelevant"])
@pytest.mark.parametrize("wrong", [255, np.nan, -1])
def test_masks_of_a_pipeline_are_looked_at(wrong, kind, rng):
    """As `with_evidence` does with arrays; but XLA leaves such checks out."""
    x, y = models.table(rng)
    masks = np.where(models.masks_like(rng, x) > 0, wrong, 0).astype("float32")
    batches = tf.data.Dataset.from_tensor_slices((x, masks, y)).batch(4)
    batches = batches.map(lambda x, mask, y: (xai.with_evidence(x, **{kind: mask}), y))
    model = models.compiled(mlp(), RightReasons(), jit_compile=False)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Evidence must hold booleans or numbers from 0 to 1"):
        fit(model, batches, batch_size=None)


def test_the_message_about_evidence_names_its_kind(rng):
    x, y = rng.normal(size=(4, 8, 8, 1)).astype("float32"), np.zeros(4)
    with pytest.raises(ValueError, match=r"`EnergyGuidance` needs evidence.*relevant=masks"):
        fit(models.compiled(cnn(), xai.losses.EnergyGuidance()), x, y)


def my_crossentropy(y, logits):
    return keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)


@pytest.mark.parametrize("loss", ["RightReasons", "LIMEFidelity", "JacobianNorm", "AttributionStability"])
def test_a_loss_of_ones_own_does_not_say_what_the_outputs_are(loss, rng):
    """With `from_logits` the penalty is that under Keras's loss; without it, a warning."""
    x, y = models.table(rng)
    evidence, base = xai.with_evidence(x, irrelevant=models.masks_like(rng, x)), mlp(activation="tanh", final=None)

    def penalty(task, **options):
        model = models.compiled(base, getattr(xai.losses, loss)(**options), loss=task)
        return [v for name, v in model.evaluate(evidence, y, verbose=0, return_dict=True).items() if "xai" in name]

    expected = penalty(keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    np.testing.assert_allclose(penalty(my_crossentropy, from_logits=True), expected, rtol=1e-5)
    with pytest.warns(UserWarning, match=f"`{loss}` takes them for numbers. .* Pass `from_logits=True`"):
        found = penalty(my_crossentropy)
    # The slopes of one logit, and all logits, are those of numbers as well.
    assert (found == pytest.approx(expected, rel=1e-3)) == (loss in ("LIMEFidelity", "JacobianNorm"))


def test_integers_beside_floats_are_held_fixed_with_a_warning(rng):
    age, sex = keras.Input((2,), name="age"), keras.Input((1,), dtype="int32", name="sex")
    joined = keras.layers.Concatenate()([age, keras.ops.one_hot(sex[:, 0], 2)])
    base = keras.Model({"age": age, "sex": sex}, keras.layers.Dense(3, "softmax")(joined))
    x = {"age": rng.normal(size=(6, 2)).astype("float32"), "sex": rng.integers(0, 2, (6, 1))}
    evidence = xai.with_evidence(x, irrelevant={"age": np.zeros(2), "sex": np.ones(1)})
    with pytest.warns(UserWarning, match="Integers that no `Embedding` looks up are held fixed"):
        fit(models.compiled(base, RightReasons()), evidence, np.zeros(6))


@pytest.mark.parametrize("output", ["other", 3])
def test_an_output_that_a_sequential_does_not_have(output, rng):
    with pytest.raises(ValueError, match="`output`"):
        fit(models.compiled(mlp(), LIMEFidelity(output=output)), *models.table(rng))


def test_an_output_without_labels(rng):
    x = rng.normal(size=(6, 4)).astype("float32")
    model = xai.ExplainableModel(two_outputs())
    options = {"loss": {"label": "sparse_categorical_crossentropy"}, "explanation_loss": LIMEFidelity(output="amount")}
    model.compile("sgd", **options)
    with pytest.raises(ValueError, match=r"`output='amount'` needs labels of its own, .* Received: keys \['label'\]"):
        fit(model, x, {"label": np.zeros(6, int)})


@pytest.mark.parametrize("name", ["model.h5", "model.hdf5"])
def test_a_format_that_does_not_know_the_losses(name, tmp_path, rng):
    with pytest.raises(ValueError, match=r"is saved as `\.keras`"):
        models.compiled(mlp(), LIMEFidelity()).save(tmp_path / name)


def test_float64(rng):
    """The penalty has the precision of the losses, and the total that of the task."""
    x, y = models.table(rng)
    single = under("float32", mlp)
    double = under("float64", mlp)
    double.set_weights(single.get_weights())
    found = [fit(models.compiled(base, JacobianNorm()), x, y)["loss"][0] for base in (single, double)]
    assert found[1] == pytest.approx(found[0], rel=1e-5)
    np.testing.assert_allclose(double.get_weights()[0], single.get_weights()[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["train_step", "compute_loss", "compute_metrics"])
def test_a_base_that_says_itself_how_it_is_trained(name):
    """Its own objective would be lost."""
    own = type("Own", (keras.Sequential,), {name: lambda self, *args, **kwargs: None})
    with pytest.raises(TypeError, match=rf"Own, which overrides \['{name}'\].*`add_loss`"):
        xai.compile(own([keras.Input((4,)), keras.layers.Dense(3)]), "sgd", "mse")
