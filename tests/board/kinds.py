"""Servers of logs of all kinds, and the functions of the page's modules."""

import contextlib

import pytest

from tests.board import logs
from tests.board.browser import serve


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """`url(kind)`, or `url(name, write)`, of logs that `write(folder)` makes: the address of a server, started once."""
    known = {}
    with contextlib.ExitStack() as stack:

        def of(name, write=None):
            if name not in known:
                folder = tmp_path_factory.mktemp(name)
                made = logs.write(folder, kind=name) if write is None else write(folder)
                known[name] = stack.enter_context(serve(made))
            return known[name]

        yield of


def call(tab, module, function, *arguments):
    """What a function of a module of the page returns; typed arrays as lists."""
    return tab.frame.evaluate(
        """async ([module, name, given]) => {
          const plain = (value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);
          const result = (await import(`./static/${module}`))[name](...given);
          if (result.constructor !== Object) return plain(result);
          return Object.fromEntries(Object.entries(result).map(([key, value]) => [key, plain(value)]));
        }""",
        [module, function, list(arguments)],
    )
