"""Panel: several metrics of several explainers of one model, with their controls, in one graph."""

from collections.abc import Iterable

from tf_xai.core import checks
from tf_xai.metrics.controls import CONTROLS, with_random_weights
from tf_xai.metrics.judge import judge
from tf_xai.metrics.oracle import ORACLES
from tf_xai.metrics.registry import GIVEN, METRICS, MODEL_METRICS, OF_ONE_MODEL, OF_RANDOM_WEIGHTS, options_of


class Panel:
    """The lines of a log: `xai_<metric>`, with several explainers `xai_<explainer>_<metric>`.

    Metrics of the model alone have one line. Controls are those of the first explainer, `xai_<metric>_<control>`; the
    oracle is one of the metrics in `ORACLES` only, and "weights" none of those that draw random weights themselves.

    Args:
        bound: A dict of name to bound explainer.
        metrics: A dict of metric to its options.
        controls: Names in `CONTROLS`.
    """

    def __init__(self, bound, metrics, controls=("random",)):
        self.bound, self.controls = bound, {name: CONTROLS[name] for name in controls}
        self.of_model = {name: options for name, options in metrics.items() if name in MODEL_METRICS}
        self.of_attributions = {name: options for name, options in metrics.items() if name not in MODEL_METRICS}

    def __call__(self, inputs, labels, evidence=None):
        """The values of a batch: `{line: (batch,)}`."""
        results = {}
        for number, (name, bound) in enumerate(self.bound.items()):
            target = bound.score.target_from(inputs, labels)
            say = lambda metrics, values, control=None, bound=bound, target=target: {
                metric: _judged(metric, control, bound, inputs, target, values, evidence, options)
                for metric, options in metrics.items()
                if _serves(control, metric)
            }
            if number == 0:
                results |= {f"xai_{metric}": values for metric, values in say(self.of_model, None).items()}
            if not self.of_attributions:
                continue
            attributions = bound.attribute(inputs, target)
            prefix = "xai_" if len(self.bound) == 1 else f"xai_{name}_"
            own = say(self.of_attributions, attributions)
            results |= {f"{prefix}{metric}": values for metric, values in own.items()}
            for control, make in self.controls.items() if number == 0 else ():
                values = say(self.of_attributions, make(bound, inputs, target, attributions), control)
                results |= {f"xai_{metric}_{control}": each for metric, each in values.items()}
        return results


def _serves(control, metric):
    """Whether a control says anything of a metric: of random weights, random weights do not."""
    return {"oracle": metric in ORACLES, "weights": metric not in OF_RANDOM_WEIGHTS}.get(control, True)


def _judged(metric, control, bound, inputs, target, values, evidence, options):
    """A metric of an explainer's attributions, or of those of a control."""
    function = (ORACLES if control == "oracle" else METRICS)[metric]
    judged = lambda: judge(function, bound, inputs, target, values, evidence, **options)
    # What is said of moved inputs, or of another class, is to be said of the same model as before.
    return with_random_weights(bound, judged) if control == "weights" and metric in OF_ONE_MODEL else judged()


def read(metrics):
    """Metrics as a user names them, a name, names, or a dict of name to options, as a dict; or an error."""
    metrics = [metrics] if isinstance(metrics, str) else metrics
    if not isinstance(metrics, Iterable):
        raise TypeError(f"`metrics` must be a name, names, or a dict of name to options. Received: {metrics!r}.")
    metrics = dict(metrics) if isinstance(metrics, dict) else {name: {} for name in metrics}
    for name, options in metrics.items():
        known = options_of(checks.choose("metrics", name, METRICS))
        checks.known_options(name, options, [option for option in known if option not in GIVEN])
    return metrics
