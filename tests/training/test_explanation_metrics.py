"""`explanation_metrics` of `compile`: metrics of every batch, beside the training and not part of it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_xai as xai
from tests.models import mlp, two_outputs
from tests.training import models
from tests.training.models import assert_identical, compiled, fit, trained
from tf_xai.metrics import METRICS, ExplanationMetric
from tf_xai.training.measures import Measures

FIT = {"batch_size": 4, "epochs": 2}
LINES = ("xai_completeness", "xai_deletion", "xai_relevance_mass")
MODES = {"graph": {}, "eager": {"run_eagerly": True}, "xla": {"jit_compile": True}}
XLA = pytest.mark.slow  # to compile


def several():
    """Of two explainers, one metric with an option, and one that needs evidence."""
    return ["completeness", ExplanationMetric("deletion", "gradient", steps=4), "relevance_mass"]


@pytest.fixture
def data(rng):
    """Ten rows with evidence: three batches of four, the last one short."""
    x, y = models.table(rng, rows=10)
    return xai.with_evidence(x, relevant=models.masks_like(rng, x)), y


def standing(base, metrics, **options):
    """A model that does not move, so that all batches see the same weights."""
    return compiled(base, [], optimizer=keras.optimizers.SGD(0.0), explanation_metrics=metrics, **options)


def by_hand(base, name, evidence, y, rows=slice(None), method="gradient_input", **options):
    """The values of a metric function for these rows, `(rows,)`."""
    x, masks = (tf.constant(evidence[part][rows], tf.float32) for part in ("xai_inputs", "xai_relevant"))
    bound, y = xai.Explainer(method).bind(base), tf.constant(y[rows], tf.int32)
    if name == "completeness":
        options["baseline_score"] = None
    if name == "relevance_mass":
        options["evidence"] = masks
    return METRICS[name](bound.score, x, y, bound(x, y), **options).numpy()


def expected_lines(base, evidence, y):
    """The lines of `several`."""
    own = {"deletion": {"method": "gradient", "steps": 4}}
    names = [line.removeprefix("xai_") for line in LINES]
    return {f"xai_{name}": np.nanmean(by_hand(base, name, evidence, y, **own.get(name, {}))) for name in names}


@pytest.mark.parametrize("mode", ["graph", "eager", pytest.param("xla", marks=XLA)])
def test_lines_are_the_means_of_the_functions(mode, data):
    """Over the rows, not over the batches, of which the last one is short; in `fit`, validation and `evaluate`."""
    (evidence, y), base = data, mlp()
    model = standing(base, several(), **MODES[mode])
    expected = expected_lines(base, evidence, y)
    few = {part: evidence[part][:6] for part in evidence}
    lines = fit(model, evidence, y, **FIT, validation_data=(few, y[:6]))
    of_few = expected_lines(base, few, y[:6])
    found = model.evaluate(few, y[:6], verbose=0, return_dict=True)
    for line, value in expected.items():
        np.testing.assert_allclose(lines[line], [value, value], rtol=1e-4)
        np.testing.assert_allclose(lines[f"val_{line}"], [of_few[line]] * 2, rtol=1e-4)
        assert found[line] == pytest.approx(of_few[line], rel=1e-4)


def test_a_batch_is_measured_with_the_weights_that_its_step_has_left(data):
    (evidence, y), base = data, mlp()
    model = compiled(base, [], explanation_metrics="sparseness")
    for rows in (slice(4), slice(4, 8)):
        before = np.mean(by_hand(base, "sparseness", evidence, y, rows))
        line = model.train_on_batch(evidence["xai_inputs"][rows], y[rows], return_dict=True)["xai_sparseness"]
        assert line == pytest.approx(np.mean(by_hand(base, "sparseness", evidence, y, rows)), rel=1e-5)
        assert abs(line - before) > 1e-4


@pytest.mark.parametrize("loss", ["plain", "right_reasons", "lime_fidelity", "pcgrad"])
def test_the_training_is_the_same_with_and_without(loss, data):
    """Bit for bit, and all other lines too: with a shared forward pass, with noise, with merged gradients."""
    (evidence, y), base = data, models.with_dropout()
    losses = {
        "plain": list,
        "lime_fidelity": lambda: xai.losses.LIMEFidelity(scale=1.0),
    }.get(loss, xai.losses.RightReasons)
    options = {"tradeoff": xai.tradeoff.PCGrad()} if loss == "pcgrad" else {}
    base = mlp() if loss == "right_reasons" else base  # without Dropout the loss shares the pass of the task

    def ended(**more):
        keras.utils.set_random_seed(3)
        for layer in base.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.seed_generator.state.assign([3, 0])
        return trained(base, losses(), evidence, y, FIT, **options, **more)

    (plain, lines), (measured, more) = ended(), ended(explanation_metrics=several())
    assert_identical(measured, plain)
    assert not np.array_equal(plain[0], base.get_weights()[0])
    assert {name: more[name] for name in lines} == lines
    assert set(more) - set(lines) == set(LINES)


def test_rows_of_weight_zero_do_not_count(data):
    (evidence, y), base = data, mlp()
    weights = np.where(np.arange(10) % 3 == 1, 0.0, 2.0).astype("float32")
    lines = fit(standing(base, "sparseness"), evidence, y, batch_size=4, sample_weight=weights)
    values = by_hand(base, "sparseness", evidence, y)
    assert lines["xai_sparseness"][0] == pytest.approx(values[weights > 0].mean(), rel=1e-5)
    assert abs(values.mean() - values[weights > 0].mean()) > 1e-3


def test_labels_that_the_task_loss_ignores_do_not_count(data):
    (evidence, y), base = data, mlp()
    y = np.where(np.arange(10) % 2 == 1, -1, y)
    model = standing(base, "sparseness", loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=-1))
    values = by_hand(base, "sparseness", evidence, np.maximum(y, 0))
    assert fit(model, evidence, y)["xai_sparseness"][0] == pytest.approx(values[::2].mean(), rel=1e-5)


def test_rows_where_a_metric_is_not_defined_do_not_count(data):
    (evidence, y), base = data, mlp()
    evidence["xai_relevant"][:7] = 0
    lines = fit(standing(base, "relevance_mass"), evidence, y, batch_size=4)
    values = by_hand(base, "relevance_mass", evidence, y)
    assert np.isnan(values[:7]).all()
    assert lines["xai_relevance_mass"][0] == pytest.approx(np.nanmean(values), rel=1e-5)
    evidence["xai_relevant"][:] = 0
    assert np.isnan(fit(standing(base, "relevance_mass"), evidence, y)["xai_relevance_mass"][0])


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_training_without_evidence_names_the_metric(run_eagerly, data):
    (evidence, y), model = data, standing(mlp(), ["sparseness", "relevance_mass"], run_eagerly=run_eagerly)
    with pytest.raises(ValueError, match=r"`relevance_mass` needs evidence.*with_evidence\(x, relevant=masks\)"):
        fit(model, evidence["xai_inputs"], y)


def test_validation_without_evidence_has_no_line(data):
    (evidence, y), model = data, standing(mlp(), ["sparseness", "relevance_mass"])
    plain = evidence["xai_inputs"], y
    lines = fit(model, evidence, y, **FIT, validation_data=plain)
    assert {"xai_relevance_mass", "xai_sparseness", "val_xai_sparseness"} <= set(lines)
    assert "val_xai_relevance_mass" not in lines
    assert set(model.evaluate(*plain, verbose=0, return_dict=True)) == {"loss", "xai_sparseness"}
    assert "xai_relevance_mass" in model.evaluate(evidence, y, verbose=0, return_dict=True)


def test_irrelevant_masks_are_taken_as_one_less_themselves(data):
    (evidence, y), model = data, standing(mlp(), "relevance_mass")
    line = fit(model, evidence, y)["xai_relevance_mass"]
    other = xai.with_evidence(evidence["xai_inputs"], irrelevant=1 - evidence["xai_relevant"])
    assert fit(model, other, y)["xai_relevance_mass"] == line


def test_one_of_several_outputs(data):
    """Labels and weights are those of the output that is explained."""
    (evidence, y), base = data, two_outputs()
    metric = ExplanationMetric("sparseness", xai.Explainer("gradient_input", output="label"))
    task = {"label": models.CROSSENTROPY, "amount": "mse"}
    x, labels = evidence["xai_inputs"], {"label": y, "amount": np.zeros(10, "float32")}
    weights = {"label": np.array([1] * 5 + [0] * 5, "float32"), "amount": np.ones(10, "float32")}
    lines = fit(standing(base, metric, loss=task), x, labels, sample_weight=weights)
    bound = metric.explainer.bind(base)
    values = METRICS["sparseness"](bound.score, x, y, bound(x, y))
    assert lines["xai_sparseness"][0] == pytest.approx(np.mean(values[:5]), rel=1e-5)


def test_without_labels_the_predicted_class_is_explained(data):
    x, base = data[0]["xai_inputs"], models.with_own_losses()
    lines = standing(base, "sparseness", loss=None).evaluate(x, verbose=0, return_dict=True)
    bound = xai.Explainer("gradient_input").bind(base)
    target = tf.argmax(base(x), axis=1, output_type=tf.int32)
    expected = np.mean(METRICS["sparseness"](bound.score, x, target, bound(x, target)))
    assert lines["xai_sparseness"] == pytest.approx(expected, rel=1e-5)


def test_like_explainers_explain_once(data, monkeypatch):
    """However many metrics there are of one explainer."""
    (evidence, y), base = data, mlp()
    calls, attribute = [], type(xai.Explainer("gradient").bind(base)).attribute

    def counting(bound, *given, **changes):
        calls.append(bound.method)
        return attribute(bound, *given, **changes)

    monkeypatch.setattr(type(xai.Explainer("gradient").bind(base)), "attribute", counting)
    alike = ["sparseness", "complexity", ExplanationMetric("completeness", "gradient_input"), "relevance_mass"]
    fit(standing(base, [*alike, ExplanationMetric("sparseness", "gradient", name="of_gradient")]), evidence, y)
    assert sorted(calls) == ["gradient", "gradient_input"]


def test_a_dict_names_the_lines_and_metrics_are_copied(data):
    (evidence, y), metric = data, ExplanationMetric("sparseness", "gradient")
    model = standing(mlp(), {"one": metric, "two": "sparseness"})
    lines = fit(model, evidence, y)
    assert {"xai_one", "xai_two"} < set(lines) and lines["xai_one"] != lines["xai_two"]
    assert metric.bound is None and np.isnan(metric.result()) and metric.name == "xai_sparseness"


def test_what_goes_wrong():
    with pytest.raises(ValueError, match=r"Unknown `explanation_metrics`.*Did you mean 'deletion'"):
        xai.compile(mlp(), "sgd", models.CROSSENTROPY, explanation_metrics=["completeness", "deletions"])
    with pytest.raises(ValueError, match=r"different names.*\['xai_deletion', 'xai_deletion'\].*`name=`"):
        standing(mlp(), ["deletion", ExplanationMetric("deletion", steps=3)])
    for wrong in (METRICS["deletion"], {"deletion": {"steps": 4}}, 3):
        with pytest.raises(TypeError, match=r"`explanation_metrics` takes names.*ExplanationMetric\('deletion'"):
            standing(mlp(), wrong)


def test_compile_replaces_and_no_metrics_leave_no_line(data):
    (evidence, y), base = data, mlp()
    model = standing(base, several())
    assert len(model.metrics) == len(standing(base, None).metrics) + 3
    model.compile("sgd", models.CROSSENTROPY)
    assert set(fit(model, evidence, y)) == {"loss"}
    assert Measures(None, model).metrics == Measures([], model).metrics == []


def test_saved_and_loaded(data, tmp_path):
    """Metrics come back with their options, and go on measuring."""
    (evidence, y), model = data, standing(mlp(), {"mass": "relevance_mass", "curve": several()[1]})
    fit(model, evidence, y)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = model.evaluate(evidence, y, verbose=0, return_dict=True)
    assert loaded.evaluate(evidence, y, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-6)
    assert set(expected) == {"loss", "xai_mass", "xai_curve"}
    assert fit(loaded, evidence, y).keys() == expected.keys()
    copy = xai.ExplainableModel(mlp())
    copy.compile_from_config(model.get_compile_config())
    assert [(m.metric, m.name, m.options) for m in copy._measures.metrics] == [
        ("relevance_mass", "xai_mass", {}),
        ("deletion", "xai_curve", {"steps": 4}),
    ]
