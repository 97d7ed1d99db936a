"""The tracker's thread: what it does again, when, what it says, and that it hides no error."""

import itertools
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from requests import HTTPError, Response

from study.spec.files import parse
from study.tracking.errors import MlflowError, is_no_answer
from study.tracking.process import MlflowProcess
from study.tracking.tracker import Patience, Tracker
from tests.studies import MINI

QUICK = Patience(first=0.02, longest=0.08, at_end=5)


class Recorded:
    """An MLflow of our own: what was asked of it, when, and the errors it is to raise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.asked: list[tuple[str, float]] = []
        self.errors: dict[str, Callable[[], Exception | None]] = {}
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        monkeypatch.setattr(MlflowProcess, "open", lambda _: self._ask("open"))
        monkeypatch.setattr(MlflowProcess, "attach", lambda _, files: None)
        monkeypatch.setattr(MlflowProcess, "sync", lambda _, run, status: self._ask(f"{run} {status}"))
        monkeypatch.setattr(MlflowProcess, "close", lambda _, metrics, status, tags=None: self._ask(f"close {status}"))
        monkeypatch.setattr(MlflowProcess, "watch", lambda _: self._ask("watch"))
        monkeypatch.setattr(MlflowProcess, "unwatch", lambda _: self._ask("unwatch"))
        spec = parse({**json.loads(json.dumps(MINI)), "results": str(folder)}, "test")
        self.said: list[str] = []
        self.tracker = Tracker(spec, spec.folder(), "an-id", self.said.append, QUICK)

    def _ask(self, what: str) -> None:
        self.asked.append((what, time.monotonic()))
        raised = self.errors.get(what.split(maxsplit=1)[0], lambda: None)()
        if raised is not None:
            raise MlflowError.of(raised)

    def named(self) -> list[str]:
        return [what for what, _ in self.asked]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Recorded:
    return Recorded(monkeypatch, tmp_path)


def times(count: int, error: Exception) -> Callable[[], Exception | None]:
    """Return what raises an error so many times, and then nothing."""
    left = [error] * count
    return lambda: left.pop() if left else None


def until(holds: Callable[[], object]) -> None:
    ends_at = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def test_what_is_asked_for_while_it_waits_is_done_once_with_its_end(recorded: Recorded) -> None:
    hold = threading.Event()
    recorded.errors["open"] = lambda: None if hold.wait(10) else TimeoutError()
    recorded.tracker.start()
    for run in ("a", "b"):
        recorded.tracker.log_run(run)
    recorded.tracker.end_run("a", "FAILED")
    recorded.tracker.log_run("a")  # it is not forgotten how it ended
    hold.set()
    recorded.tracker.finish([], {})
    assert recorded.named() == ["open", "a FAILED", "b None", "close FINISHED"]
    assert recorded.said == []


def test_pauses_grow_and_two_lines_tell_of_them(recorded: Recorded) -> None:
    recorded.errors["open"] = times(5, ConnectionError("refused"))
    recorded.tracker.start()
    recorded.tracker.end_run("a", "FINISHED")
    assert recorded.tracker.settle(10)
    recorded.tracker.finish([], {})
    at = [when for what, when in recorded.asked if what == "open"]
    pauses = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert all(pause >= least for pause, least in zip(pauses, [0.02, 0.04, 0.08, 0.08, 0.08], strict=True))
    away, back = recorded.said
    assert "does not answer (ConnectionError: refused); the study goes on" in away
    assert "answers again" in back
    assert recorded.named()[-2:] == ["a FINISHED", "close FINISHED"]


def test_a_server_that_is_away_does_not_answer_again_because_the_machine_is_watched_no_longer(
    recorded: Recorded,
) -> None:
    recorded.errors["a"] = lambda: ConnectionError("refused")
    recorded.tracker.start()
    with recorded.tracker.watching():
        assert recorded.tracker.settle(10)
        recorded.tracker.end_run("a", "FINISHED")
        until(lambda: recorded.said)
    until(lambda: "unwatch" in recorded.named())
    asked = recorded.named().count("a FINISHED")
    until(lambda: recorded.named().count("a FINISHED") > asked + 2)
    (away,) = recorded.said
    assert "does not answer" in away
    recorded.errors.clear()
    recorded.tracker.finish([], {})


def test_a_run_that_fails_while_others_are_taken_is_left_out_in_the_end(recorded: Recorded) -> None:
    recorded.errors["a"] = lambda: TimeoutError("too slow")
    recorded.tracker.start()
    recorded.tracker.log_run("a")
    ends_at = time.monotonic() + 20
    while not any("did not take a (TimeoutError: too slow)" in line for line in recorded.said):
        assert time.monotonic() < ends_at, recorded.said
        recorded.tracker.log_run("b")
        time.sleep(0.02)
    asked = recorded.named().count("a None")
    recorded.tracker.finish([], {})
    assert recorded.named()[-1] == "close FINISHED"
    assert recorded.named().count("a None") == asked


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MlflowException("not yours", error_code=PERMISSION_DENIED), "cannot be used (not yours)"),
        (RuntimeError("a defect"), "cannot be used (RuntimeError: a defect)"),
    ],
)
def test_where_the_parent_is_refused_one_line_says_so(error: Exception, said: str, recorded: Recorded) -> None:
    recorded.errors["open"] = lambda: error
    recorded.tracker.start()
    recorded.tracker.log_run("a")
    recorded.tracker.finish([], {})
    (line,) = recorded.said
    assert said in line
    assert recorded.named() == ["open"]


def test_a_defect_of_the_thread_is_said(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(recorded.tracker, "_forget", fail)
    recorded.tracker.start()
    recorded.tracker.finish([], {})
    (line,) = recorded.said
    assert "KeyError: 'a defect'" in line


def test_an_interrupted_study_says_so_in_mlflow(recorded: Recorded) -> None:
    recorded.tracker.stop("KILLED")  # before it began: nothing
    recorded.tracker.start()
    recorded.tracker.stop("KILLED")
    assert recorded.named() == ["open", "close KILLED"]


@pytest.mark.parametrize(("status", "expected"), [(503, True), (429, True), (403, False), (413, False)])
def test_an_answer_that_may_change_is_waited_for(status: int, expected: bool) -> None:
    response = Response()
    response.status_code = status
    assert is_no_answer(HTTPError("no", response=response)) is expected
