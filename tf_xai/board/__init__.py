"""The tab XAI of TensorBoard, and the same page as a file."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"html": ["to_html"]})
