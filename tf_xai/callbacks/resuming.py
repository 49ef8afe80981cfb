"""What callbacks share that go on after an interruption."""

import os
from contextlib import contextmanager
from pathlib import Path

import keras


class Resuming(keras.callbacks.Callback):
    """Learns with which epoch a training starts, also where `keras.callbacks.BackupAndRestore` says so.

    Whatever was noted of this and of later epochs is void: they are trained again. `resume(epoch)` is called when the
    weights are restored, whatever the order of the callbacks.
    """

    def on_train_begin(self, logs=None):
        self._resumed = False

    def on_epoch_begin(self, epoch, logs=None):
        if not self._resumed:
            self.resume(epoch)
            self._resumed = True

    def resume(self, epoch):
        """Before the first epoch of a training, whose number this is."""


@contextmanager
def replacing(path):
    """Yields a path to write to; that file then takes the place of `path`, at once.

    An interruption leaves the old file or the new one, and perhaps a hidden one beside it, `.<name>.tmp.<ending>`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.tmp{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # else a machine that goes down may have the new name without the content
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
