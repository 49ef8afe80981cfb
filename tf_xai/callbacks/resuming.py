"""What callbacks share that go on after an interruption."""

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
