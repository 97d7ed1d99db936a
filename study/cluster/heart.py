"""Signs of life: every worker of a group leaves its own on the desk, and whoever waits for the group reads them.

    worker, a thread of its own, once a second      writes heart-RANK: who it is, beats so far, steps so far
    worker, after each training step                counts it: the thread writes the sum
    Vigil.look, in the process that waits           no beat for `hang_timeout_s`: the process is stopped, or its node is
                                                    beats, but no step: its training is stuck
                                                    -> the process is killed on its node, and Ray restarts the group

Steps are asked for only between one step and the next: nobody knows how long start-up, compilation or the evaluation of
a large task may take, and all of them are alive meanwhile. Beats say which worker the others wait for.
"""

import json
import math
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

_BEAT_S = 1.0
_LENGTH = 512  # bytes of a sign: it is written over the one before, which takes no room on a full disk
_KILL_PATIENCE_S = 60
HEARTS = "heart-*"  # files of signs


@dataclass(frozen=True)
class Sign:
    """What a worker says of itself.

    Attributes:
        born: When its process started, in seconds since 1970: numbers of processes are used again.
        node: Ray's name of its node.
        host: The same for people.
        beats: Since its start.
        steps: Of training since its start.
        step: The last one of the run at work.
        trains: Whether another step is due.
    """

    rank: int
    process: int
    born: float
    node: str
    host: str
    beats: int = 0
    steps: int = 0
    step: int = 0
    trains: bool = False

    def __str__(self) -> str:
        return f"worker {self.rank} (process {self.process} on {self.host})"


class Heart:
    """Beats for this process as long as its block lasts."""

    def __init__(self, desk: Path, rank: int, node: str, on_beat: Callable[[], None] = lambda: None) -> None:
        """Be ready to beat.

        Args:
            desk: Of the group.
            rank: Of this process.
            node: Ray's name of its node.
            on_beat: Called with each beat, by the thread of its own.
        """
        self._path, self._on_beat = desk / f"heart-{rank}", on_beat
        born = psutil.Process().create_time()
        self._who = Sign(rank, os.getpid(), born, node, socket.gethostname())
        self._beats = self._steps = self._step = 0
        self._trains = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="heart", daemon=True)

    def __enter__(self) -> "Heart":
        self._path.write_bytes(b" " * _LENGTH)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._path.unlink(missing_ok=True)

    def step(self, step: int) -> None:
        """Count a step of a training; the next one is due."""
        self._step, self._steps, self._trains = step, self._steps + 1, True

    def rest(self) -> None:
        """Say that what comes now may take as long as it likes."""
        self._trains = False

    def _beat_on(self) -> None:
        while True:
            self._on_beat()
            self._beats += 1
            told = {"beats": self._beats, "steps": self._steps, "step": self._step, "trains": self._trains}
            line = json.dumps(asdict(self._who) | told).encode().ljust(_LENGTH)
            try:
                with self._path.open("r+b") as file:
                    file.write(line)
            except OSError:  # removed by who thinks this worker dead, or the disk is: it is known without us
                pass
            if self._stopped.wait(_BEAT_S):
                return


@dataclass
class _Seen:
    """A sign, and how many looks ago its beats and its steps last grew."""

    sign: Sign
    silent: int = 0
    stuck: int = 0


class Vigil:
    """Looks after the workers of one group.

    Time is counted in looks, so that who slept itself, with the whole machine or in a debugger, blames nobody.
    """

    def __init__(
        self, desk: Path, timeout_s: float, end: Callable[[Sign], str | None], say: Callable[[str], None]
    ) -> None:
        """Watch.

        Args:
            desk: Where the signs are.
            timeout_s: Seconds without one after which a worker is ended; 0: never.
            end: Ends a worker; returns what it was doing, or None where there was no such process.
            say: Told about each end, in a line.
        """
        self._desk, self._timeout_s, self._end, self._say = desk, timeout_s, end, say
        self._every_s = min(_BEAT_S, timeout_s / 4)
        self._seen: dict[str, _Seen] = {}
        self._looked_at = -math.inf

    def look(self) -> None:
        """Look at the signs if it is time to, and end whoever gave none for too long."""
        if not self._timeout_s or time.monotonic() - self._looked_at < self._every_s:
            return
        self._looked_at = time.monotonic()
        signs = list(self._desk.glob(HEARTS))
        for path in signs:
            self._see(path)
        self._seen = {path.name: self._seen[path.name] for path in signs if path.name in self._seen}
        limit = math.ceil(self._timeout_s / self._every_s)
        silent = [seen.sign for seen in self._seen.values() if seen.silent >= limit]
        # later, since all the others wait for a silent one, and would seem to be as guilty
        stuck = [seen.sign for seen in self._seen.values() if seen.stuck >= limit + 3 * _BEAT_S / self._every_s]
        if silent or stuck:
            self._end_all(silent or stuck, "gave no sign of life" if silent else "made no step")

    def _see(self, path: Path) -> None:
        try:
            sign = Sign(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            return  # it is being written
        before = self._seen.get(path.name)
        if before is None or before.sign.process != sign.process:
            self._seen[path.name] = _Seen(sign)
            return
        waits = sign.trains and sign.steps == before.sign.steps
        silent = before.silent + 1 if sign.beats == before.sign.beats else 0
        self._seen[path.name] = _Seen(sign, silent, before.stuck + 1 if waits else 0)

    def _end_all(self, signs: list[Sign], how: str) -> None:
        """End workers; all are watched anew from then on, since Ray restarts the whole group."""
        ended = []
        for sign in sorted(signs, key=lambda sign: sign.rank):
            state = self._end(sign)
            if state is not None:
                ended.append(f"{sign} {how} for {self._timeout_s:g} s after step {sign.step}, {state}")
            (self._desk / f"heart-{sign.rank}").unlink(missing_ok=True)
        if ended:
            self._say(f"hung: {'; '.join(ended)}: killed, the group starts again from its last checkpoint")
        self._seen.clear()


def forget_all(desk: Path) -> None:
    """Remove the signs of a group that is gone: the next one may have fewer ranks, and nobody is to miss the others."""
    for path in desk.glob(HEARTS):
        path.unlink(missing_ok=True)


def kill_on_its_node(sign: Sign) -> str | None:
    """Kill a worker where it runs; return what it was doing, or None where it is gone already."""
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(sign.node, soft=False)
    task = ray.remote(kill).options(num_cpus=0, max_retries=0, scheduling_strategy=there)
    try:
        state: str | None = ray.get(task.remote(sign.process, sign.born), timeout=_KILL_PATIENCE_S)
    except RayError as error:  # a node that is lost; Ray ends what was on it
        return f"out of reach ({type(error).__name__})"
    return state


def kill(process: int, born: float) -> str | None:
    """Send SIGKILL, which a stopped process obeys as well; return its state before, or None where there is none."""
    try:
        found = psutil.Process(process)
        if abs(found.create_time() - born) > 1:
            return None
        state = str(found.status())
        found.kill()
    except psutil.NoSuchProcess:
        return None
    return state
