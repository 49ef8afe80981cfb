"""ExplanationDrift: what it compares with what, who sees it, and what goes wrong."""

import keras
import numpy as np
import pytest

import tf_xai as xai
from tests.models import cnn, linear, mlp
from tf_xai.callbacks import ExplanationDrift

LINES = {"xai_drift_rank_agreement", "xai_drift_topk_agreement", "xai_drift_flipped"}


@pytest.fixture
def data(rng):
    x = rng.normal(size=(24, 4)).astype("float32")
    return x, (x[:, 0] > 0).astype("int32")


def fit(callbacks, data, model=None, epochs=3, **options):
    model = model or mlp()
    if not model.compiled:
        model.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy")
    return model.fit(*data, epochs=epochs, verbose=0, callbacks=callbacks, **options).history


class Move(keras.callbacks.Callback):
    """Sets the weights at the end of every epoch, before the callbacks that stand after it."""

    def __init__(self, *weights):
        super().__init__()
        self.weights = weights

    def on_epoch_end(self, epoch, logs=None):
        weights = np.asarray(self.weights[epoch], "float32")
        self.model.layers[0].set_weights([weights, np.zeros(weights.shape[1])])


class Explain(keras.callbacks.Callback):
    """Keeps the attributions before the training and after every epoch, as `xai.explain` gives them."""

    def __init__(self, x, y=None):
        super().__init__()
        self.x, self.y, self.values = x, y, []

    def on_train_begin(self, logs=None):
        self.values.append(xai.explain(self.model, self.x, self.y, verbose=0).values)

    def on_epoch_end(self, epoch, logs=None):
        self.on_train_begin()


def agree(now, then, metric=xai.metrics.rank_agreement, **options):
    return np.mean(metric(now, then, **options))


@pytest.mark.parametrize("batch_size", [64, 7])
def test_the_values_are_those_of_the_functions(data, batch_size):
    """Of each epoch with the one before; of the first one with the model before the training."""
    seen = Explain(*data)
    drift = ExplanationDrift(*data, k=2, batch_size=batch_size)
    history = fit([seen, drift], data)
    pairs = list(zip(seen.values[1:], seen.values[:-1], strict=True))
    np.testing.assert_allclose(history["xai_drift_rank_agreement"], [agree(*pair) for pair in pairs], atol=1e-6)
    topk = [agree(*pair, xai.metrics.topk_agreement, k=2) for pair in pairs]
    np.testing.assert_allclose(history["xai_drift_topk_agreement"], topk, atol=1e-6)
    assert 0.1 < history["xai_drift_rank_agreement"][0] < 0.99
    assert [drift.history[epoch]["lines"] for epoch in range(3)] == [
        {name: history[name][epoch] for name in sorted(LINES)} for epoch in range(3)
    ]


def test_the_first_epoch_as_the_reference(data):
    seen = Explain(data[0])
    history = fit([seen, ExplanationDrift(data[0], reference=["previous", "first"])], data)
    _, first, second, third = seen.values
    expected = [1.0, agree(second, first), agree(third, first)]
    np.testing.assert_allclose(history["xai_drift_first_rank_agreement"], expected, atol=1e-6)
    assert history["xai_drift_previous_rank_agreement"][2] == pytest.approx(agree(third, second), abs=1e-6)
    assert "xai_drift_rank_agreement" not in history and history["xai_drift_first_flipped"][0] == 0


def test_another_run_as_the_reference(data, tmp_path):
    """As an object, as a file, and as a file under a name."""
    other = xai.explain(mlp(), *data, verbose=0)
    other.save(tmp_path / "baseline.npz")
    seen = Explain(*data)
    references = [other, tmp_path / "baseline.npz", {"run_1": str(tmp_path / "baseline"), "previous": "previous"}]
    names = ["", "", "run_1_"]
    for reference, name in zip(references, names, strict=True):
        history = fit([seen, ExplanationDrift(*data, reference=reference)], data, epochs=2)
        expected = [agree(values, other.values) for values in seen.values[-2:]]
        np.testing.assert_allclose(history[f"xai_drift_{name}rank_agreement"], expected, atol=1e-6)
    both = ExplanationDrift(*data, reference=["first", tmp_path / "baseline.npz"], metrics="topk_agreement")
    lines = {f"xai_drift_{name}_{line}" for name in ("first", "baseline") for line in ("topk_agreement", "flipped")}
    assert {line for line in fit([both], data, epochs=1) if "drift" in line} == lines


