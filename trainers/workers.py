"""The group of processes that train one model together; a single process is a group of one."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed

_PATIENCE_S = 24 * 3600  # of a worker that has nothing left to do, for one that still works
_LOOK_S = 0.1
_queues = itertools.count()  # each queue of a process has keys of its own in the store


@dataclass(frozen=True)
class Workers:
    """Where this process stands in the group.

    Attributes:
        rank: Number of this process, from 0.
        count: Processes in the group.
        device: Where this process computes.
    """

    rank: int
    count: int
    device: torch.device

    @classmethod
    def current(cls, device: torch.device | None = None) -> "Workers":
        """Describe the process group that torch.distributed has set up, or a single process."""
        chosen = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if distributed.is_initialized():
            return cls(distributed.get_rank(), distributed.get_world_size(), chosen)
        return cls(0, 1, chosen)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Add a tensor up over the group, in place; every rank gets the sum."""
        if self.count > 1:
            distributed.all_reduce(values)
        return values

    def gather(self, value: Any) -> list[Any]:
        """Return every rank's value, by rank, on every rank."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        distributed.all_gather_object(values, value)
        return values

    def barrier(self) -> None:
        """Wait until every rank is here."""
        if self.count > 1:
            distributed.barrier()

    def queue(self, length: int) -> Iterator[int]:
        """Yield numbers from 0 to length - 1, each to one worker of the group, that is, to the one that asks next.

        Ends on every rank when all numbers have been worked off. Workers wait for each other at a counter of the
        group's store and not in a collective, whose time limit is that of a step.

        Raises:
            TimeoutError: another worker took longer over its last number than a day.
        """
        if self.count == 1:
            yield from range(length)
            return
        store = distributed.distributed_c10d._get_default_store()  # torch has no public name for it
        name = f"queue-{self.gather(next(_queues))[0]}"  # the first rank's: a process that joined late counts otherwise
        while (number := store.add(f"{name}-next", 1) - 1) < length:
            yield number
        store.add(f"{name}-ended", 1)
        until = time.monotonic() + _PATIENCE_S
        while (ended := store.add(f"{name}-ended", 0)) < self.count:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.count - ended} of {self.count} workers still work after {_PATIENCE_S} s")
            time.sleep(_LOOK_S)
