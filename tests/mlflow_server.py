"""Real servers on loopback: PostgreSQL, and an MLflow server on it that can be killed, frozen and started again."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.browser import free_port
from tests.object_store import CREDENTIALS

PASSWORD = "hunter2-is-not-shown"  # every server takes it and none asks for it; no message may hold it
_FAST = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "shared_buffers=16MB")


def _programs() -> Path | None:
    """Return the folder of PostgreSQL's programs; Debian keeps them off PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = str(debian[-1]) if debian else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Give the URI of an empty database, for a module: it takes some seconds to make."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    # it refuses root, and the folders of pytest are closed to anybody else
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="study-postgres-"))
    try:
        if user:
            shutil.chown(folder, "postgres", "postgres")
        made = [*user, str(programs / "initdb"), "-D", str(folder / "data"), "-U", "study", "-A", "trust", "--no-sync"]
        subprocess.run(made, check=True, capture_output=True, cwd=folder)
        port = free_port()
        place = ["-D", str(folder / "data"), "-h", "127.0.0.1", "-p", str(port), "-k", str(folder)]
        with (folder / "log").open("w") as sink:
            process = subprocess.Popen(
                [*user, str(programs / "postgres"), *place, *_FAST], stdout=sink, stderr=subprocess.STDOUT, cwd=folder
            )
        try:
            uri = f"postgresql://study:{PASSWORD}@127.0.0.1:{port}/postgres"
            _wait_for_database(uri, process)
            yield uri
        finally:
            process.send_signal(signal.SIGINT)  # its fast shutdown: clients are cut off
            process.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for_database(uri: str, process: subprocess.Popen[bytes]) -> None:
    import psycopg

    until = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(uri, connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            assert process.poll() is None, "PostgreSQL ended"
            assert time.monotonic() < until, "PostgreSQL did not start"
            time.sleep(0.1)


class MlflowServer:
    """`mlflow server` on a port of its own, which it keeps when it is started again."""

    def __init__(self, backend: str, artifacts: str, log: Path, environment: dict[str, str] | None = None) -> None:
        self.port, self._backend = free_port(), backend
        self._log, self._environment = log, environment or {}
        self._arguments = ["--backend-store-uri", backend, "--artifacts-destination", artifacts]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Its address as a user may write it, with a password in it."""
        return f"http://somebody:{PASSWORD}@127.0.0.1:{self.port}"

    def _select(self, asked: str, *values: str) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self._backend) as database:
            return database.execute(asked, values).fetchall()

    def ids(self, study_id: str, kind: str) -> list[str]:
        """Return the runs of one kind that the database has of a study, deleted ones too."""
        asked = "SELECT a.run_uuid FROM tags a JOIN tags b ON a.run_uuid = b.run_uuid WHERE a.key = 'study.id' "
        asked += "AND a.value = %s AND b.key = 'study.kind' AND b.value = %s"
        return [one for (one,) in self._select(asked, study_id, kind)]

    def history(self, run_id: str) -> list[tuple[str, int, float, int]]:
        """Return key, step, value and time in ms of every metric of a run that was ever logged, from the database."""
        asked = "SELECT key, step, value, timestamp FROM metrics WHERE run_uuid = %s ORDER BY key, step, timestamp"
        return self._select(asked, run_id)

    def start(self) -> None:
        """Start it without waiting until it answers."""
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        place = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        with self._log.open("a") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *self._arguments, *place],
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**os.environ, **quiet, **self._environment},
                start_new_session=True,
            )

    def ensure(self) -> None:
        """Start it, unless it runs, and wait until it answers."""
        if not self._family():
            self.start()
        self.wait()

    def wait(self, limit_s: float = 120) -> None:
        """Wait until it answers."""
        assert self._process is not None
        until = time.monotonic() + limit_s
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                assert self._process.poll() is None, f"the server ended:\n{self._log.read_text()}"
                assert time.monotonic() < until, f"the server did not start:\n{self._log.read_text()}"
                time.sleep(0.1)

    def _family(self) -> list[psutil.Process]:
        if self._process is None or self._process.poll() is not None:
            return []
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    def kill(self) -> None:
        """Kill it and every process that it started, as a machine that loses power."""
        family = self._family()
        for process in family:
            process.kill()
        psutil.wait_procs(family, timeout=30)
        if self._process is not None:
            self._process.wait(timeout=30)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it accept connections and say nothing; what it was asked meanwhile it does afterwards."""
        family = self._family()
        for process in family:
            process.suspend()
        try:
            yield
        finally:
            for process in family:
                process.resume()


def with_objects(port: int) -> dict[str, str]:
    """Return the environment of a server that keeps its artifacts in the object store at this port."""
    return {**CREDENTIALS, "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
