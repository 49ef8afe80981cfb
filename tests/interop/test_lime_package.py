"""The explainers of the lime package, live on small models."""

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest

from tests import models
from tf_xai import interop

lime = pytest.importorskip("lime.lime_tabular")


@pytest.fixture
def table(rng):
    return rng.normal(size=(60, 4)).astype("float32")


def _by_hand(model, row, table, label, **options):
    """The package itself."""
    explainer = lime.LimeTabularExplainer(table.astype("float64"), random_state=0, **options)
    predict = lambda rows: model.predict(rows, verbose=0)
    return explainer.explain_instance(row.astype("float64"), predict, labels=(label,), num_samples=200)


def test_tables_are_explained_as_by_the_package_itself(table):
    model = models.mlp()
    ours = interop.lime_tabular(model, table[:2], table, target=[2, 0], num_samples=200, random_state=0)
    assert [e.available_labels() for e in ours] == [[2], [0]]
    expected = _by_hand(model, table[0], table, 2)
    assert [name for name, _ in ours[0].as_list(label=2)] == [name for name, _ in expected.as_list(label=2)]
    np.testing.assert_allclose(*([w for _, w in e.as_list(label=2)] for e in (ours[0], expected)), rtol=1e-4)


def test_the_explained_class_is_shown_where_none_is_named(table):
    for label, e in enumerate(interop.lime_tabular(models.mlp(), table[:3], table, target=[0, 1, 2], num_samples=50)):
        assert e.as_list() == e.as_list(label) == e.as_list(label=label)
        assert "explanation for class" in e.as_pyplot_figure().axes[0].get_title()
    plt.close("all")
    (e,) = interop.lime_tabular(models.mlp(), table[:1], table, target=0, num_samples=50, labels=(2,))
    assert e.as_list() == e.as_list(label=2)


def test_regressions_and_one_sigmoid_unit(table):
    (e,) = interop.lime_tabular(models.regression(), table[:1], table, num_samples=200)
    assert e.mode == "regression" and len(e.as_list()) == 4
    model = models.binary()
    (e,) = interop.lime_tabular(model, table[:1], table, num_samples=200)
    positive = float(model(table[:1])[0, 0])
    np.testing.assert_allclose(e.predict_proba, [1 - positive, positive], rtol=1e-5)
    assert e.available_labels() == [1]


def test_the_predicted_class_and_the_labels_of_the_package(table):
    model = models.mlp()
    predicted = np.argmax(model(table[:3]), axis=1)
    found = interop.lime_tabular(model, table[:3], table, num_samples=50)
    assert [e.available_labels() for e in found] == [[label] for label in predicted]
    (e,) = interop.lime_tabular(model, table[:1], table, num_samples=50, top_labels=3)
    assert sorted(e.available_labels()) == [0, 1, 2]
    (e,) = interop.lime_tabular(model, table[:1], table, num_samples=50, labels=(0, 2))
    assert sorted(e.available_labels()) == [0, 2]


def test_names_spaces_and_outputs(table):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(table, columns=["a", "b", "c", "d"])
    model = models.two_outputs()
    options = {"output": "label", "space": "log_probability", "num_samples": 50, "discretize_continuous": False}
    with pytest.warns(UserWarning, match="do not sum to 1"):
        (e,) = interop.lime_tabular(model, frame[:1], frame, target=1, **options)
    np.testing.assert_allclose(e.predict_proba, np.log(model(table[:1])["label"][0]), rtol=1e-4)
    assert {name for name, _ in e.as_list(label=1)} == {"a", "b", "c", "d"}


