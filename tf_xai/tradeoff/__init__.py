"""How accuracy and explanations are weighed, for `ExplainableModel.compile(tradeoff=...)`."""

from tf_xai.tradeoff.auto_scale import AutoScale
from tf_xai.tradeoff.base import Fixed
from tf_xai.tradeoff.constraint import Constraint
from tf_xai.tradeoff.pareto import pareto_sweep, plot_pareto
from tf_xai.tradeoff.schedule import Schedule
from tf_xai.tradeoff.surgery import MGDA, PCGrad

__all__ = ["MGDA", "AutoScale", "Constraint", "Fixed", "PCGrad", "Schedule", "pareto_sweep", "plot_pareto"]
