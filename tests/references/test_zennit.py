"""Layer-wise relevance propagation against zennit 0.5.1, whose results `make.py` has stored."""

from functools import cache

import pytest

from tests.references.nets import RELEVANCE
from tests.references.rebuild import Reference
from tf_xai.attributions import lrp

reference = cache(lambda net: Reference("zennit", net))


def options(name, stored):
    """The options of `lrp` for a stored result."""
    if name == "epsilon_large":
        return {"composite": "epsilon", "epsilon": 0.1}
    # A network without convolutions has no use for bounds.
    box = {"low": stored["low"], "high": stored["high"]} if stored.x.shape.rank > 2 else {}
    return {"composite": name, **(box if name == "epsilon_gamma_box" else {})}


@pytest.mark.parametrize("net", RELEVANCE)
def test_the_rebuilt_network_is_the_same(net):
    stored = reference(net)
    stored.assert_agrees(stored.model(stored.x), "output", 1e-6)


@pytest.mark.parametrize(("net", "name"), [(net, name) for net, names in RELEVANCE.items() for name in names])
def test_relevance(net, name):
    stored = reference(net)
    stored.assert_agrees(lrp(stored.score, stored.x, stored.target, **options(name, stored)), name)
