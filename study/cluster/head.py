"""A Ray head that is lost: Ray itself ends the driver a minute later, without a word that helps."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK_S, _LOOKS = 2.0, 3  # a study is told of it after so many looks in vain


@contextmanager
def watched(address: str, lost: Callable[[], None]) -> Iterator[None]:
    """Look at the head for the length of a study; tell once when nobody answers there any more.

    Args:
        address: host:port of Ray's control service.
        lost: Is told, by another thread: the study's own may wait for Ray for ever.
    """
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(address, lost, over), name="head", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=5)


def _watch(address: str, lost: Callable[[], None], over: threading.Event) -> None:
    in_vain = 0
    while not over.wait(_LOOK_S):
        in_vain = 0 if _answers(address) else in_vain + 1
        if in_vain == _LOOKS:
            lost()
            return


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_LOOK_S).close()
    except OSError:
        return False
    return True
