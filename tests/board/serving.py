"""TensorBoard in this process."""

import time

import pytest

pytest.importorskip("tensorboard", reason="tensorboard is not installed")

from tensorboard import default, errors, program
from tensorboard.backend import application
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from werkzeug.test import Client

from tf_xai.board import packing

__all__ = ["PYTHON", "RUST", "Board", "RequestContext", "TBContext", "default", "errors", "unpacked"]

ROUTE = "/data/plugin/tf_xai"

# The loader that is in Python reads all before it answers, and then no more.
PYTHON = ("--load_fast=false", "--reload_interval=0", "--reload_task=blocking")
RUST = ("--load_fast=true",)


class Board:
    """A server of the logs, without a socket.

    Attributes:
        app: For WSGI servers.
        prefix: Of its addresses.
    """

    def __init__(self, logdir, *flags, plugins=None):
        tensorboard = program.TensorBoard(plugins=default.get_plugins() if plugins is None else plugins)
        tensorboard.configure([None, "--logdir", str(logdir), *(flags or PYTHON)])
        self.provider, multiplexer = tensorboard._make_data_provider()
        self.tensorboard, self.prefix = tensorboard, tensorboard.flags.path_prefix
        self.app = application.TensorBoardWSGIApp(
            tensorboard.flags, tensorboard.plugin_loaders, self.provider, tensorboard.assets_zip_provider, multiplexer
        )
        self.multiplexer, self._client = multiplexer, Client(self.app)

    def get(self, path, route=ROUTE, **arguments):
        return self._client.get(f"{self.prefix}{route}/{path}", query_string=arguments)

    def index(self):
        response = self.get("index")
        assert response.status_code == 200, response.text
        return response.json

    def loaded(self, ready, seconds=60):
        """The index as soon as it is `ready`: the faster loader reads while it answers."""
        end = time.monotonic() + seconds
        while not ready(index := self.index()):
            assert time.monotonic() < end, index
            time.sleep(0.1)
        return index

    def close(self):
        """Ends the process of the faster loader, if that is what reads."""
        handle = getattr(self.tensorboard._ingester, "_stdin_handle", None)
        if handle:
            handle.close()


def unpacked(response):
    """Header and arrays of an answer."""
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/octet-stream"
    return packing.unpack(response.data)
