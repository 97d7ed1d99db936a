"""What running inside Ray Train costs against torchrun: `python -m tests.benchmarks.ray_overhead`.

The same 1,000 steps of the `tiny` preset, by one worker, once in a process group of Ray Train, with its heartbeats to
the driver and the machine's Ray processes beside it, and once under torchrun; turn about, medians of some runs. Only
steps are timed: the start of either is not.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

STEPS, WARM = 1_100, 100


Result = tuple[float, float]  # seconds from step `WARM` to the last one, and the validation loss there


def steps(folder: Path) -> Result:
    """Train."""
    import torch

    from tests import runs
    from trainers import data
    from trainers.pretraining.loop import pretrain
    from trainers.workers import Workers

    torch.set_num_threads(1)
    data.prepare(data.open_genome("embedded"), runs.DATA, folder)
    loaded, sha256 = data.load(runs.DATA, folder)
    settings = runs.settings_of(sha256, batch=32, horizon=STEPS, validate_every=100)
    times: list[float] = []
    with tempfile.TemporaryDirectory(dir=folder) as out:
        workers = Workers.current(torch.device("cpu"))
        training = pretrain(
            settings, loaded, [STEPS], Path(out), workers, on_step=lambda step: times.append(time.perf_counter())
        )
        (reached,) = training
    return times[-1] - times[WARM - 1], reached.validation_loss


def in_ray(folder: Path) -> Result:
    """Run them as the worker of a trial does."""
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    result = folder / "seconds"

    def work(config: dict[str, Any]) -> None:
        result.write_text(json.dumps(steps(folder)))

    scaling = ScalingConfig(num_workers=1, resources_per_worker={"CPU": 1})
    TorchTrainer(work, scaling_config=scaling, run_config=RunConfig(storage_path=str(folder / "ray"))).fit()
    seconds, loss = json.loads(result.read_text())
    return seconds, loss


def under_torchrun(folder: Path) -> Result:
    """Run them in a process of torchrun's."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1"]
    command += ["-m", "tests.benchmarks.ray_overhead", "--member", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=1200)
    seconds, loss = json.loads(done.stdout.splitlines()[-1])
    return seconds, loss


def member(folder: Path) -> None:
    """One process of torchrun's."""
    from torch import distributed

    distributed.init_process_group("gloo")
    result = steps(folder)
    if int(os.environ["RANK"]) == 0:
        print(json.dumps(result))
    distributed.destroy_process_group()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="of each side; medians are compared")
    parser.add_argument("--member", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.member:
        member(options.member)
        return
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    with tempfile.TemporaryDirectory() as folder:
        pairs = [(in_ray(Path(folder)), under_torchrun(Path(folder))) for _ in range(options.runs)]
    ray.shutdown()
    own, alone = (statistics.median(seconds for seconds, _ in side) for side in zip(*pairs, strict=True))
    print(f"{STEPS - WARM:,} steps: Ray Train {own:.2f} s, torchrun {alone:.2f} s: {own / alone - 1:+.1%}")
    print("pairs:", ", ".join(f"{ours:.2f}/{theirs:.2f}" for (ours, _), (theirs, _) in pairs))
    print("validation losses:", *sorted({loss for pair in pairs for _, loss in pair}))


if __name__ == "__main__":
    main()
