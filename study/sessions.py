"""How long a study has been at work, over all its sessions: what it held, beside what its trials used of it."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from trainers.files import read_json, written

_FOLDER = "sessions"
_EVERY_S = 5.0  # a kill loses so much of the count


class _Held:
    """Seconds so far, and the mean number of workers over them."""

    def __init__(self, workers: Callable[[], int]) -> None:
        self._ask, self._now, self._at = workers, workers(), time.monotonic()
        self.seconds = self._worker_seconds = 0.0

    def count(self) -> None:
        """Count the time since the last call, with the number of workers then."""
        passed, self._at = time.monotonic() - self._at, time.monotonic()
        self.seconds += passed
        self._worker_seconds += passed * self._now
        with suppress(Exception):  # Ray is being lost, which is for the study itself to find
            self._now = self._ask()

    @property
    def mean(self) -> float:
        return self._worker_seconds / self.seconds


@contextmanager
def recorded(folder: Path, workers: Callable[[], int]) -> Iterator[None]:
    """Write down every few seconds for how long a study has been at work, until the block ends.

    Args:
        folder: The study's.
        workers: How many workers its trials can have at once; asked each time, since nodes come and go.
    """
    file, over = folder / _FOLDER / f"{uuid.uuid4().hex}.json", threading.Event()
    held = _Held(workers)

    def write() -> None:
        held.count()
        with suppress(OSError):  # a full disk is for the study itself to find
            written(file, json.dumps({"seconds": held.seconds, "workers": held.mean}))

    def go_on() -> None:
        while not over.wait(_EVERY_S):
            write()

    thread = threading.Thread(target=go_on, name="sessions", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        write()


def held(folder: Path) -> float:
    """Return the worker-hours for which the study had its workers, in use or not; 0 where nothing is recorded.

    Raises:
        InputError: a record is damaged.
    """
    sessions = [read_json(file) for file in (folder / _FOLDER).glob("*.json")]
    return float(sum(one["seconds"] * one["workers"] for one in sessions)) / 3600
