"""What fits into the memory of a device."""

from collections.abc import Callable

import torch

from curricula import InputError
from trainers.workers import Workers


def ran_out(error: BaseException) -> bool:
    """Whether torch raised this because memory was short; CPUs have no error class of their own for it."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def most_that_fit(rows: int, attempt: Callable[[int], None], workers: Workers) -> int:
    """Return the first of rows, rows/2, rows/4, ... that `attempt` gets through on every worker.

    Raises:
        InputError: not even one row fits.
    """
    while True:
        fits = torch.tensor([int(_gets_through(attempt, rows))], device=workers.device)
        if int(workers.sum(fits)) == workers.count:
            return rows
        if rows == 1:
            raise InputError(
                f"one row must fit into the memory of a worker, but this model needs more than {workers.device} has; "
                "set activation_checkpointing, or take a smaller preset or shorter rows"
            )
        rows //= 2


def _gets_through(attempt: Callable[[int], None], rows: int) -> bool:
    try:
        attempt(rows)
    except RuntimeError as error:
        if not ran_out(error):
            raise
        return False
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return True
