"""tf_xai: train Keras models whose explanations are faithful, and see that they are.

Names are imported when they are used, so that the package itself is there at once, without TensorFlow.
"""

import sys

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["attributions", "board", "callbacks", "datasets", "interop", "losses", "metrics", "tradeoff", "visual"],
    submod_attrs={
        "core": ["baselines", "regions"],
        "core.score": ["Score"],
        "evaluating": ["evaluate", "plot_evaluation"],
        "explainer": ["Explainer"],
        "explaining": ["explain"],
        "explanation": ["Explanation"],
        "training": ["ExplainableModel", "compile", "with_evidence"],
    },
)
__all__ += ["__version__"]

if "keras" in sys.modules:
    # Keras finds saved classes by their registration, and that takes their import.
    import tf_xai.training  # noqa: F401
