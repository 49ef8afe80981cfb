"""Budget: how much of a probe a share of the training's time pays for."""

import numpy as np

# Rows in a batch of the probe, all of which are of one size: fewer batches are no reason to trace anew.
ROWS = 16


class Budget:
    """Thins a measurement until it takes at most a share of an epoch: rows first, then metrics, then epochs.

    The first measurement has one batch of rows. Every later one has as many batches as the share pays for, by what the
    last one took; their number grows only where it can double, so that it stays the same for most epochs. Where one
    batch is too dear, metrics take turns, one per epoch; where one metric of one batch is too dear, epochs pass
    without any.

    Args:
        share: Of the seconds of an epoch, 0 to 1.
        batches: Of the probe.
        metrics: Names.
    """

    def __init__(self, share, batches, metrics):
        self.share, self.all, self.metrics = share, batches, tuple(metrics)
        self.batches, self.together, self.pause, self.turn = 1, True, 0, 0

    def plan(self):
        """What is measured at the end of an epoch: names of metrics, none in a pause, and a number of batches."""
        if self.pause:
            self.pause -= 1
            return (), 0
        if self.together:
            return self.metrics, self.batches
        self.turn += 1
        return (self.metrics[self.turn % len(self.metrics)],), 1

    def spent(self, seconds, epoch):
        """Adapts to the seconds of the last measurement and of the epoch that it was a part of."""
        single = seconds / (self.batches * (len(self.metrics) if self.together else 1))
        pays = self.share * epoch / single  # for so many batches of one metric
        batches = min(int(pays / len(self.metrics)), self.all)
        self.together = batches >= 1
        self.pause = int(np.ceil(1 / pays)) - 1 if pays < 1 else 0
        if batches < self.batches or batches >= 2 * self.batches or batches == self.all:
            self.batches = max(batches, 1)
