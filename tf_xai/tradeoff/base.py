"""Tradeoff: how the task loss and the explanation losses become what is minimised."""

from typing import ClassVar

import keras

from tf_xai.core import checks

# Beyond it a factor that adapts leaves nothing of the task; its inverse leaves nothing of the penalties.
LARGEST = 1e6


@keras.saving.register_keras_serializable("tf_xai")
class Fixed:
    """Every explanation loss counts by its own weight: `task + sum_i weight_i * penalty_i`.

    The other ways of weighing are subclasses. They multiply all weighted penalties by one `factor`, which is logged as
    `xai_tradeoff_factor`, or they `merge` gradients. What they remember from step to step are numbers of the model that
    are saved with it: `start` has their names and first values.
    """

    start: ClassVar = {}
    varies = False  # whether the factor is worth a line in the logs
    merges = False

    def factor(self, state, step):
        """By what the weighted penalties are multiplied at a training step.

        Args:
            state: What is remembered, `{name: scalar variable}`.
            step: Integer scalar.
        """
        return 1.0

    def update(self, state, task, penalty):
        """Learns from a training step, before its factor is asked for.

        Args:
            state: What is remembered, and is to be assigned.
            task: The task loss, of all replicas.
            penalty: The sum of the weighted penalties, without the factor.
        """

    def merge(self, gradients):
        """One gradient from those of the task and of every weighted penalty: lists of tensors, all in one order."""
        raise NotImplementedError(f"{type(self).__name__} has no `merge`.")

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.get_config().items())})"


def get(tradeoff):
    """A `Fixed` or one of its kind, or a TypeError that says what else was passed."""
    if isinstance(tradeoff, Fixed):
        return tradeoff
    names = [cls.__name__ for cls in (Fixed, *Fixed.__subclasses__())]
    hint = checks.nearest(tradeoff, names) if isinstance(tradeoff, str) else ""
    raise TypeError(f"`tradeoff` takes an object of `tf_xai.tradeoff`, one of {names}. Received: {tradeoff!r}.{hint}")
