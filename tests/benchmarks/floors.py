"""Whether the k-mer control is a fair one: `python -m tests.benchmarks.floors ROOT`, minutes on one core.

ROOT holds GUE's <group>/<task>/{train,dev,test}.csv. For each task that has a floor and a folder: test MCC of the
control, the floor, with `--cnn` the small network's mean and standard deviation over seeds, and seconds. Exits 1 where
the control is below a floor, to the three digits in which floors are given.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch

from trainers.evaluation.cnn import small_cnn
from trainers.evaluation.counts import kmer_counts
from trainers.evaluation.protocol import Protocol
from trainers.tasks.files import read_task

FLOORS = {  # test MCC of counts of 3- to 5-mers and logistic regression with C = 0.05: untuned, one run
    "tf/0": 0.628,
    "tf/1": 0.688,
    "tf/2": 0.568,
    "tf/4": 0.719,
    "mouse/0": 0.517,
    "mouse/2": 0.739,
    "mouse/4": 0.424,
    "prom/prom_core_all": 0.557,
    "prom/prom_core_tata": 0.488,
    "prom/prom_300_tata": 0.428,
}
PROTOCOL = Protocol(  # all training examples; what else it says, the controls do not read
    epochs=1, batch=32, learning_rate=3e-5, warmup=0.0, weight_decay=0.0, pooling="mean", dev_every=0, shots=0
)


def main() -> int:
    """Print a line a task; return 1 where a floor is missed, 2 where no task is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--tasks", nargs="+", choices=FLOORS, default=list(FLOORS), metavar="TASK")
    parser.add_argument("--seeds", type=int, default=3, help="of the network")
    parser.add_argument("--cnn", action="store_true")
    options = parser.parse_args()
    present = [name for name in options.tasks if (options.root / name).is_dir()]
    if not present:
        print(f"error: {options.root} has none of {', '.join(options.tasks)}", file=sys.stderr)
        return 2
    missed = [name for name in present if not is_reached(name, options.root, options.seeds if options.cnn else 0)]
    print(
        f"{len(present) - len(missed)} of {len(present)} floors reached"
        + "".join(f"; {name} is not" for name in missed)
    )
    return 1 if missed else 0


def is_reached(name: str, root: Path, seeds: int) -> bool:
    """Print the line of a task; return whether its floor is reached."""
    task = read_task(name, root / name)
    started = time.perf_counter()
    found = round(kmer_counts(task, PROTOCOL, 0).test["mcc"], 3)
    line = f"{name:20s} k-mers {found:.3f}, floor {FLOORS[name]:.3f}, {time.perf_counter() - started:.0f} s"
    if seeds:
        started = time.perf_counter()
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        scores = [small_cnn(task, PROTOCOL, seed, device).test["mcc"] for seed in range(seeds)]
        spread = f" +- {statistics.stdev(scores):.3f}" if seeds > 1 else ""
        seconds = (time.perf_counter() - started) / seeds
        line += f"; CNN {statistics.mean(scores):.3f}{spread}, {seeds} seeds, {seconds:.0f} s each on {device.type}"
    print(line, flush=True)
    return found >= FLOORS[name]


if __name__ == "__main__":
    sys.exit(main())
