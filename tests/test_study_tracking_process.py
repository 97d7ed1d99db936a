"""The process that calls MLflow: it ends with its driver, is replaced if it is killed, and tells errors as they are."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from filelock import FileLock

from study.spec.files import parse
from study.spec.study import StudySpec
from study.store import Store
from study.tracking.errors import MlflowError
from study.tracking.process import LOCK, MlflowProcess
from study.tracking.tracker import Patience, Tracker
from tests.browser import free_port
from tests.filled import TABLE, fill
from tests.studies import MINI, ROOT, logging_processes
from tests.test_study_tracking_tracker import ended, logged

PASSWORD = "hunter2-is-not-shown"
DRIVER = """
import sys, time
from study.spec.files import parse
from study.tracking.tracker import Tracker
from tests.studies import MINI
spec = parse({**MINI, "results": sys.argv[1]}, "test")
tracker = Tracker(spec, spec.folder(), "an-id", print)
tracker.start()
with tracker.watching():
    print("settled:", tracker.settle(float(sys.argv[2])), flush=True)
    time.sleep(120)
"""
STUDY = """
import sys
from pathlib import Path
import psutil
from tests.benchmarks import thousand
spec = thousand.spec_of(Path(sys.argv[1]), 2, "random")
thousand.through_the_engine(spec)
print("loaded:", *sorted({"mlflow", "sqlalchemy", "alembic"} & set(sys.modules)))
print("left:", *psutil.Process().children())
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudySpec:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    spec = parse({**json.loads(json.dumps(MINI)), "results": str(tmp_path)}, "test")
    fill(spec.folder(), TABLE)
    return spec


@pytest.fixture
def process(spec: StudySpec) -> Iterator[MlflowProcess]:
    started = MlflowProcess(spec, spec.folder(), "an-id")
    yield started
    started.end()
    assert logging_processes() == []


def until(holds: Callable[[], object], limit_s: float = 60) -> None:
    ends_at = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


def samples(spec: StudySpec) -> list[int]:
    return [step for step, _ in logged(spec)[""].get("system/system_memory_usage_percentage", [])]


@dataclass
class Answers:
    """Where a server is, and with what it refuses whatever it is asked."""

    uri: str = ""
    body: bytes = b""


@pytest.fixture
def answers() -> Iterator[Answers]:
    told = Answers()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(400)
            self.send_header("Content-Length", str(len(told.body)))
            self.end_headers()
            self.wfile.write(told.body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.uri = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever).start()
        yield told
        server.shutdown()


@pytest.fixture
def process_at_server(spec: StudySpec, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowProcess]:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", answers.uri)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "somebody")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    started = MlflowProcess(spec, spec.folder(), "an-id")
    yield started
    started.end()


