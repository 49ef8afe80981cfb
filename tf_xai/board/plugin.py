"""The tab's side of the server. It imports the standard library, numpy and tensorboard only."""

import json
from pathlib import Path

from tensorboard import errors, plugin_util
from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from tf_xai.board import events, files
from tf_xai.board.assets import TYPES, assets
from tf_xai.board.packing import PLUGIN
from tf_xai.board.provided import Source

# A year: the address of what is kept has the time when it was written.
_LONG = 365 * 24 * 3600


class Plugin(base_plugin.TBPlugin):
    """Routes below `data/plugin/tf_xai/`."""

    plugin_name = PLUGIN

    def __init__(self, context):
        self._limit = (context.sampling_hints or {}).get(PLUGIN, 0)
        self._source = Source(context.data_provider)
        self._logdir = context.logdir if context.logdir and "://" not in context.logdir else None
        self._checked = files.Checked()
        self._assets = assets()

    def get_plugin_apps(self):
        routes = {"index": self._index, "scalars": self._scalars, "blob": self._blob, "series": self._series}
        return {f"/{name}": _route(answer) for name, answer in routes.items()} | {"/static/*": _route(self._file)}

    def is_active(self):
        """TensorBoard looks itself whether there are records of ours."""
        return False

    def frontend_metadata(self):
        return base_plugin.FrontendMetadata(es_module_path="/static/index.js", tab_name="XAI")

    def _index(self, request):
        context, experiment = _asked(request)
        logs = self._source.logs(context, experiment)
        index = events.index(logs, self._source.examiner(context, logs), self._limit)
        index["problems"] += self._damage(logs)
        return _json(request, index)

    def _damage(self, logs):
        """What is wrong with event files, where they are on this machine."""
        if self._logdir is None:
            yield from events.repeated(logs)
            return
        logdir = Path(self._logdir).expanduser()
        for run, folder in sorted((files.folders(logdir) | {run: logdir / run for run in logs}).items()):
            yield from (f"run {events.title(run)}: {text}" for text in self._checked.problems(folder))

    def _scalars(self, request):
        return _json(request, events.lines(self._source.scalars(*_asked(request))))

    def _blob(self, request):
        key, time = _argument(request, "key"), _time(request)
        blob, newest = self._source.blob(*_asked(request), key)
        return http_util.Respond(request, blob, "application/octet-stream", expires=_LONG if time == newest else 0)

    def _series(self, request):
        run, method, time = _argument(request, "run"), _argument(request, "method"), _time(request)
        packed, newest = self._source.series(*_asked(request), run, method, time)
        return http_util.Respond(request, packed, "application/octet-stream", expires=_LONG if time == newest else 0)

    def _file(self, request):
        name = request.path.partition("/static/")[2]
        if name not in self._assets:
            raise errors.NotFoundError(f"there is no file {name!r}")
        path = self._assets[name]
        return http_util.Respond(request, path.read_bytes(), TYPES[path.suffix])


def _route(answer):
    return wrappers.Request.application(answer)


def _asked(request):
    """Who asks, and for what experiment."""
    return plugin_util.context(request.environ), plugin_util.experiment_id(request.environ)


def _argument(request, name):
    if name not in request.args:
        raise errors.InvalidArgumentError(f"the argument {name!r} is missing")
    return request.args[name]


def _time(request):
    try:
        return float(_argument(request, "time"))
    except ValueError:
        raise errors.InvalidArgumentError(
            "the argument 'time' is not a number: it is a wall time of the index"
        ) from None


def _json(request, value):
    return http_util.Respond(request, json.dumps(value, allow_nan=False), "application/json")