# Of the second set of weights the ranks are reversed, and class 1 gains a little.
WEIGHTS = [[3.0, 0.0], [1.0, 0.0], [2.0, 0.0]]
REVERSED = [[1.0, 1.5], [3.0, 1.5], [2.0, 1.5]]
ROWS = np.array([[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0], [1.0, 0.2, 0.2], [1.0, -1.0, 0.0]], "float32")


def test_flipped_rows_have_another_explanation_and_the_same_class():
    """Of class 0: correlations of -1, -1, 1/2 and 1. The third row becomes one of class 1, which is why it is none."""
    model = linear()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    labels = np.zeros(4, int)
    drift = ExplanationDrift(ROWS, labels, "gradient_input", flip=0.6)
    fit([Move(WEIGHTS, REVERSED, REVERSED), drift], (ROWS, labels), model)
    epochs = [drift.history[epoch] for epoch in (1, 2)]
    assert [entry["flipped"] for entry in epochs] == [{"previous": [0, 1]}, {"previous": []}]
    assert [entry["lines"]["xai_drift_flipped"] for entry in epochs] == [0.5, 0.0]
    assert epochs[0]["lines"]["xai_drift_rank_agreement"] == pytest.approx((-1 - 1 + 0.5 + 1) / 4, abs=1e-5)
    assert drift.flipped == {"previous": []} and drift.lines == epochs[1]["lines"]


@pytest.mark.parametrize(("tolerance", "flipped"), [(0.05, [0]), (0.2, [0, 2]), (0.3, [0, 1, 2])])
def test_flipped_rows_of_a_regression(tolerance, flipped):
    """Scores of 6, 6.6 and -6 become 6, 5 and -6.8 for other reasons: 0, 0.28 and 0.14 standard deviations away."""
    x = np.array([[1.0, 1.0, 1.0], [1.6, 0.8, 0.5], [-1.0, -1.4, -0.8]], "float32")
    model = linear(np.array([[3.0], [1.0], [2.0]], "float32"))
    model.compile("sgd", "mse")
    drift = ExplanationDrift(x, explainer="gradient_input", flip=0.0, tolerance=tolerance)
    move = Move([[3.0], [1.0], [2.0]], [[1.0], [3.0], [2.0]])
    fit([move, drift], (x, np.zeros(3)), model, epochs=2)
    assert drift.flipped["previous"] == flipped


def test_flipped_against_another_run(data):
    """Its target counts as the class then: of labels that the model does not predict, no row flips."""
    model = mlp()
    classes = model.predict(data[0], verbose=0).argmax(axis=1)
    other = xai.explain(model, data[0], verbose=0)
    wrong = xai.explain(model, data[0], (classes + 1) % 3, verbose=0)
    drift = ExplanationDrift(data[0], reference={"same": other, "wrong": wrong}, flip=2.0)
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    history = fit([drift], data, model, epochs=1)
    assert history["xai_drift_same_flipped"] == [1.0] and history["xai_drift_wrong_flipped"] == [0.0]


def test_rows_without_a_value(data):
    """Attributions of zero name no features, of NaN neither."""
    x = data[0].copy()
    x[3], x[5] = 0.0, np.nan
    drift = ExplanationDrift(x, data[1], "gradient_input")
    with pytest.warns(UserWarning) as seen:
        history = fit([drift], data, epochs=1)
    words = [str(one.message) for one in seen if "probe rows" in str(one.message)]
    assert words[0].startswith("`xai_drift_rank_agreement` is undefined for 2 of 24 probe rows (rows 3, 5)")
    assert words[1].startswith("`xai_drift_topk_agreement` is undefined for 2 of 24 probe rows (rows 3, 5)")
    assert all(np.isfinite(history[line][0]) for line in LINES)


def test_a_model_that_says_nothing():
    """Whether now or then: all rows are undefined, so that both lines and the share are NaN."""
    model = linear()
    model.compile("sgd", "mse")
    drift = ExplanationDrift(ROWS, np.zeros(4, int), "gradient_input")
    with pytest.warns(UserWarning, match="undefined for 4 of 4 probe rows"):
        fit([Move(WEIGHTS, np.zeros((3, 2)), WEIGHTS, WEIGHTS), drift], (ROWS, np.zeros((4, 2))), model, epochs=4)
    undefined = [[np.isnan(drift.history[epoch]["lines"][line]) for epoch in range(4)] for line in sorted(LINES)]
    assert undefined == [[False, True, True, False]] * 3


