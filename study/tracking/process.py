"""MLflow in a process of its own: its imports, memory, CPU and hold on Python's lock are not those of a study's driver.

```
driver    MlflowProcess   -- stdin:  {"call": "sync", "arguments": ["linear-0", null]} -->   `main`, as a program:
                          <-- stdout: {"returned": null, "error": null} ----------------     MlflowRuns, the monitor
```

A line asks, a line answers, one at a time. The process starts when something is asked of it, and again where it was
killed: what it knew is in the rows and in MLflow. When the driver dies, its stdin ends: it finishes what it is at, but
not for long, and ends. It holds a lock of the study's folder: whoever goes on with the study waits for it.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from study.cluster.disk import is_full
from study.spec.study import StudySpec
from study.tracking.address import tracking_uri
from study.tracking.errors import MlflowError, reason_of

if TYPE_CHECKING:
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

SAMPLING_S = 10
LOCK = ".logging.lock"  # in a study's folder
_LOCK_S = 5.0  # waited for another process of the study; the tracker asks again
_GRACE_S = 1.0  # for a request that is under way when the driver dies


class MlflowProcess:
    """The runs of one study in MLflow, as the driver asks for them; every method may be repeated.

    All but `end` wait for an answer, and raise MlflowError. Only one thread may ask.
    """

    def __init__(self, spec: StudySpec, folder: Path, study_id: str) -> None:
        self._study = {"spec": spec.model_dump_json(), "folder": str(folder), "study_id": study_id}
        self.uri = tracking_uri(folder.parent)
        self.experiment = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._changing = threading.Lock()
        self._is_over = False

    def open(self) -> None:
        """Find or create the parent run; log what the study reads."""
        self.experiment = str(self._ask("open"))

    def attach(self, files: list[Path]) -> None:
        """Keep those of the files that there are as artifacts of the parent run."""
        self._ask("attach", [str(path) for path in files])

    def sync(self, run: str, status: str | None) -> None:
        """Log what the rows of a run hold and MLflow does not; end it where a status is given."""
        self._ask("sync", run, status)

    def log_model(self) -> None:
        """Log the best model of the study, if there is one."""
        self._ask("log_model")

    def close(self, metrics: dict[str, float], status: str, tags: dict[str, str] | None = None) -> None:
        """Log numbers and words of the whole study and end the parent run."""
        self._ask("close", {name: float(value) for name, value in metrics.items()}, status, tags)

    def watch(self) -> None:
        """Log how busy this machine is, or again where that ended: it does so when the server does not answer."""
        self._ask("watch")

    def unwatch(self) -> None:
        """Do so no longer."""
        self._ask("unwatch")

    def end(self) -> None:
        """End the process, whatever it does, and start no other; any thread may call this."""
        with self._changing:
            self._is_over = True
            if self._process is not None:
                _ended(self._process)

    def _ask(self, call: str, *arguments: Any) -> Any:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        answer = b""
        with suppress(OSError, ValueError):  # it has ended; or `end` closed what it is asked through
            _tell(process, {"call": call, "arguments": arguments})
            answer = process.stdout.readline()
        if not answer.endswith(b"\n"):
            code = _ended(process)
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            may_pass = code <= 0  # 0: somebody else in the driver has waited for it, and knows how it ended
            raise MlflowError(f"the process that logs there ended: {how}", may_pass)
        said = json.loads(answer)
        if said["error"] is not None:
            raise MlflowError(**said["error"])
        return said["returned"]

    def _running(self) -> "subprocess.Popen[bytes]":
        """Return the process; a new one where there is none, or where it was killed while nothing was asked of it."""
        with self._changing:
            if self._is_over:
                raise MlflowError("nothing is logged any more", may_pass=True)
            if self._process is not None and self._process.poll() is not None:
                _ended(self._process)
                self._process = None
            if self._process is None:
                try:
                    self._process = _started()
                except OSError as error:  # no memory, no room for another process
                    raise MlflowError(reason_of(error), may_pass=True, is_disk_full=is_full(error)) from error
                with suppress(OSError):  # it has ended already, which is noticed when it is asked
                    _tell(self._process, self._study)
            return self._process


def _started() -> "subprocess.Popen[bytes]":
    """Start the process as a program: it inherits nothing of Ray, and nobody's `__main__` runs again."""
    where = os.pathsep.join(path or os.getcwd() for path in sys.path)
    return subprocess.Popen(
        [sys.executable, "-P", "-W", "ignore", "-m", "study.tracking.process"],  # -P: no other folder than the driver's
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": where},
        process_group=0,  # out of reach of Ctrl-C: the driver has an end to log
    )


