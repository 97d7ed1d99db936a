"""Notice that a process will be ended soon: the whole group writes a checkpoint at the same step, and leaves."""

from collections.abc import Callable

import torch

from trainers.pretraining.watch import EVERY
from trainers.workers import Workers


class PreemptedError(Exception):
    """A training left early, behind a checkpoint."""

    def __init__(self, step: int) -> None:
        super().__init__(f"a worker had notice: the training left at step {step}, and a checkpoint lies there")
        self.step = step


class Notice:
    """What any worker of the group was told.

    It travels as one more number with those that the group adds up at every step anyway. The sum is the same on every
    rank, so that all leave at one step. On CPUs it is read at once; a GPU is not waited for, but asked behind every
    `EVERY` steps, when it is asked about the loss as well.
    """

    def __init__(self, workers: Workers, is_given: Callable[[], bool]) -> None:
        self._is_given = is_given
        self._waits = workers.device.type != "cpu"
        self._answers = [torch.full((1,), answer, dtype=torch.int64, device=workers.device) for answer in (0, 1)]
        self._heard = self._answers[0].clone()

    def beside(self, counts: torch.Tensor) -> torch.Tensor:
        """Return the counts of this rank with its answer behind them."""
        return torch.cat([counts, self._answers[bool(self._is_given())]])

    def hear(self, counts: torch.Tensor) -> torch.Tensor:
        """Take the answers off the counts of all ranks; return the others."""
        self._heard += counts[-1:]
        return counts[:-1]

    def is_agreed(self, step: int) -> bool:
        """Whether every rank knows that one of them has had notice."""
        return not (self._waits and step % EVERY) and bool(self._heard)