@contextmanager
def driver(spec: StudySpec, limit_s: float) -> Iterator["subprocess.Popen[str]"]:
    """Log a study from a process of its own, which waits so long until all is logged."""
    command = [sys.executable, "-c", DRIVER, spec.results, str(limit_s)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def test_the_driver_of_a_study_loads_no_mlflow_and_leaves_no_process(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    command = [sys.executable, "-c", STUDY, str(tmp_path)]
    with (tmp_path / "study.out").open("w") as sink:
        subprocess.run(command, cwd=ROOT, env=environment, stdout=sink, stderr=sink, check=True, timeout=270)
    assert (tmp_path / "study.out").read_text().splitlines()[-2:] == ["loaded:", "left:"]
    spec = parse({**MINI, "name": "thousand", "results": str(tmp_path)}, "test")
    assert set(logged(spec)) == {"", *Store(spec.folder()).runs()}


@pytest.mark.parametrize("is_asked", [True, False])
def test_it_ends_when_its_driver_is_killed(spec: StudySpec, is_asked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, ExitStack() as stack:
        if is_asked:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
            monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
        with driver(spec, 0 if is_asked else 120) as started:
            assert started.stdout is not None
            assert started.stdout.readline() == f"settled: {not is_asked}\n"
            until(lambda: logging_processes(started.pid))
            (process,) = logging_processes(started.pid)
            if is_asked:
                stack.enter_context(silent.accept()[0])
            started.send_signal(signal.SIGKILL)
            started.wait()
            process.wait(timeout=5)  # a second, on a machine that does much else


def test_ctrl_c_is_for_the_driver_alone(process: MlflowProcess) -> None:
    process.open()
    (found,) = logging_processes()
    assert os.getpgid(found.pid) != os.getpgid(0)
    found.send_signal(signal.SIGINT)
    process.sync("linear-0", "FINISHED")
    assert logging_processes() == [found]


def test_where_it_is_killed_another_one_goes_on_and_nothing_is_lost_or_twice(
    spec: StudySpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    said: list[str] = []
    tracker = Tracker(spec, spec.folder(), "an-id", said.append, Patience(first=0.1))

    def kill() -> None:
        (found,) = logging_processes()
        found.kill()
        with suppress(ChildProcessError):  # the tracker has noticed
            os.waitid(os.P_PID, found.pid, os.WEXITED | os.WNOWAIT)  # or it could not tell how it ended

    with closing(sqlite3.connect(spec.folder().parent / "mlflow.db", isolation_level=None)) as database:
        tracker.start()
        with tracker.watching():
            assert tracker.settle(60)
            kill()  # nothing is asked of it
            fill(spec.folder(), [("linear-1", *TABLE[-1][1:])])
            tracker.end_run("linear-1", "FINISHED")
            assert tracker.settle(60)
            assert said == []
            database.execute("BEGIN IMMEDIATE")
            fill(spec.folder(), [("linear-2", *TABLE[-1][1:])])
            tracker.end_run("linear-2", "FINISHED")
            time.sleep(1)
            kill()  # it waits for the database
            database.execute("ROLLBACK")
            assert tracker.settle(60)
            before = len(samples(spec))
            until(lambda: len(samples(spec)) > before)  # the machine is watched again
        ended(tracker)
    away, back = said
    assert "does not answer (the process that logs there ended: SIGKILL)" in away
    assert "answers again" in back
    runs = logged(spec)
    assert sorted(runs) == sorted({"", "linear-1", "linear-2", *(run for run, *_ in TABLE)})
    assert [step for step, _ in runs["constant-0"]["score/test"]] == [2, 6]
    assert [step for step, _ in runs["linear-1"]["score/test"]] == [2]
    assert [step for step, _ in runs["linear-2"]["score/test"]] == [2]
    assert samples(spec) == list(range(len(samples(spec))))


def test_one_that_ends_by_itself_is_not_started_again_and_again(
    process: MlflowProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(MlflowError, match="ended: exit code 1") as raised:
        process.open()
    assert not raised.value.may_pass


@pytest.mark.parametrize(
    ("code", "message", "may_pass", "is_disk_full"),
    [
        ("PERMISSION_DENIED", f"not yours, {PASSWORD}", False, False),
        ("TEMPORARILY_UNAVAILABLE", "later", True, False),
        ("INTERNAL_ERROR", "database or disk is full", True, True),
    ],
)
def test_what_a_server_refuses_comes_back_as_it_is_meant(
    process_at_server: MlflowProcess,
    answers: Answers,
    code: str,
    message: str,
    may_pass: bool,
    is_disk_full: bool,
) -> None:
    answers.body = json.dumps({"error_code": code, "message": message}).encode()
    with pytest.raises(MlflowError) as raised:
        process_at_server.open()
    error = raised.value
    assert (error.may_pass, error.is_disk_full) == (may_pass, is_disk_full)
    assert message.replace(PASSWORD, "***") in error.reason
    assert PASSWORD not in error.reason


def test_nobody_at_the_address_may_pass_and_damaged_rows_do_not(
    spec: StudySpec, process: MlflowProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.open()
    next((spec.folder() / "scores/linear-0").glob("*.parquet")).write_text("damaged")
    with pytest.raises(MlflowError, match="InputError: the results file") as raised:
        process.sync("linear-0", None)
    assert not raised.value.may_pass
    process.sync("constant-0", None)  # it lives on
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://somebody:{PASSWORD}@127.0.0.1:{free_port()}")
    other = MlflowProcess(spec, spec.folder().parent / "other", "an-id")
    with pytest.raises(MlflowError, match="refused") as raised:
        other.open()
    other.end()
    assert raised.value.may_pass
    assert PASSWORD not in raised.value.reason


def test_the_next_one_waits_for_the_last(spec: StudySpec, process: MlflowProcess) -> None:
    with FileLock(spec.folder() / LOCK):
        with pytest.raises(MlflowError, match="another process still logs this study") as raised:
            process.open()
        assert raised.value.may_pass
        assert not (spec.folder().parent / "mlflow.db").exists()
        timer = threading.Timer(1, process.open)
        timer.start()
        time.sleep(2)  # it waits
    timer.join()
    assert set(logged(spec)) == {""}


def test_nothing_is_asked_once_it_is_over(process: MlflowProcess) -> None:
    process.open()
    (found,) = logging_processes()
    found.suspend()  # it does not hear of its end
    refused: list[MlflowError] = []

    def ask() -> None:
        try:
            process.sync("linear-0", None)
        except MlflowError as error:
            refused.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    process.end()
    asking.join(5)
    assert len(refused) == 1
    with pytest.raises(MlflowError, match="nothing is logged any more"):
        process.open()
    assert not found.is_running()
