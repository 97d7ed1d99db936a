"""Brings a study to MLflow without holding it up: a thread syncs runs, and waits for a server that is away.

```
study's own thread:  start -- log_run, end_run ... --> pending: run -> how it ended     (never waits)
tracker's thread:    the first pending -> MlflowProcess -> MlflowRuns, in a process that reads the stored rows
                       done        it is forgotten, unless it was asked for again meanwhile
                       no answer   one line; it stays; a pause of 2 s, then 4 ... 30 s; one line when the server is back
                       refused     one line; it is left to `python -m study.sync`
study's own thread:  finish -- waits for what is pending, but not for ever
```
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from study import best_model
from study.folder import how_it_ended
from study.spec.study import StudySpec
from study.store import Store
from study.tracking.address import comparison, without_secrets
from study.tracking.errors import MlflowError, reason_of
from study.tracking.process import SAMPLING_S, MlflowProcess

_SEPARATE_FAILURES = 3  # of one run while others are taken: it is the run, not the server
_OPEN, _FILES, _WATCH, _REPORT = "the study", "its cards", "system metrics", "the report"
_MODEL, _CLOSE = "the best model", "the study's end"
_SLOWEST = 2e6  # bytes a second: an upload of the model that is waited for

Action = Callable[[], None]


@dataclass(frozen=True)
class _Task:
    """Something to do in MLflow, and from when on, on the monotonic clock."""

    action: Action
    due: float = 0.0


@dataclass(frozen=True)
class Patience:
    """How long is waited, in seconds.

    Attributes:
        gather: For more rows of a run before it is logged; one that ends is logged at once.
        first: Before a server that gave no answer is asked again; each further pause is twice as long.
        longest: The longest of these pauses.
        at_end: For what is pending when a study ends.
        interrupted: The same when a study is interrupted or fails.
    """

    gather: float = 2.0
    first: float = 2.0
    longest: float = 30.0
    at_end: float = 30.0
    interrupted: float = 5.0


class Tracker:
    """Writes one study to MLflow; whatever MLflow does, the study goes on and nothing is lost by it."""

    def __init__(
        self,
        spec: StudySpec,
        folder: Path,
        study_id: str,
        warn: Callable[[str], None],
        patience: Patience | None = None,
    ) -> None:
        self._folder, self._warn, self._patience = folder, warn, patience or Patience()
        self._runs = MlflowProcess(spec, folder, study_id)
        self._is_watching = False
        self._pending: dict[str, _Task] = {}
        self._changed = threading.Condition()
        self._closing, self._stopped = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._failures: Counter[str] = Counter()
        self._pause = self._patience.first
        self._place = f"MLflow at {without_secrets(self._runs.uri)}"
        self._later = f"Refill it later: python -m study.sync {spec.name} --results {folder.parent}"
        self.is_away = False  # gave no answer when it was asked last
        self.is_given_up = False  # cannot be used, whatever the reason

    def start(self) -> None:
        """Let the thread begin: with the parent run, its cards, and what an earlier session may have left out."""
        with self._changed:
            self._pending = {_OPEN: _Task(self._runs.open), **self._pending}
        self._add(_FILES, partial(self._runs.attach, [self._folder / "spec.yaml", self._folder / "provenance.json"]))
        for run in Store(self._folder).runs():
            self._add(run, partial(self._runs.sync, run, how_it_ended(self._folder, run)))
        self._thread = threading.Thread(target=self._work, name="MlflowTracker", daemon=True)
        self._thread.start()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Log how busy this machine is to the parent run for as long as the block takes."""
        self._add(_WATCH, self._watch)
        try:
            yield
        finally:
            self._add(_WATCH, self._unwatch)

    def log_run(self, run: str) -> None:
        """Have logged what the rows of one run hold and MLflow does not."""
        with self._changed:
            if run not in self._pending:  # or else how it ended would be forgotten
                self._add(run, partial(self._runs.sync, run, None), time.monotonic() + self._patience.gather)

    def end_run(self, run: str, status: str) -> None:
        """Have the last rows of a run logged and the run ended (FINISHED, FAILED or KILLED)."""
        self._add(run, partial(self._runs.sync, run, status))

    def finish(self, artifacts: list[Path], metrics: dict[str, float], tags: dict[str, str] | None = None) -> None:
        """Have report and best model logged and the parent run ended; wait for that, say what could not be done."""
        self._add(_REPORT, partial(self._runs.attach, artifacts))
        if best_model.stored(self._folder) is not None:  # or a server that nobody asked would seem to have answered
            self._add(_MODEL, self._runs.log_model)
        self._add(_CLOSE, partial(self._runs.close, metrics, "FINISHED", tags))
        self._end(self._patience.at_end + _size(best_model.path(self._folder)) / _SLOWEST)

    @property
    def comparison(self) -> str | None:
        """Where MLflow draws the runs of this study beside those of others; None where it was never reached."""
        experiment = self._runs.experiment
        return comparison(self._folder.parent, experiment) if experiment else None

    def stop(self, status: str) -> None:
        """End the parent run of a study that is interrupted (KILLED) or fails (FAILED); waits some seconds."""
        if self._thread is not None:
            is_opening = _OPEN in self._pending and not self.is_away  # a new database is half made: let it be finished
            self._add(_CLOSE, partial(self._runs.close, {}, status))
            self._end(self._patience.at_end if is_opening else self._patience.interrupted)

    def settle(self, limit_s: float) -> bool:
        """Wait until nothing is pending, or that long; return whether nothing is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending, limit_s)

    def _end(self, limit_s: float) -> None:
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(limit_s)
        self._stopped.set()
        if self._pending and not self.is_given_up:
            self._warn(f"{self._place} does not answer; {_counted(self._pending)} not there yet. {self._later}")
        self._runs.end()  # and what the thread still waits for

    def _say(self, line: str) -> None:
        if not self._stopped.is_set():  # or else the study has said how it ended
            self._warn(line)

    def _add(self, key: str, action: Action, due: float = 0.0) -> None:
        with self._changed:
            if not self.is_given_up:
                self._pending[key] = _Task(action, due)
                self._changed.notify_all()

    def _work(self) -> None:
        try:
            while not self.is_given_up and (item := self._next()) is not None:
                self._do(*item)
        except Exception as error:  # ours: without the thread nothing would be logged, and nobody would know
            self._give_up(reason_of(error))
        finally:
            self._runs.end()

    def _next(self) -> tuple[str, _Task] | None:
        """Return what to do next, when there is something; None when the thread is to end."""
        with self._changed:
            while not self._closing.is_set():
                now = time.monotonic()
                if due := next((item for item in self._pending.items() if item[1].due <= now), None):
                    return due
                later = min((task.due - now for task in self._pending.values()), default=SAMPLING_S)
                if not self._changed.wait(later) and not self._pending and self._is_watching:
                    return _WATCH, _Task(self._watch)
            return None if self._stopped.is_set() else next(iter(self._pending.items()), None)

    def _do(self, key: str, task: _Task) -> None:
        try:
            task.action()
        except MlflowError as error:
            if not self.is_away:
                self._failures[key] += 1
            if error.may_pass and self._failures[key] < _SEPARATE_FAILURES:
                self._wait(key, task, error)
            elif key == _OPEN:
                self._give_up(error.reason)
            else:
                self._say(f"{self._place} did not take {key} ({error.reason}); the study goes on. {self._later}")
                self._forget(key, task)
            return
        self._forget(key, task)
        if self.is_away and task.action != self._unwatch:  # for that the server is not asked
            self.is_away, self._pause = False, self._patience.first
            self._say(f"{self._place} answers again; what waited for it is logged now")
            with self._changed:
                if self._is_watching and _WATCH not in self._pending:
                    self._add(_WATCH, self._watch)

    def _wait(self, key: str, task: _Task, error: MlflowError) -> None:
        """Keep an action for later, behind the others, and pause; the end of a study makes the pauses short again."""
        with self._changed:
            if key != _OPEN and self._pending.get(key) is task:
                self._pending[key] = self._pending.pop(key)
        if not self.is_away:
            self.is_away = True
            if not error.is_disk_full:  # that is for the study itself to say
                self._say(f"{self._place} does not answer ({error.reason}); the study goes on, what is to log waits")
        if self._closing.is_set():
            self._stopped.wait(self._patience.first)
        else:
            self._closing.wait(self._pause)
            self._pause = min(2 * self._pause, self._patience.longest)

    def _forget(self, key: str, task: _Task) -> None:
        with self._changed:
            self._failures.pop(key, None)
            if self._pending.get(key) is task:
                del self._pending[key]
            self._changed.notify_all()

    def _give_up(self, reason: str) -> None:
        with self._changed:
            self.is_given_up = True
            self._pending.clear()
            self._changed.notify_all()
        self._say(f"{self._place} cannot be used ({reason}); the study goes on without it. {self._later}")

    def _watch(self) -> None:
        self._is_watching = True
        self._runs.watch()

    def _unwatch(self) -> None:
        self._is_watching = False
        self._runs.unwatch()


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*"))


def _counted(pending: dict[str, _Task]) -> str:
    """Return how much is pending, for a line."""
    runs = sum(key not in (_OPEN, _FILES, _WATCH, _REPORT, _MODEL, _CLOSE) for key in pending)
    return "1 run is" if runs == 1 else f"{runs} runs are" if runs else "the end of the study is"
