"""Names of lines: two callbacks in one training, and the model's own metrics beside a callback."""

import warnings

import pytest

import tf_xai as xai
from tests.callbacks.test_probe import compiled, data  # noqa: F401
from tests.models import mlp
from tf_xai.callbacks import ExplanationDrift, ExplanationMetrics

METRICS = ["completeness", "deletion"]


def lines(model, data, *callbacks, **options):  # noqa: F811
    history = model.fit(*data, epochs=2, verbose=0, callbacks=list(callbacks), **options).history
    return {line: values for line, values in history.items() if line.startswith("xai")}


def test_a_name_stands_in_all_lines(data):  # noqa: F811
    """And changes no value; with several explainers, controls and a budget."""
    x, y = data
    explainers = ["gradient_input", "integrated_gradients"]
    options = {"explainers": explainers, "metrics": [*METRICS, "lime_fidelity"], "budget": 0.5}
    plain, named = ExplanationMetrics(x, y, **options), ExplanationMetrics(x, y, name="test", **options)
    for callback in (plain, named):  # both of all rows, whatever the time
        callback.budget.plan = lambda seconds: (("completeness", "deletion", "lime_fidelity"), 1)
    found = lines(compiled(mlp()), data, plain, named)
    own = {line for line in found if not line.startswith("xai_test_")}
    assert {"xai_gradient_input_deletion", "xai_deletion_random", "xai_lime_fidelity", "xai_probe_rows"} < own
    assert {line.replace("xai_", "xai_test_") for line in own} == set(found) - own
    for line in own:
        assert found[line.replace("xai_", "xai_test_")] == pytest.approx(found[line], rel=1e-6)
    assert set(named.lines) == set(found) - own


@pytest.mark.parametrize("callback", [ExplanationMetrics, ExplanationDrift])
def test_two_of_one_name(callback, data):  # noqa: F811
    """A warning, once, and no error: the later one stands."""
    x, y = data
    first, second = callback(x, y), callback(x[:9], y[:9])
    with pytest.warns(UserWarning, match=r"writes the lines \['xai_\w+'.*Pass `name=` to one of them") as caught:
        found = lines(compiled(mlp()), data, first, second)
    assert sum("Another callback" in str(each.message) for each in caught) == 1
    assert {line: values[-1] for line, values in found.items()} == second.lines != first.lines


@pytest.mark.parametrize("unit", ["epoch", "batch"])
def test_lines_of_the_model_and_of_the_epoch_before_are_no_others(unit, data):  # noqa: F811
    model = xai.ExplainableModel(mlp())
    model.compile("sgd", "sparse_categorical_crossentropy", explanation_metrics=METRICS)
    callback = ExplanationMetrics(*data, metrics=METRICS, unit=unit, control=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        found = lines(model, data, callback, batch_size=8)
    assert found["xai_deletion"][-1] == callback.lines["xai_deletion"], "the callback's stand"
