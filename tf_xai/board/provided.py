"""What TensorBoard's data provider has of ours."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

from tensorboard import errors
from tensorboard.data import provider

from tf_xai.board import events
from tf_xai.board.packing import PLUGIN, FormatError
from tf_xai.board.tags import Tag, known, newest_inputs, words

# More records of a tag than any reader keeps.
_ALL = 10**6


class Source:
    """The provider, asked as little as can be: the faster loader takes as long for one record as for many."""

    def __init__(self, data_provider):
        self._provider = data_provider
        self._pool = ThreadPoolExecutor(8, "tf_xai")
        self._logs, self._numbers, self._times, self._examined = {}, {}, {}, {}

    def logs(self, context, experiment):
        """All tags of ours, `{run: {name: Tag}}`, with the arrays of numbers."""
        listed = self._listed(context, experiment)
        keys = self._ask("read_blob_sequences", context, experiment, downsample=_ALL)
        blobs, tensors, scalars = (_flat(future.result()) for future in listed)
        records = {name: _records(points) for name, points in _flat(keys.result()).items()}
        records |= self._known_numbers(context, experiment, tensors)
        logs = {}
        for kind, of_blobs in ((scalars, False), (tensors, False), (blobs, True)):
            for (run, tag), each in kind.items():
                points = records.get((run, tag), [])
                # Ours are never scalars: without content they are named among what is left out.
                content = b"" if kind is scalars else each.plugin_content
                error = str(points) if isinstance(points, FormatError) else None
                points = [] if error else points
                logs.setdefault(run, {})[tag] = Tag(content, of_blobs, points, each.max_wall_time, error)
        self._times = {key: time for name in blobs for _, time, key in records.get(name, ())}
        self._logs = logs
        return logs

    def _listed(self, context, experiment):
        """The lists of our tags of all kinds, later."""
        return [self._ask(f"list_{kind}", context, experiment) for kind in ("blob_sequences", "tensors", "scalars")]

    def _ask(self, question, context, experiment, plugin=PLUGIN, **options):
        """The answer, later."""
        function = getattr(self._provider, question)
        return self._pool.submit(function, context, experiment_id=experiment, plugin_name=plugin, **options)

    def _known_numbers(self, context, experiment, tensors):
        """`{(run, tag): points}`, or an error, of all numbers, of which those are read that have new ones."""
        times = {name: each.max_wall_time for name, each in tensors.items() if b'"numbers"' in each.plugin_content}
        known = {name: kept for name, kept in self._numbers.items() if kept[0] == times.get(name)}
        stale = [name for name in times if name not in known]
        read = self._tensors(context, experiment, stale)
        fine = {name: (times[name], points) for name, points in read.items() if isinstance(points, list)}
        self._numbers = known | fine
        return {name: points for name, (_, points) in known.items()} | read

    def _tensors(self, context, experiment, names):
        """`{(run, tag): [(step, wall time, array)]}` of these tags, with a FormatError where they cannot be read."""
        if not names:
            return {}
        runs, tags = zip(*names, strict=True)
        chosen = provider.RunTagFilter(runs=set(runs), tags=set(tags))
        try:
            found = self._ask("read_tensors", context, experiment, downsample=_ALL, run_tag_filter=chosen).result()
        except Exception as error:  # of one record: the others are read without it
            if len(names) == 1:
                return {names[0]: FormatError(words(error))}
            return {name: self._tensors(context, experiment, [name]).get(name, []) for name in names}
        points = {name: each for name, each in _flat(found).items() if name in names}
        return {name: [(at.step, at.wall_time, at.numpy) for at in each] for name, each in points.items()}

    def scalars(self, context, experiment):
        """`{run: {tag: [(step, value)]}}` of the runs that have tags of ours."""
        runs = {run for kind in self._listed(context, experiment) for run in kind.result()}
        found = self._lines(context, experiment, runs) if runs else {}
        return {
            run: {tag: [(at.step, at.value) for at in each] for tag, each in tags.items()}
            for run, tags in found.items()
        }

    def _lines(self, context, experiment, runs):
        """All scalars of these runs, without a run of which one cannot be read."""
        chosen = provider.RunTagFilter(runs=runs)
        lines = self._ask("read_scalars", context, experiment, "scalars", downsample=_ALL, run_tag_filter=chosen)
        try:
            return lines.result()
        except Exception:
            alone = [self._lines(context, experiment, {run}) for run in runs] if len(runs) > 1 else []
            return {run: tags for each in alone for run, tags in each.items()}

    def blob(self, context, experiment, key):
        """The bytes of a key that the index names, and when they were written."""
        if key not in self._times:
            self.logs(context, experiment)
        if key not in self._times:
            raise errors.NotFoundError(f"there is no record {key!r} in the index")
        return self._bytes(context, key), self._times[key]

    def _bytes(self, context, key):
        try:
            return bytes(self._provider.read_blob(context, blob_key=key))
        except (errors.NotFoundError, LookupError, TypeError):
            raise errors.NotFoundError("the record is not in the logs, or no longer: read them again") from None

    def examiner(self, context, logs):
        """The function of `events.index` for all inputs of the logs, which are read once, and at the same time."""
        newest = [newest_inputs(known(tags)[0]) for tags in logs.values()]
        points = [(key, time) for _, time, key in filter(None, newest)]
        fresh = [point for point in points if point not in self._examined]
        seen = dict(zip(fresh, self._pool.map(lambda point: self._seen(context, *point), fresh), strict=True))
        seen |= {point: self._examined[point] for point in points if point not in seen}

        def examine(key, time):
            if isinstance(seen[key, time], str):
                raise FormatError(seen[key, time])
            return seen[key, time]

        return examine

    def _seen(self, context, key, time):
        """What `events.examine` says of a blob, or what is wrong, in words."""
        try:
            blob = self._bytes(context, key)
        except Exception as error:
            return str(error)  # which is not kept: the next time it may be there
        try:
            self._examined[key, time] = events.examine(blob)
        except Exception as error:
            self._examined[key, time] = words(error)
        return self._examined[key, time]

    def series(self, context, experiment, run, method, time):
        """The packed numbers of a method, and when the newest were written; `time` is when they were by the index."""
        found, _ = known(self._logs.get(run, {}))
        if events.newest(found, method) != time:
            logs = self.logs(context, experiment)
            if run not in logs:
                raise errors.NotFoundError(f"there is no run {run!r}, but {sorted(logs)}")
            found, _ = known(logs[run])
        curves = found.get(("curves", method))
        if curves:
            points = self._tensors(context, experiment, [(run, curves.name)]).get((run, curves.name), [])
            found["curves", method] = dataclasses.replace(curves, points=points if isinstance(points, list) else [])
        try:
            return events.series(found, method), events.newest(found, method)
        except KeyError:
            raise errors.NotFoundError(f"there are no numbers of {method!r} in the run {run!r}") from None


def _records(points):
    """`[(step, wall time, key)]`: ours have one blob."""
    return [(at.step, at.wall_time, at.values[0].blob_key) for at in points if at.values]


def _flat(nested):
    """`{(run, tag): entry}`."""
    return {(run, tag): entry for run, tags in nested.items() for tag, entry in tags.items()}
