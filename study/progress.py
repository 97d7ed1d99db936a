"""What a user sees while a study runs: trials done, budget reached, time left, and a line for each score."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from study.tracking.address import without_secrets
from study.trials.messages import notices_path

_LOG_WIDTH = 140


def plain_console() -> Console:
    """Return the terminal, without colours that nobody asked for."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_LOG_WIDTH)  # a pipe has no edge


class Reporter:
    """Prints to the terminal and to `study.log`, and keeps one progress bar."""

    def __init__(self, folder: Path, total_runs: int, steps_a_run: int) -> None:
        self.console = plain_console()
        self._log = folder / "study.log"
        self._runs_folder = folder / "runs"
        self._notices = notices_path(folder)
        self._told = len(self._noticed())  # what an earlier session has said
        self._total_runs, self._steps_a_run = total_runs, max(1, steps_a_run)
        self._done: set[str] = set()
        self.failed: set[str] = set()  # runs that Tune gave up on
        self._skipped: set[str] = set()
        self._active: dict[str, int] = {}
        self._started_at = time.monotonic()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self._progress = Progress(*columns, console=self.console, disable=not self.console.is_terminal)
        self._bar: TaskID = self._progress.add_task("starting", total=1.0, left="")

    def say(self, line: str) -> None:
        """Print a line; without a terminal it carries no colours. Passwords in it are hidden."""
        line = without_secrets(line)
        self.console.print(line, markup=False, soft_wrap=True)
        self.log(line)

    def log(self, text: str) -> None:
        """Write to `study.log` only; on a full disk, the terminal has it. Passwords in it are hidden."""
        with suppress(OSError), self._log.open("a") as log:
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {without_secrets(text)}\n")

    def show(self, table: Table) -> None:
        """Print a table, to the log as well."""
        self.console.print(table)
        with self._log.open("a") as log:
            Console(file=log, width=_LOG_WIDTH).print(table)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the bar for the length of the study; refreshed by a thread, since Tune keeps the main one."""
        stop = threading.Event()
        thread = threading.Thread(target=self._refresh, args=(stop,), daemon=True)
        with self._progress:
            thread.start()
            try:
                yield
            finally:
                stop.set()
                thread.join(timeout=5)
                self._say_notices()

    def _refresh(self, stop: threading.Event) -> None:
        while not stop.wait(0.5):
            self._say_notices()
            self._update()

    def _noticed(self) -> list[str]:
        return self._notices.read_text().splitlines() if self._notices.exists() else []

    def _say_notices(self) -> None:
        """Say what trials have left to be said."""
        new = self._noticed()[self._told :]
        self._told += len(new)
        for line in new:
            self.say(line)

    def _update(self) -> None:
        active = {run: max(budget, self._step_of(run)) for run, budget in dict(self._active).items()}
        share = min(1.0, (len(self._done) + sum(active.values()) / self._steps_a_run) / max(1, self._total_runs))
        where = ", ".join(f"{run} {step}/{self._steps_a_run}" for run, step in active.items())
        self._progress.update(
            self._bar,
            completed=share,
            description=f"trials {len(self._done)}/{self._total_runs}  {where}",
            left=f"about {self.time_left(share)} left" if share else "",
        )

    def time_left(self, share: float) -> str:
        """Return the time left in words, from the speed so far."""
        before = len(self._skipped) / max(1, self._total_runs)  # done in an earlier session: it cost no time now
        elapsed = time.monotonic() - self._started_at
        seconds = elapsed * (1 - share) / max(share - before, 1e-9)
        return (
            f"{seconds / 3600:.1f} h"
            if seconds > 5400
            else f"{seconds / 60:.0f} min"
            if seconds > 90
            else f"{seconds:.0f} s"
        )

    def _step_of(self, run: str) -> int:
        try:
            return int((self._runs_folder / run / "progress").read_text())
        except (OSError, ValueError):
            return 0

    def expect(self, runs: int) -> None:
        """Count runs that were not planned."""
        self._total_runs += runs

    def skip(self, run: str) -> None:
        """Count a run that an earlier session finished."""
        self._skipped.add(run)
        self._done.add(run)

    def reached(self, run: str, budget: int) -> None:
        """Note that a run was scored at a budget."""
        self._active[run] = budget

    def done(self, run: str) -> None:
        """Note that a run has ended."""
        self._active.pop(run, None)
        self._done.add(run)

    def summary(self) -> str:
        """Return trials done and time left for the lines that a log keeps."""
        share = len(self._done) / max(1, self._total_runs)
        left = f", about {self.time_left(share)} left" if len(self._done) > len(self._skipped) else ""
        return f"{len(self._done)} of {self._total_runs} trials done{left}"


def duration(seconds: float) -> str:
    """Return a length of time in the unit that people would use for it."""
    if seconds > 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"


def in_words(value: Any) -> str:
    """Return a value as text: a list of curricula as `[constant(until=0.5), linear(span=1)]`."""
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return f"[{', '.join(in_words(item) for item in value)}]"
    if isinstance(value, dict):
        arguments = ", ".join(f"{key}={in_words(item)}" for key, item in value.items() if key != "curriculum")
        return f"{value.get('curriculum', '')}({arguments})"
    return str(value)
