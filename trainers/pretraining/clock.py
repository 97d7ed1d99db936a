"""Where the time of a training goes, by the device's own clock; a step never waits for it."""

import contextlib
import resource
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from torch.distributed import GradBucket  # type: ignore[attr-defined]

PARTS = ("data", "mask", "forward", "backward", "communication", "optimiser", "validation", "checkpoint")


class _Tick:
    """A moment by the host's clock; asked like a moment in the queue of a GPU, `torch.cuda.Event`."""

    def __init__(self) -> None:
        self._at = time.perf_counter()

    def query(self) -> bool:
        return True

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, later: "_Tick") -> float:
        """Return milliseconds."""
        return 1000 * (later._at - self._at)


class Clock:
    """Seconds by part, one of `PARTS`. Time in a part that is opened inside another is that of the inner one."""

    def __init__(self, device: torch.device) -> None:
        self._device, self.is_on_gpu = device, device.type == "cuda"
        self._seconds = dict.fromkeys(PARTS, 0.0)
        self._inside: list[str] = []
        self._since = self._now()  # when the innermost part was entered, or come back to
        self._stretches: deque[tuple[str, Any, Any]] = deque()  # not read yet: a GPU may not have come so far

    def restart(self, seconds: Mapping[str, float]) -> None:
        """Forget what was measured, and go on from seconds by part."""
        self._stretches.clear()
        self._seconds = {**dict.fromkeys(PARTS, 0.0), **seconds}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time inside to a part."""
        self._cut()
        self._inside.append(name)
        try:
            yield
        finally:
            self._cut()
            self._inside.pop()

    def add(self, name: str, seconds: float) -> None:
        """Count some seconds to a part."""
        self._seconds[name] += seconds

    def seconds(self) -> dict[str, float]:
        """Return seconds by part up to now; on a GPU, this waits for what is still in its queue."""
        self._cut()
        while self._stretches:
            self._stretches[0][2].synchronize()
            self._read()
        return dict(self._seconds)

    def _cut(self) -> None:
        """End a stretch of the innermost part, if there is one, and begin the next."""
        now = self._now()
        if self._inside:
            self._stretches.append((self._inside[-1], self._since, now))
        self._since = now
        while self._stretches and self._stretches[0][2].query():
            self._read()

    def _now(self) -> Any:
        if not self.is_on_gpu:
            return _Tick()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return event

    def _read(self) -> None:
        name, start, end = self._stretches.popleft()
        self.add(name, start.elapsed_time(end) / 1000)


class _Travelling:
    """Buckets of gradients on their way; several may be at once, and threads of the backend end them."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._count, self._since = 0, 0.0

    def begin(self) -> None:
        with self._lock:
            if not self._count:
                self._since = time.perf_counter()
            self._count += 1

    def end(self) -> None:
        with self._lock:
            self._count -= 1
            if not self._count and not self._clock.is_on_gpu:
                self._clock.add("communication", time.perf_counter() - self._since)


def timed_hook(clock: Clock) -> Callable[[object, GradBucket], torch.futures.Future[torch.Tensor]]:
    """Return a hook that averages gradients as DDP does and counts to `communication` while any are on their way.

    The ranks talk while the backward pass goes on, so this time is part of `backward`, too. A GPU talks in a stream of
    its own, of which the host's clock knows nothing: there, this time is not counted.
    """
    travelling = _Travelling(clock)

    def hook(state: object, bucket: GradBucket) -> torch.futures.Future[torch.Tensor]:
        travelling.begin()
        averaged = bucket.buffer().div_(distributed.get_world_size())
        sent: torch.futures.Future[list[torch.Tensor]] = distributed.all_reduce(averaged, async_op=True).get_future()

        def done(future: torch.futures.Future[list[torch.Tensor]]) -> torch.Tensor:
            travelling.end()
            return future.value()[0]

        return sent.then(done)

    return hook


def forget_peak_memory(device: torch.device) -> None:
    """Let `peak_memory` tell of what comes from now on; where a CPU's system cannot, it stays that of the process."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: torch.device) -> int:
    """Return the most bytes in use so far: of tensors on a GPU, or of the whole process on a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024  # Linux counts in KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
