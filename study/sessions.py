"""How long a study has been at work, over all its sessions: what it held, beside what its trials used of it."""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from trainers.files import replacing

_FOLDER = "sessions"
_EVERY_S = 5.0  # a kill loses so much of the count


@contextmanager
def recorded(folder: Path, workers: int) -> Iterator[None]:
    """Write down every few seconds for how long a study has been at work, until the block ends.

    Args:
        folder: The study's.
        workers: How many workers its trials can have at once.
    """
    file, started, over = folder / _FOLDER / f"{uuid.uuid4().hex}.json", time.monotonic(), threading.Event()

    def write() -> None:
        with replacing(file) as temporary:
            temporary.write_text(json.dumps({"seconds": time.monotonic() - started, "workers": workers}))

    def go_on() -> None:
        while not over.wait(_EVERY_S):
            with suppress(OSError):  # a full disk is for the study itself to find
                write()

    thread = threading.Thread(target=go_on, name="sessions", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        with suppress(OSError):
            write()


def held(folder: Path) -> float:
    """Return the worker-hours for which the study had its workers, in use or not; 0 where nothing is recorded."""
    sessions = [json.loads(file.read_text()) for file in (folder / _FOLDER).glob("*.json")]
    return float(sum(one["seconds"] * one["workers"] for one in sessions)) / 3600
