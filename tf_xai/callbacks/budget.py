"""Budget: how much of a probe a share of the training's time pays for."""

# Rows in a batch of the probe, all of which are of one size: fewer batches are no reason to trace anew.
ROWS = 16

# What is left of the cost of a batch of all metrics with every metric that is measured alone.
FORGET = 0.9


class Budget:
    """Thins a measurement until it takes at most a share of the epochs: rows first, then metrics, then epochs.

    Every epoch pays a share of its seconds into an account, which holds one epoch's share at most, and nothing is
    measured while it is overdrawn. The first measurement has one batch of rows, later ones as many as the share of an
    epoch pays for, by what the last one took; their number grows only where it can double, so that it stays the same
    for most epochs. Where one batch is too dear, metrics take turns; what a batch of all of them took is forgotten by
    and by, so that they come together again.

    Args:
        share: Of the seconds of an epoch, 0 to 1.
        batches: Of the probe.
        metrics: Names.
    """

    def __init__(self, share, batches, metrics):
        self.share, self.all, self.metrics = share, batches, tuple(metrics)
        self.start()

    def start(self):
        """A new training, of which nothing is known."""
        self.batches, self.together, self.turn = 1, True, 0
        self._income, self._account, self._price = 0.0, 0.0, 0.0

    def plan(self, epoch):
        """What is measured after an epoch of so many seconds: names of metrics, or none, and a number of batches."""
        self._income = self.share * epoch
        self._account = min(self._account + self._income, self._income)
        if self._account < -1e-3 * self._income:
            return (), 0
        if self.together:
            return self.metrics, self.batches
        self.turn += 1
        return (self.metrics[self.turn % len(self.metrics)],), 1

    def spent(self, seconds):
        """Adapts to what the last measurement took."""
        self._account -= seconds
        self._price = seconds / self.batches if self.together else FORGET * self._price
        pays = int(self._income / max(self._price, 1e-9))
        self.together = pays >= 1
        if pays < self.batches or pays >= 2 * self.batches or pays >= self.all:
            self.batches = max(min(pays, 2 * self.batches, self.all), 1)
