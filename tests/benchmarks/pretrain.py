"""Speed of pretraining: `python -m tests.benchmarks.pretrain`; on a GPU: `--device cuda`. Ray is not loaded.

Every figure is a ratio against a baseline measured in the same run, turn about:

- `trainer`: transformers' Trainer with DataCollatorForLanguageModeling on the same model, batch size and threads (and
  in bf16 on a GPU); ours masks spans on top. Tokens a second without the first steps.
- `lengths`: samples of mixed lengths, against the same rows in passes as large, as they come and padded to the longest.
- `workers`: two processes with a core each against one process on one core, the same batch (CPU).
- `checkpoints`: how long a checkpoint of the `logo` preset holds the training up.
- `profile` (GPU): model FLOPs utilisation, and whole steps under torch's own guard against waiting for the device.
"""

import argparse
import dataclasses
import datetime
import functools
import multiprocessing
import os
import tempfile
import time
import unittest.mock
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.benchmarks.pretraining_runs import LENGTH, WARM, Bench, K, Run, by_speed, turn_about
from trainers.pretraining import compute
from trainers.pretraining.loop import _Loop
from trainers.settings import DataSettings
from trainers.workers import Workers


def padded(lengths: np.ndarray, most_tokens: int) -> list[np.ndarray]:
    """Return the passes of the baseline: rows as they come, each pass as wide as its longest row."""
    rows = max(1, most_tokens // int(lengths.max()))
    return [np.arange(first, min(first + rows, len(lengths))) for first in range(0, len(lengths), rows)]


def against_trainer(bench: Bench, runs: int) -> None:
    """Print how much faster than transformers' Trainer a step is, and where its time goes."""
    for preset, batch in [("logo", 8)] if bench.device.type == "cpu" else [("logo", 256), ("dnabert", 64)]:
        own, theirs = turn_about(
            runs, functools.partial(bench.ours, preset, batch), functools.partial(bench.trainer, preset, batch)
        )
        show(f"{preset} {batch} x {LENGTH + 2}, against Trainer", own, theirs)
        state = own.reached.state
        share = (state.parts["data"] + state.parts["mask"]) / state.seconds
        print(f"{'':44s}data and masking: {share:.2%} of the time")


def against_padding(bench: Bench, runs: int) -> None:
    """Print what not computing padding is worth, and that the losses agree."""
    batch = 32 if bench.device.type == "cpu" else 256

    def baseline() -> Run:
        with unittest.mock.patch.object(compute, "cut", padded):
            return bench.ours("logo", batch, "mixed")

    own, wide = turn_about(runs, functools.partial(bench.ours, "logo", batch, "mixed"), baseline)
    show(f"logo {batch} rows of mixed lengths, against padding", own, wide)
    losses = own.reached.validation_loss, wide.reached.validation_loss
    print(f"{'':44s}validation losses {losses[0]:.6f} and {losses[1]:.6f}")


def against_one_worker(bench: Bench, runs: int) -> None:
    """Print what a second process on a second core brings."""
    two, one = turn_about(runs, lambda: together(bench, 2), lambda: together(bench, 1))
    show("logo 16 x 512, two workers on two cores", two, one)


def together(bench: Bench, count: int) -> Run:
    """Time a group of processes with a core each."""
    bench.prepared(DataSettings("embedded", K, LENGTH, 20_000, 0.1, 8, 0))
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    rendezvous = bench.folder / f"rendezvous-{time.time_ns()}"
    processes = [
        context.Process(target=member, args=(bench, rank, count, rendezvous, results)) for rank in range(count)
    ]
    for process in processes:
        process.start()
    seconds = results.get()
    for process in processes:
        process.join(600)
    return Run(seconds, 16 * LENGTH)


def member(bench: Bench, rank: int, count: int, rendezvous: Path, results: Any) -> None:
    """One process of a group."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})
    torch.set_num_threads(1)
    address = f"file://{rendezvous}"
    torch.distributed.init_process_group("gloo", address, datetime.timedelta(minutes=10), rank=rank, world_size=count)
    run = bench.ours("logo", 16, workers=Workers(rank, count, bench.device))
    if rank == 0:
        results.put(run.seconds)
    torch.distributed.destroy_process_group()


def checkpoints(bench: Bench, runs: int) -> None:
    """Print what checkpoints add to the time of a run whose every tenth step writes one."""
    every = 10
    bench = dataclasses.replace(bench, steps=max(bench.steps, 3 * every))
    own = sorted((bench.ours("logo", 8, checkpoint_every=every) for _ in range(runs)), key=by_speed)[runs // 2]
    state = own.reached.state
    one = state.parts["checkpoint"] / (bench.steps // every)
    size = 3 * 4 * sum(p.numel() for p in own.reached.model.parameters())
    print(f"logo, a checkpoint of {size / 1e6:.0f} MB holds the training up for {1000 * one:.0f} ms, ", end="")
    print(f"{one / own.seconds:.1%} of a step, {one / own.seconds / 100:.3%} of a budget of 100 steps")


def profile(bench: Bench, runs: int) -> None:
    """Print model FLOPs utilisation, and fail where a step waits for the GPU."""
    from trainers.pretraining.flops import peak

    for preset, batch in (("logo", 256), ("dnabert", 64)):
        own = sorted((bench.ours(preset, batch, compile=True) for _ in range(runs)), key=by_speed)[runs // 2]
        most = peak(bench.device, "bf16")
        share = own.reached.state.flops / bench.steps / own.seconds / most.flops_per_second
        print(f"{preset} {batch} x {LENGTH + 2}: {own.speed:,.0f} tokens/s, MFU {share:.1%} of the {most.source} peak")
    with unittest.mock.patch("trainers.pretraining.loop._Loop._train_step", guarded(_Loop._train_step)):
        bench.ours("logo", 256)
    print("no step waited for the device")


def guarded(step: Callable[..., None]) -> Callable[..., None]:
    """Make whatever waits for the device inside a step an error, once kernels are chosen."""

    def run(loop: Any, share_of_rate: float) -> None:
        if loop.step >= WARM:
            torch.cuda.set_sync_debug_mode("error")
        try:
            step(loop, share_of_rate)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    return run


def show(what: str, own: Run, baseline: Run) -> None:
    """Print one line."""
    ratio = own.speed / baseline.speed
    print(f"{what:48s}{own.speed:12,.0f} tokens/s against {baseline.speed:10,.0f}: {ratio:.2f}x", flush=True)


PARTS = {
    "trainer": against_trainer,
    "lengths": against_padding,
    "workers": against_one_worker,
    "checkpoints": checkpoints,
    "profile": profile,
}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--parts", nargs="+", choices=PARTS, help="some of the figures; without it, all of the device")
    parser.add_argument("--steps", type=int, default=16, help="of a run")
    parser.add_argument("--runs", type=int, default=3, help="of each side; the median is shown")
    options = parser.parse_args()
    of_device = [part for part in PARTS if part != ("profile" if options.device == "cpu" else "workers")]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), torch.device(options.device), options.steps)
        for part in options.parts or of_device:
            PARTS[part](bench, options.runs)


if __name__ == "__main__":
    main()
