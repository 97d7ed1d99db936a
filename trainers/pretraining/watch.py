"""Notices that a training has gone wrong, without waiting for the device at every step."""

import math

import torch

from trainers.workers import Workers

EVERY = 20  # steps between looks; a look waits for the device
_WORSE_THAN_GUESSING = 3.0


class Watch:
    """Gradient norms and losses since the last look."""

    def __init__(self, workers: Workers, vocabulary_size: int) -> None:
        self._workers = workers
        self._limit = _WORSE_THAN_GUESSING * math.log(vocabulary_size)
        self._bad_step = torch.full((), -1, dtype=torch.int64, device=workers.device)
        self._sums = torch.zeros(2, dtype=torch.float64, device=workers.device)

    def note(self, step: int, norm: torch.Tensor, loss: torch.Tensor, masked: torch.Tensor) -> None:
        """Remember a step: the norm of the whole gradient, and of this rank the summed loss and masked tokens."""
        is_bad = ~torch.isfinite(norm) & (self._bad_step < 0)
        self._bad_step = torch.where(is_bad, step, self._bad_step)
        self._sums[0] += loss
        self._sums[1] += masked

    def look(self, step: int, last_good: int | None) -> None:
        """Stop a run that no longer learns; all ranks see the same and stop together.

        Args:
            step: Steps done.
            last_good: Step of the newest checkpoint.

        Raises:
            FloatingPointError: a gradient was not finite, or the loss is three times that of guessing evenly.
        """
        bad_step = int(self._bad_step)
        loss, masked = self._workers.sum(self._sums).tolist()
        self._sums.zero_()
        good = "there is no checkpoint before it" if last_good is None else f"the last good checkpoint is {last_good}"
        if bad_step >= 0:
            raise FloatingPointError(f"the gradient is not finite at step {bad_step}; lower the learning rate; {good}")
        if masked and not loss / masked <= self._limit:
            raise FloatingPointError(
                f"the loss exploded: {loss / masked:.3g} nats a masked token before step {step}, where guessing costs "
                f"{self._limit / _WORSE_THAN_GUESSING:.3g}; lower the learning rate; {good}"
            )
