"""The metrics by name, which of them are better the larger they are, and what they ask for."""

import inspect

from tf_xai.metrics.axioms import completeness
from tf_xai.metrics.complexity import complexity, sparseness
from tf_xai.metrics.correlation import faithfulness_correlation, faithfulness_estimate, monotonicity, sensitivity_n
from tf_xai.metrics.faithfulness import infidelity, lime_fidelity
from tf_xai.metrics.localisation import (
    average_precision,
    localisation_iou,
    pointing_game,
    relevance_mass,
    relevance_rank,
)
from tf_xai.metrics.randomisation import efficient_mprt, parameter_randomisation, random_logit
from tf_xai.metrics.removal import comprehensiveness, deletion, insertion, sufficiency
from tf_xai.metrics.robustness import local_lipschitz, max_sensitivity

LOWER_IS_BETTER = (
    completeness,
    complexity,
    deletion,
    infidelity,
    local_lipschitz,
    max_sensitivity,
    parameter_randomisation,
    random_logit,
    sufficiency,
)
HIGHER_IS_BETTER = (
    average_precision,
    comprehensiveness,
    efficient_mprt,
    faithfulness_correlation,
    faithfulness_estimate,
    insertion,
    lime_fidelity,
    localisation_iou,
    monotonicity,
    pointing_game,
    relevance_mass,
    relevance_rank,
    sensitivity_n,
    sparseness,
)
METRICS = {metric.__name__: metric for metric in (*LOWER_IS_BETTER, *HIGHER_IS_BETTER)}

# Metrics of the model alone, which read no attributions.
MODEL_METRICS = ("lime_fidelity",)

# Metrics that explain inputs which have moved a little: what is not floating, as token ids, can not.
MOVING = ("local_lipschitz", "max_sensitivity")

# Metrics that compare with what the same model says of something else: of inputs that have moved, of another class.
OF_ONE_MODEL = (*MOVING, "random_logit")

# Metrics that draw random weights themselves.
OF_RANDOM_WEIGHTS = ("efficient_mprt", "parameter_randomisation")

# What a metric is given, and nobody passes.
GIVEN = ("explain", "evidence", "baseline_score")


def options_of(metric):
    """The names of what a metric takes beside score, inputs, target and attributions."""
    parameters = inspect.signature(metric).parameters.values()
    return [p.name for p in parameters if p.kind == p.KEYWORD_ONLY]
