"""A study that is struck again and again: `python -m tests.benchmarks.soak --kills 30 --seed 0`, some ten minutes.

Many short trainings, a checkpoint every few steps. At random moments a random process of theirs is killed, stopped or
told to leave; whenever the study ends before its time it is resumed at once, while what is left of the last session is
still dying. After the last blow it is left alone. Its results are compared with those of a study that nobody struck;
the exit code is 1 if any is missing, there twice, or another number.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import yaml

from study.store import Store
from tests.browser import free_port, wait_until_served
from tests.studies import MINI, StudyProcess, values

SPEC: dict[str, Any] = {
    **MINI,
    "name": "soak",
    "pretraining": {**MINI["pretraining"], "budgets": [20, 200], "validate_every": 10, "checkpoint_every": 5},
    "search": {"trials": 0},
    "grid": "all",
    "cluster": {"hang_timeout_s": 10},
}
BLOWS = {  # what is struck, by a word in its command line, and how
    "driver": ("", signal.SIGKILL),
    "trial's process": ("ImplicitFunc", signal.SIGKILL),
    "DDP worker": ("RayTrainWorker", signal.SIGKILL),
    "hung DDP worker": ("RayTrainWorker", signal.SIGSTOP),
    "notice to a DDP worker": ("RayTrainWorker", signal.SIGTERM),
    "MLflow's process": ("study.tracking.process", signal.SIGKILL),
    "raylet": ("raylet/raylet", signal.SIGKILL),
    "head": ("gcs_server", signal.SIGKILL),
    "machine": ("", signal.SIGKILL),  # all at once
}
SERVER = "MLflow server"
KEY = ["run", "budget", "fidelity", "task", "repetition", "split", "metric"]
_PATIENCE_S = 600  # for a study that nobody strikes any more


class Server:
    """An MLflow server that comes back when it is struck."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self.uri = f"http://127.0.0.1:{self._port}"
        self._process = self._started()

    def _started(self) -> "subprocess.Popen[bytes]":
        command = [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--backend-store-uri",
            f"sqlite:///{self._folder}/mlflow.db",
        ]
        command += ["--host", "127.0.0.1", "--port", str(self._port), "--workers", "1"]
        started = subprocess.Popen(
            command, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        wait_until_served(self._port, limit_s=180)
        return started

    def close(self) -> None:
        """Kill it."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def strike(self) -> None:
        """Kill it, and start it again."""
        self.close()
        self._process = self._started()


class Soak:
    """One study, and its blows."""

    def __init__(self, folder: Path, spec: Path, kills: int, seed: int, server: Server | None) -> None:
        self._folder, self._spec, self._kills, self._server = folder, spec, kills, server
        self._chance = random.Random(seed)
        self._sessions = contextlib.ExitStack()  # each is looked after until the end: nothing else may clean up
        self.struck: Counter[str] = Counter()
        self.started = 0

    def run(self) -> None:
        """Start the study as often as needed."""
        with self._sessions:
            while self._session() != 0:
                if self.started > self._kills + 5:
                    raise RuntimeError(f"the study does not end; what it said last is in {self._folder}")

    def _session(self) -> int:
        """Strike the study until it ends, or the last blow is struck; return its exit code."""
        self.started += 1
        exists = (self._folder / SPEC["name"] / "spec.yaml").exists()
        what = ["--resume", SPEC["name"]] if exists else [str(self._spec)]
        environment = {"MLFLOW_TRACKING_URI": self._server.uri} if self._server else {}
        output = self._folder / f"session-{self.started}.out"
        study = StudyProcess(output, *what, "--results", str(self._folder), environment=environment)
        self._sessions.enter_context(study)
        while self.struck.total() < self._kills and self._lives(study):
            self._strike(study)
        return study.wait(limit_s=_PATIENCE_S)

    def _lives(self, study: StudyProcess) -> bool:
        """Wait for the next moment to strike, most often behind a start-up; say whether the study still runs."""
        anywhere, seconds = self._chance.random() < 0.2, self._chance.uniform(1, 15)
        until = time.monotonic() + seconds
        while study.process.poll() is None and time.monotonic() < until:
            if not (anywhere or study.named("RayTrainWorker")):
                until = time.monotonic() + seconds
            study.named("")  # remembers who is there
            time.sleep(0.3)
        return study.process.poll() is None

    def _strike(self, study: StudyProcess) -> None:
        kind = self._chance.choice([*BLOWS, *([SERVER] if self._server else [])])
        if kind == SERVER and self._server:
            self._server.strike()
        else:
            word, blow = BLOWS[kind]
            found = study.named(word)
            if blow == signal.SIGSTOP:  # nobody waits for a sign of a worker that has not given its first one
                found = [one for one in found if one.pid in self._beating()]
            if kind in ("driver", "machine"):
                study.process.kill()
                for one in found if kind == "machine" else []:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        one.kill()
            elif found:
                with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended by itself
                    self._chance.choice(found).send_signal(blow)
            else:
                return  # it has not started yet
        self.struck[kind] += 1
        print(f"{time.strftime('%H:%M:%S')} session {self.started}: {kind} ({self.struck.total()})", flush=True)

    def _beating(self) -> set[int]:
        """Return the workers that have given a sign of life."""
        signs = [path.read_text() for path in (self._folder / SPEC["name"] / "scratch" / "groups").glob("*/heart-*")]
        return {json.loads(sign)["process"] for sign in signs if sign.strip().endswith("}")}


def faults(found: pd.DataFrame, expected: pd.DataFrame) -> dict[str, int]:
    """Return how many results are missing, there twice, or other numbers than expected."""
    keys = set(expected[KEY].itertuples(index=False, name=None))
    there = found[KEY].itertuples(index=False, name=None)
    timeless = [frame.set_index(KEY)["value"].groupby(level=KEY).first() for frame in (values(found), values(expected))]
    common = timeless[0].index.intersection(timeless[1].index)
    differs = (timeless[0].loc[common] != timeless[1].loc[common]).sum()
    return {"lost": len(keys - set(there)), "twice": int(found.duplicated(KEY).sum()), "other numbers": int(differs)}


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30, help="blows before the study is left alone")
    parser.add_argument("--seed", type=int, default=0, help="of moments and kinds")
    parser.add_argument("--seeds", type=int, default=12, help="of the study: three runs each")
    parser.add_argument("--mlflow", action="store_true", help="serve MLflow, and strike it as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, calm = Path(name), Path(name) / "calm"
        calm.mkdir()
        spec = folder / "spec.yaml"
        spec.write_text(yaml.safe_dump(SPEC | {"seeds": options.seeds}))
        started = time.monotonic()
        with StudyProcess(calm / "study.out", str(spec), "--results", str(calm)) as study:
            if study.wait(limit_s=_PATIENCE_S):
                raise RuntimeError(study.text())
        undisturbed = time.monotonic() - started
        with contextlib.ExitStack() as stack:
            server = Server(folder) if options.mlflow else None
            if server:
                stack.callback(server.close)
            soak = Soak(folder, spec, options.kills, options.seed, server)
            started = time.monotonic()
            soak.run()
        seconds = time.monotonic() - started
        rows = [Store(one / SPEC["name"]).rows() for one in (folder, calm)]
        found = faults(rows[0], rows[1])
    for kind, count in sorted(soak.struck.items()):
        print(f"{kind}: {count}")
    print(f"{soak.struck.total()} blows in {soak.started} sessions, {seconds:.0f} s; undisturbed {undisturbed:.0f} s")
    print(f"{len(rows[1])} results; " + ", ".join(f"{what}: {count}" for what, count in found.items()))
    print(f"scores equal bit for bit: {'no' if any(found.values()) else 'yes'}")
    return 1 if any(found.values()) or soak.struck.total() < options.kills else 0


if __name__ == "__main__":
    sys.exit(main())
