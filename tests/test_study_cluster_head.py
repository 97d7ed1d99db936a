"""A head that is lost is noticed, once; one that is only slow, or there, is not."""

import socket
import threading
from collections.abc import Iterator

import pytest

from study.cluster import head
from study.cluster.head import watched


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "_LOOK_S", 0.1)


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


class Told:
    """Counts how often it was told."""

    def __init__(self) -> None:
        self.times, self.event = 0, threading.Event()

    def __call__(self) -> None:
        self.times += 1
        self.event.set()


def address_of(server: socket.socket) -> str:
    return f"127.0.0.1:{server.getsockname()[1]}"


def test_a_head_that_goes_is_told_of_once(server: socket.socket) -> None:
    told = Told()
    with watched(address_of(server), told):
        assert not told.event.wait(0.6)
        server.close()
        assert told.event.wait(30)
        threading.Event().wait(0.6)
    assert told.times == 1


def test_a_head_that_comes_back_in_time_is_not_told_of(server: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "_LOOK_S", 1.0)
    told, port = Told(), server.getsockname()[1]
    with watched(f"[127.0.0.1]:{port}", told):
        server.close()
        threading.Event().wait(1.5)
        with socket.create_server(("127.0.0.1", port)):
            assert not told.event.wait(4)


def test_nobody_looks_any_more_when_a_study_is_over(server: socket.socket) -> None:
    with watched(address_of(server), Told()):
        assert "head" in {thread.name for thread in threading.enumerate()}
    assert "head" not in {thread.name for thread in threading.enumerate()}
