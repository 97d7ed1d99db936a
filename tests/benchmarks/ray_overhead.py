"""What running inside Ray Train costs against torchrun: `python -m tests.benchmarks.ray_overhead`.

The same 1,100 steps of the `tiny` preset, by one worker, once in a process group of Ray Train, with its heartbeats to
the driver and the machine's Ray processes beside it, and once under torchrun. Both processes live at once and take
turns of 50 steps, one waiting while the other trains, so that a machine whose speed drifts favours neither. Only steps
are timed: the start of either is not.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STEPS, WARM, TURN = 1_100, 100, 50
SIDES = ("ray", "torchrun")
_PATIENCE_S = 300


@dataclass
class Turns:
    """One side of two processes of which one trains at a time; a file says whose turn it is."""

    side: str
    folder: Path
    seconds: list[float] = field(default_factory=list)  # of each turn behind the warm-up
    started: float = 0.0

    def begin(self) -> None:
        """Wait for the turn."""
        file, until = self.folder / "turn", time.monotonic() + _PATIENCE_S
        while file.read_text() != self.side:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.side} did not get its turn within {_PATIENCE_S} s")
            time.sleep(0.002)
        self.started = time.perf_counter()

    def on_step(self, step: int) -> None:
        """Hand over behind every `TURN` steps."""
        if step % TURN:
            return
        if step > WARM:
            self.seconds.append(time.perf_counter() - self.started)
        new = self.folder / f"turn-{self.side}"
        new.write_text(SIDES[1 - SIDES.index(self.side)])
        new.rename(self.folder / "turn")
        if step < STEPS:
            self.begin()


def steps(folder: Path, side: str) -> None:
    """Train, and store the seconds of each turn and the validation loss at the end."""
    import torch

    from tests import runs
    from trainers import data
    from trainers.pretraining.loop import pretrain
    from trainers.workers import Workers

    torch.set_num_threads(1)
    loaded, sha256 = data.load(runs.DATA, folder)
    settings = runs.settings_of(sha256, batch=32, horizon=STEPS, validate_every=100)
    turns = Turns(side, folder)
    with tempfile.TemporaryDirectory(dir=folder) as out:
        workers = Workers.current(torch.device("cpu"))
        turns.begin()
        (reached,) = pretrain(settings, loaded, [STEPS], Path(out), workers, on_step=turns.on_step)
    (folder / side).write_text(json.dumps([turns.seconds, reached.validation_loss]))


def in_ray(folder: Path) -> None:
    """Run them as the worker of a trial does."""
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    def work(config: dict[str, Any]) -> None:
        steps(folder, "ray")

    scaling = ScalingConfig(num_workers=1, resources_per_worker={"CPU": 1})
    TorchTrainer(work, scaling_config=scaling, run_config=RunConfig(storage_path=str(folder / "storage"))).fit()


def under_torchrun(folder: Path) -> "subprocess.Popen[bytes]":
    """Run them in a process of torchrun's."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1"]
    command += ["-m", "tests.benchmarks.ray_overhead", "--member", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def member(folder: Path) -> None:
    """One process of torchrun's."""
    from torch import distributed

    distributed.init_process_group("gloo")
    steps(folder, "torchrun")
    distributed.destroy_process_group()


def pair(folder: Path) -> list[tuple[list[float], float]]:
    """Return the seconds of each turn and the loss of both sides, of one pair of runs."""
    from tests import runs
    from trainers import data

    data.prepare(data.open_genome("embedded"), runs.DATA, folder)
    (folder / "turn").write_text(SIDES[0])
    process = under_torchrun(folder)
    try:
        in_ray(folder)
        if process.wait(timeout=_PATIENCE_S):
            raise RuntimeError(f"torchrun ended with exit code {process.returncode}")
    finally:
        process.terminate()
    return [tuple(json.loads((folder / side).read_text())) for side in SIDES]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="pairs of runs")
    parser.add_argument("--member", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.member:
        member(options.member)
        return
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    pairs = []
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as folder:
            pairs.append(pair(Path(folder)))
    ray.shutdown()
    ratios = [ours / theirs for (own, _), (alone, _) in pairs for ours, theirs in zip(own, alone, strict=True)]
    sums = [[sum(seconds) for seconds, _ in sides] for sides in pairs]
    for own, alone in sums:
        print(f"{STEPS - WARM:,} steps: Ray Train {own:.2f} s, torchrun {alone:.2f} s: {own / alone - 1:+.1%}")
    quartiles = statistics.quantiles(ratios, n=4)
    print(
        f"median of {len(ratios)} pairs of turns {quartiles[1] - 1:+.1%} (quartiles {quartiles[0] - 1:+.1%}, ", end=""
    )
    print(
        f"{quartiles[2] - 1:+.1%}); all steps {sum(own for own, _ in sums) / sum(their for _, their in sums) - 1:+.1%}"
    )
    print("validation losses:", *sorted({loss for sides in pairs for _, loss in sides}))


if __name__ == "__main__":
    main()