def _tell(process: "subprocess.Popen[bytes]", what: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(what).encode() + b"\n")
    process.stdin.flush()


def _ended(process: "subprocess.Popen[bytes]") -> int:
    """End a process, if it has not ended, and return its exit code; nothing of it is left."""
    with suppress(OSError), process:  # closing may try in vain to tell it what it was not told
        process.kill()  # at once, even where it is stopped: MLflow may have all, or an answer that never comes
    return process.wait()


class _Logging:
    """What the process does when it is asked."""

    def __init__(self, spec: str, folder: str, study_id: str) -> None:
        from study.tracking.runs import MlflowRuns

        self._lock = FileLock(Path(folder) / LOCK, timeout=_LOCK_S)
        self._runs = MlflowRuns(StudySpec.model_validate_json(spec), Path(folder), study_id)
        self._monitor: SystemMetricsMonitor | None = None

    def do(self, call: str, arguments: list[Any]) -> Any:
        """Do it, and return what is told of it."""
        if not self._lock.is_locked:
            self._runs.load()
            try:
                self._lock.acquire()
            except Timeout as error:
                raise TimeoutError("another process still logs this study, of a session before") from error
        if not self._runs.parent and call != "open":
            self._runs.open()  # this process stands in for one that was killed
        does: dict[str, Callable[..., Any]] = {
            "open": self._open,
            "attach": lambda files: self._runs.attach([Path(file) for file in files]),
            "sync": self._runs.sync,
            "log_model": self._runs.log_model,
            "close": self._runs.close,
            "watch": self._watch,
            "unwatch": self._unwatch,
        }
        return does[call](*arguments)

    def _open(self) -> str:
        self._runs.open()
        return self._runs.experiment

    def _watch(self) -> None:
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        if self._monitor is not None and self._monitor._process.is_alive():
            return
        self._runs.open()  # raises where the monitor would begin at step 0 again, for want of an answer
        self._monitor = SystemMetricsMonitor(
            self._runs.parent, sampling_interval=SAMPLING_S, resume_logging=True, tracking_uri=self._runs.uri
        )
        self._monitor.start()

    def _unwatch(self) -> None:
        if self._monitor is not None:
            self._monitor.finish()  # raises nothing: it logs what the server says
            self._monitor = None


def _read(asked: "SimpleQueue[dict[str, Any] | None]") -> None:
    """Pass on what is asked until the driver ends this process or is dead."""
    for line in sys.stdin.buffer:
        asked.put(json.loads(line))
    asked.put(None)
    time.sleep(_GRACE_S)
    os._exit(1)


def main() -> None:
    """Answer until nobody can ask any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever sends it to every process means the driver
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what MLflow prints is no answer
    asked: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
    threading.Thread(target=_read, args=(asked,), daemon=True).start()
    study = asked.get()
    logging: _Logging | None = None
    while study is not None and (request := asked.get()) is not None:
        answer: dict[str, Any] = {"returned": None, "error": None}
        try:
            logging = logging or _Logging(**study)
            answer["returned"] = logging.do(**request)
        except Exception as error:  # whatever MLflow, SQLAlchemy or the network raises
            answer["error"] = asdict(MlflowError.of(error))
        with suppress(OSError):  # the driver is dead
            answers.write(json.dumps(answer).encode() + b"\n")
    os._exit(0)  # what MLflow would wait for at an ordinary end may wait for a server that is away


if __name__ == "__main__":
    main()