@pytest.mark.parametrize("channels", [1, 3])
def test_images(channels, rng):
    model, images = models.cnn((12, 12, channels)), rng.random((2, 12, 12, channels)).astype("float32")
    segments = lambda image: np.arange(144).reshape(12, 12) // 36
    found = interop.lime_image(model, images, target=1, num_samples=30, segmentation_fn=segments)
    for e, image in zip(found, images, strict=True):
        assert len(e.local_exp[1]) == 4
        shown, mask = e.get_image_and_mask(1, positive_only=False, num_features=4)
        assert shown.shape == (12, 12, 3) and mask.shape == (12, 12)
        np.testing.assert_allclose(e.image[..., :channels], image, rtol=1e-6)
    with pytest.raises(ValueError, match="`x` must hold images"):
        interop.lime_image(model, images[0])


def test_strings(rng):
    vectorize = keras.layers.TextVectorization(output_sequence_length=6)
    vectorize.adapt(["a good bad film very nice"])
    layers = [keras.Input((1,), dtype="string"), vectorize, keras.layers.Embedding(12, 4)]
    model = keras.Sequential([*layers, keras.layers.GlobalAveragePooling1D(), models.dense(2, "softmax")])
    words = [{"good", "film"}, {"very", "bad"}]
    found = interop.lime_text(model, ["good film", "very bad"], target=1, num_samples=50)
    assert [{word for word, _ in e.as_list(label=1)} for e in found] == words
    ids = keras.Sequential(model.layers[1:])
    encode = lambda texts: vectorize(np.array(texts))
    same = interop.lime_text(ids, ["good film", "very bad"], encode=encode, target=1, num_samples=50, random_state=0)
    again = interop.lime_text(model, ["good film", "very bad"], target=1, num_samples=50, random_state=0)
    for one, other in zip(same, again, strict=True):
        np.testing.assert_allclose([w for _, w in one.as_list(1)], [w for _, w in other.as_list(1)], rtol=1e-4)


def test_series(rng):
    model, series = models.cnn((5, 2)), rng.normal(size=(30, 5, 2)).astype("float32")
    options = {"target": 0, "num_samples": 100, "discretize_continuous": False}
    (e,) = interop.lime_recurrent(model, series[:1], series, **options)
    assert len(e.as_list(label=0)) == 10 and "x1_t-4" in dict(e.as_list(label=0))
    np.testing.assert_allclose(e.predict_proba, model(series[:1])[0], rtol=1e-5)


def test_wrong_arguments(table):
    model = models.mlp()
    with pytest.raises(TypeError, match=r"`lime_tabular` has no option 'num_feature'.*Did you mean 'num_features'"):
        interop.lime_tabular(model, table[:1], table, num_feature=3)
    with pytest.raises(TypeError, match="`lime_tabular` has no option 'training_data'"):
        interop.lime_tabular(model, table[:1], table, training_data=table)
    with pytest.raises(ValueError, match="`target` must be one of 3 classes"):
        interop.lime_tabular(model, table[:1], table, target=3)
    with pytest.raises(ValueError, match="`target` must hold one class per row"):
        interop.lime_tabular(model, table[:1], table, target=np.eye(3)[:1])


def test_what_lime_can_not_explain_is_named(table):
    image, age = np.zeros((2, 6, 6, 1)), np.zeros((2, 2))
    with pytest.raises(ValueError, match=r"`lime_tabular` explains models of one array.*keys.*method='lime'"):
        interop.lime_tabular(models.dict_model(), {"image": image, "age": age}, table)
    with pytest.raises(ValueError, match=r"explains models of one array.*one array for a model of several inputs"):
        interop.lime_tabular(models.list_model(), table[:1], table)
    with pytest.raises(ValueError, match=r"The model takes int32, not strings. Pass `encode=`"):
        interop.lime_text(models.tokens(), ["a text"])


def test_predictions_are_traced_once_whatever_their_number(table):
    from tf_xai.interop.predict import Predict

    predict = Predict(models.mlp())
    sizes = [1, 7, 30, 60]
    values = [predict(table[:size]) for size in sizes]
    np.testing.assert_allclose(values[0], values[-1][:1], rtol=1e-5)
    assert predict._values.experimental_get_tracing_count() <= 2
