"""Notice that a worker has of an end: SIGTERM, Ray's word that the node is being drained, or a call to its group.

A training writes a checkpoint then, and the whole group leaves; see `trainers.pretraining.notice`. Outside a training
nothing would be won by waiting, since scores are stored the moment they are known: there, SIGTERM ends the process.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

_given = threading.Event()
_called = threading.Event()
_trains = threading.Event()


def listening() -> Any:
    """Return what Ray Train is to do in each worker's main thread: no other one may catch signals."""
    from ray.train.v2._internal.execution.callback import WorkerCallback

    class Listening(WorkerCallback):  # type: ignore[misc]  # Ray has no types for mypy
        def after_init_train_context(self) -> None:
            listen()

    return Listening()


def listen() -> None:
    """Keep SIGTERM in mind while a training is at work; do what was done before otherwise."""
    before = signal.getsignal(signal.SIGTERM)

    def hear(number: int, frame: FrameType | None) -> None:
        if _trains.is_set():
            _given.set()
        elif callable(before):
            before(number, frame)
        else:
            os._exit(128 + number)

    signal.signal(signal.SIGTERM, hear)


@contextmanager
def training() -> Iterator[None]:
    """Let SIGTERM wait for the next step of the training inside; one that came too late for it is obeyed at the end."""
    _trains.set()
    try:
        yield
    finally:
        _trains.clear()
    if _given.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


def look_for(call: Path) -> None:
    """Look whether the group is called away, to come back with another number of workers; keep it in mind."""
    if call.exists():
        _called.set()


def is_given() -> bool:
    """Whether this worker has had notice.

    Ray's own `get_preemption_info` asks all workers to meet over an actor, which is far too slow for every step; the
    training's workers add up what each knows by themselves.
    """
    from ray.train.v2._internal.execution.context import get_train_context

    is_told = _given.is_set() or _called.is_set()
    return is_told or get_train_context().preemption_context.preemption_info is not None
