"""SHAPFairness: what it can not do anything with."""

import numpy as np
import pytest

import tf_xai as xai
from tests.losses.models import rows
from tests.losses.shapley import EXPLAINERS
from tests.models import dict_model, regression

SHAPFairness = xai.losses.SHAPFairness


@pytest.fixture
def x(rng):
    return rng.normal(size=(6, 4)).astype("float32")


@pytest.fixture
def nested(rng):
    return {
        "image": rng.normal(size=(5, 6, 6, 1)).astype("float32"),
        "age": rng.normal(size=(5, 2)).astype("float32"),
    }


def test_nothing_asked_for():
    with pytest.raises(ValueError, match="needs `protected` features, `groups` to compare, or both"):
        SHAPFairness()


@pytest.mark.parametrize("budget", [-0.1, 1.0, float("nan")])
def test_budget_is_a_share(budget):
    with pytest.raises(ValueError, match="`budget` must be at least 0 and less than 1"):
        SHAPFairness([0], budget)


@pytest.mark.parametrize(
    "protected", [[], np.zeros(4), np.array([2.0, 0, 0, 0]), np.array([np.nan, 0, 0, 0]), ["age", 1], {"a": [0, 0]}]
)
def test_protected_is_something(protected):
    with pytest.raises(ValueError, match="`protected` must be columns, names of inputs, or masks"):
        SHAPFairness(protected)


@pytest.mark.parametrize("groups", [1.5, [1], True])
def test_groups_are_told_apart_by_a_column_a_name_or_a_function(groups):
    with pytest.raises(TypeError, match="`groups` must be a column, the name of an input or a function"):
        SHAPFairness(groups=groups)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"protected": [4]}, r"`protected` must name some of the 4 columns. Received: \[4\]"),
        ({"protected": slice(4, 9)}, "`protected` must name some of the 4 columns"),
        ({"protected": "age"}, r"`protected` must name inputs, some of \[\]. Received: 'age'"),
        (
            {"protected": np.array([1, 0, 1])},
            r"`protected` must broadcast to one row.*Expected: \(4,\). Received: \(3,\)",
        ),
        ({"protected": {"a": np.ones(4)}}, "`protected` must have the structure of `inputs`"),
        ({"groups": 7}, "`groups` must name some of the 4 columns"),
        ({"protected": slice(None)}, "`protected` must leave something that may be used instead"),
        ({"protected": np.array([1])}, "which is everything. A list of integers names columns; an array is a mask"),
    ],
)
def test_what_the_inputs_do_not_have(how, message, x):
    with pytest.raises(ValueError, match=message):
        rows(SHAPFairness(**how, explainer=EXPLAINERS["expected_gradients"]), regression(), x, np.zeros((6, 1)))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"protected": [0]}, "`protected` may be columns where there is one input"),
        ({"protected": "aeg"}, "Received: 'aeg'. Did you mean 'age'"),
        ({"groups": 0}, "`groups` may be columns where there is one input"),
        ({"groups": "age"}, r"`groups` must have one number per row. Received: 'age', of shape \(5, 2\)"),
    ],
)
def test_what_nested_inputs_do_not_have(how, message, nested):
    with pytest.raises(ValueError, match=message):
        rows(SHAPFairness(**how, explainer=EXPLAINERS["expected_gradients"]), dict_model(), nested)
