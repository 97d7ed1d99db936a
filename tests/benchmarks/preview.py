"""Speed of a preview: `python -m tests.benchmarks.preview`, on one core.

What is measured is the command as a user runs it, imports and page included, over 120,000 steps of the demo's four
curricula. The baseline replays every step: it asks the curriculum, reads the batch of this step and masks it. It is
measured on a small even share of the steps of each curriculum and scaled to all of them, without its imports.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from curricula import registry
from study.preview.replay import Source
from study.schedule import Schedule
from study.spec.files import load
from trainers import data

HORIZON = 120_000
BASELINE_STEPS = 300  # of each curriculum
REPEATS = 3


def command_seconds(page: Path) -> float:
    """Return how long the command takes, the shortest of some runs: a longer one only waited for something else."""
    command = [sys.executable, "-m", "study.preview", "demo", "--horizon", str(HORIZON), "--html", str(page)]
    times = []
    for _ in range(REPEATS):
        started_at = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - started_at)
    return min(times)


def every_step_seconds(source: Source, schedule: Schedule) -> float:
    """Return how long it would take to mask the batch of every step of one curriculum."""
    steps = range(0, HORIZON, HORIZON // BASELINE_STEPS)
    started_at = time.perf_counter()
    for step in steps:
        masking = schedule.at(step).drawn(0.5)
        source.masks(schedule, step, masking, torch.arange(source.batch) + step * source.batch)
    return (time.perf_counter() - started_at) * HORIZON / len(steps)


def main() -> None:
    """Print the figures."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # the command inherits it
    torch.set_num_threads(1)
    spec = load("demo", [])
    with tempfile.TemporaryDirectory() as folder:
        own = command_seconds(Path(folder) / "preview.html")
    source = Source(spec, data.open_genome(spec.data.genome))
    schedules = [Schedule(name, registry.make(name, given), HORIZON) for name, given in spec.curricula.items()]
    every = sum(every_step_seconds(source, schedule) for schedule in schedules)
    print(f"{HORIZON:,} steps, {len(schedules)} curricula of the demo, one core")
    print(f"python -m study.preview demo --horizon {HORIZON} --html ...   {own:8.1f} s, imports included")
    print(f"masking the batch of every step (scaled from {BASELINE_STEPS} steps)  {every:8.1f} s")
    print(f"ratio                                                         {every / own:8.1f}x")


if __name__ == "__main__":
    main()