def test_every_other_epoch(data):
    seen, drift = Explain(*data), ExplanationDrift(*data, every=2)
    history = fit([seen, drift], data, epochs=5)
    values = history["xai_drift_rank_agreement"]
    assert sorted(drift._snapshots) == [2, 4], "little is kept, however long the training"
    assert sorted(drift.history) == [0, 2, 4] and values[0] == values[1] != values[2] == values[3]
    _, first, _, third, _, fifth = seen.values
    assert values[2:] == pytest.approx([agree(third, first), agree(third, first), agree(fifth, third)], abs=1e-6)


def test_a_second_training_goes_on_or_starts_anew(data):
    """`fit` from epoch 0 drops the history, `initial_epoch` keeps what is before it."""
    model, drift = mlp(), ExplanationDrift(*data, reference=["previous", "first"])
    fit([drift], data, model)
    kept = {epoch: drift.history[epoch] for epoch in (0, 1)}
    seen = Explain(*data)
    fit([seen, drift], data, model, epochs=4, initial_epoch=2)
    assert sorted(drift.history) == [0, 1, 2, 3] and {epoch: drift.history[epoch] for epoch in (0, 1)} == kept
    last = drift.history[3]["lines"]["xai_drift_previous_rank_agreement"]
    assert last == pytest.approx(agree(seen.values[2], seen.values[1]), abs=1e-6)
    fit([drift], data, model, epochs=1)
    assert sorted(drift.history) == [0]


def traces(drift):
    return [part.experimental_get_tracing_count() for part in (drift._explain, drift._compare)]


def test_one_trace_for_the_whole_fit(data):
    """Of batches that differ by a row there are two, both before the training."""
    data, model, counts = (data[0][:23], data[1][:23]), mlp(), []
    even, uneven = ExplanationDrift(*data), ExplanationDrift(*data, batch_size=10, name="uneven")
    look = lambda epoch, logs: counts.append([traces(even), traces(uneven)])
    count = keras.callbacks.LambdaCallback(on_epoch_end=look)
    for _ in range(2):
        fit([even, uneven, count], data, model)
    assert counts == [[[1, 1], [2, 2]]] * 6


def test_the_model_trains_as_without_it(rng):
    """BatchNorm, Dropout and shuffling draw and move as if nobody looked; maps have one channel."""
    x, y = rng.random((20, 8, 8, 1)).astype("float32"), rng.integers(0, 3, 20)
    maps, weights = xai.Explainer("grad_cam", relu=False), []
    watching = [ExplanationDrift(x, y, "smooth_grad"), ExplanationDrift(x, y, maps, name="maps")]
    for callbacks in ([], watching):
        keras.utils.set_random_seed(1)
        model = cnn()
        history = fit(callbacks, (x, y), model)
        weights.append(model.get_weights())
    assert LINES | {line.replace("drift", "maps") for line in LINES} <= set(history)
    for plain, watched in zip(*weights, strict=True):
        np.testing.assert_array_equal(plain, watched)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reference": "previos"}, "Unknown `reference`.*Did you mean 'previous'"),
        ({"reference": ["first", "first"]}, "different names"),
        ({"reference": []}, "there must be one"),
        ({"metrics": "rank_agreements"}, "Unknown `metrics`.*Did you mean 'rank_agreement'"),
        ({"metrics": []}, "must name one of"),
        ({"explainer": ["gradient", "grad_cam"]}, "must be one explainer"),
        ({"k": 0}, "`k` must be an integer"),
        ({"every": 0}, "`every` must be an integer"),
    ],
)
def test_what_goes_wrong(data, options, words):
    with pytest.raises(ValueError, match=words):
        ExplanationDrift(*data, **options)


def test_references_that_do_not_fit(data):
    model = mlp()
    model.layers[0].name = "hidden"
    explain = lambda x, **options: xai.explain(model, x, verbose=0, **options)
    with pytest.raises(ValueError, match=r"Expected: 24 rows\. Received: 5"):
        ExplanationDrift(*data, reference=explain(data[0][:5]))
    with pytest.raises(ValueError, match="other inputs, or in another order"):
        ExplanationDrift(*data, reference=explain(data[0][::-1]))
    layer = explain(data[0], method="gradient_input", layer="hidden")
    with pytest.raises(ValueError, match=r"Expected: \[\(24, 4\)\]. Received: \[\(24, 8\)\]"):
        fit([ExplanationDrift(*data, reference=layer)], data, model)
