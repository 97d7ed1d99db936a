"""What the tests of whole studies share: a small spec, and studies as processes of their own."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import yaml

ROOT = Path(__file__).parents[1]
MINI: dict[str, Any] = {
    "name": "mini",
    "seeds": 1,
    "data": {"genome": "embedded", "block": 20_000, "validation_share": 0.1, "validation_rows": 32},
    "model": {"preset": "tiny", "k": 2},
    "pretraining": {
        "length": 24,
        "batch": 8,
        "budgets": [2, 4, 6],
        "learning_rate": 0.006,
        "warmup": 2,
        "validate_every": 2,
    },
    "curricula": {"constant": {"span": 1, "strategy": "random"}, "linear": {"span": 1}},
    "search": {
        "trials": 3,
        "random_trials": 1,
        "space": {"learning_rate": {"low": 0.002, "high": 0.012, "log": True}},
    },
    "evaluation": {
        "tasks": [
            {
                "name": "promoters_ecoli",
                "shots": 10,
                "repetitions": 2,
                "epochs": 4,
                "batch": 4,
                "learning_rate": 0.003,
                "pooling": "mean",
                "dev_every": 0,
            }
        ],
        "baselines": [],
    },
}
MINI_RUNS = 5  # kmer_counts, random_init, constant, linear, and one that TPE proposes
_LADDER: dict[str, Any] = {  # how a whole study scores: cheaply at its first budget, and something else beside
    "fidelities": {"probe": {"method": "probe"}, "few": {"shots": 4, "repetitions": 1, "epochs": 2}},
    "rungs": {2: "probe"},
    "also": ["few"],
    "baselines": ["kmer_counts"],
}
_LIMIT_S = 420

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # as in a shell's background, where every child would ignore Ctrl-C too; a handler of our own is not inherited
    signal.signal(signal.SIGINT, signal.default_int_handler)


def write_mini(folder: Path) -> Path:
    """Write the small spec to a file."""
    path = folder / "mini.yaml"
    path.write_text(yaml.safe_dump({**MINI, "evaluation": {**MINI["evaluation"], **_LADDER}}))
    return path


class StudyProcess:
    """`python -m study.run ...` in a process group of its own, as a terminal starts it; output goes to a file."""

    def __init__(self, output: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.output = output
        clean = {
            name: value for name, value in os.environ.items() if name not in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS")
        }
        with output.open("w") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "study.run", *arguments],
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env={**clean, **(environment or {})},
                start_new_session=True,
            )
        self.family: dict[int, psutil.Process] = {}

    def __enter__(self) -> "StudyProcess":
        return self

    def __exit__(self, *error: object) -> None:
        self._look()
        for process in [*self.family.values(), psutil.Process()][:-1]:
            if process.is_running():
                process.kill()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=30)

    def text(self) -> str:
        return self.output.read_text()

    def _look(self) -> None:
        """Remember every descendant; once the study is dead they could not be found through it."""
        try:
            for child in psutil.Process(self.process.pid).children(recursive=True):
                self.family.setdefault(child.pid, child)
        except psutil.NoSuchProcess:
            pass

    def named(self, word: str) -> list[psutil.Process]:
        """Return the descendants that say this word about themselves."""
        self._look()
        return [process for process in self.family.values() if _says(process, word)]

    def listening(self) -> dict[str, set[str]]:
        """Return the addresses at which the study and its descendants listen, by the name of a process."""
        self._look()
        found: dict[str, set[str]] = {}
        for process in [psutil.Process(self.process.pid), *self.family.values()]:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                for connection in process.net_connections("inet"):
                    if connection.status == psutil.CONN_LISTEN:
                        found.setdefault(process.name(), set()).add(connection.laddr.ip)
        return found

    def strike(self, word: str, blow: signal.Signals) -> int:
        """Send a signal to the first descendant that says this word about itself, once there is one; return it."""
        until = time.monotonic() + _LIMIT_S
        while not (found := self.named(word)):  # between two trials, say
            assert self.process.poll() is None, f"the study ended without a process named {word}:\n{self.text()}"
            assert time.monotonic() < until, f"no process of the study is named {word}:\n{self.text()}"
            time.sleep(0.05)
        found[0].send_signal(blow)
        return int(found[0].pid)

    def wait(self, limit_s: float = _LIMIT_S) -> int:
        """Wait for the end and return the exit code."""
        until = time.monotonic() + limit_s
        while self.process.poll() is None:
            self._look()
            assert time.monotonic() < until, f"the study did not end in {limit_s} s:\n{self.text()}"
            time.sleep(0.2)
        return int(self.process.returncode)

    def wait_for_more(self, line: str) -> None:
        """Wait until the output holds some text once more than now."""
        self.wait_for(line, times=self.text().count(line) + 1)

    def wait_for(self, line: str, limit_s: float = _LIMIT_S, times: int = 1) -> None:
        """Wait until the output holds some text, so many times."""
        until = time.monotonic() + limit_s
        while self.text().count(line) < times:
            self._look()
            assert self.process.poll() is None, f"the study ended before it said {line!r}:\n{self.text()}"
            assert time.monotonic() < until, f"the study did not say {line!r} in {limit_s} s:\n{self.text()}"
            time.sleep(0.05)
        self._look()

    def survivors(self, limit_s: float = 60) -> list[str]:
        """Return the descendants that are still alive after a time of grace."""
        _, alive = psutil.wait_procs(list(self.family.values()), timeout=limit_s)
        return [" ".join(process.cmdline()) for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def _says(process: psutil.Process, word: str) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and word in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it has just ended
        return False


def logging_processes(process: int | None = None) -> list[psutil.Process]:
    """Return the processes that log to MLflow for another one, or for this one."""
    return [one for one in psutil.Process(process).children() if _says(one, "study.tracking.process")]


_TIMED = r"train_seconds|seconds_.*|.*_per_second|mfu|peak_flops|peak_memory_bytes|worker_hours|gpu_hours|money"


def values(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what must be equal when a study is repeated: everything but names of studies, times and what follows."""
    timeless = rows[~rows["metric"].str.fullmatch(_TIMED)].drop(columns=["study", "seconds"])
    return timeless.sort_values(list(timeless.columns)).reset_index(drop=True)
