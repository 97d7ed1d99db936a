"""After notice, all workers leave at one step, behind a checkpoint, and go on there to the same weights."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from tests import runs
from tests.studies import ROOT
from trainers import data
from trainers.pretraining import checkpoint
from trainers.pretraining.loop import Reached, pretrain
from trainers.pretraining.notice import Notice, PreemptedError
from trainers.pretraining.watch import EVERY
from trainers.settings import Execution
from trainers.workers import Workers

FEW = Execution(checkpoint_every=4)
STEPS, LEFT_AT = 10, 7


def train(
    prepared: Path, out: Path, workers: Workers, told_at: int | None = None, **changes: object
) -> tuple[list[Reached], list[int]]:
    """Train; from a step on, this worker has notice. Return what was reached, and the steps done."""
    loaded, _ = data.load(runs.DATA, prepared)
    settings = runs.settings(prepared, horizon=STEPS, **changes)
    steps: list[int] = []

    def has_notice() -> bool:
        return told_at is not None and bool(steps) and steps[-1] >= told_at - 1

    return list(pretrain(settings, loaded, [STEPS], out, workers, FEW, steps.append, has_notice)), steps


@pytest.mark.parametrize("changes", [{}, {"cooldown": 0.5}], ids=["trunk", "branch"])
def test_it_goes_on_at_the_step_of_the_notice_to_the_same_weights(prepared, tmp_path, changes):
    whole, _ = train(prepared, tmp_path / "whole", runs.ALONE, **changes)
    with pytest.raises(PreemptedError) as left:
        train(prepared, tmp_path / "cut", runs.ALONE, LEFT_AT, **changes)
    assert left.value.step == LEFT_AT
    assert [path.parent.name for path in (tmp_path / "cut").rglob(f"step-{LEFT_AT:08d}/state.json")]
    after, steps = train(prepared, tmp_path / "cut", runs.ALONE, **changes)
    assert steps[0] == LEFT_AT + 1
    assert after[0].validation == whole[0].validation
    for one, other in zip(after[0].model.parameters(), whole[0].model.parameters(), strict=True):
        assert torch.equal(one, other)


class Beside(Workers):
    """A worker that adds up with another one: that one counts nothing, and has notice at a step."""

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        if values.shape == (5,):
            sums[0] += 1
            values[-1] += sums[0] == LEFT_AT
        return values


sums = [0]  # so far


def test_a_worker_without_notice_leaves_with_the_others(prepared, tmp_path):
    with pytest.raises(PreemptedError) as left:
        train(prepared, tmp_path, Beside(0, 1, torch.device("cpu")))
    assert left.value.step == LEFT_AT
    assert checkpoint.complete(tmp_path) == [LEFT_AT]


def test_a_gpu_is_asked_only_when_it_is_waited_for_anyway():
    notice = Notice(Workers(0, 1, torch.device("meta")), lambda: True)
    counts = notice.hear(notice.beside(torch.zeros(4, dtype=torch.int64, device="meta")))
    assert counts.shape == (4,)
    assert not any(notice.is_agreed(step) for step in range(1, EVERY))


def test_the_command_leaves_on_sigterm_and_goes_on_there(tmp_path):
    command = [
        sys.executable,
        "-m",
        "trainers.pretrain",
        "--out",
        str(tmp_path),
        "--budgets",
        "100000",
        "--length",
        "9",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while "guessing from" not in process.stdout.readline():  # the training is the next thing
            pass
        threading.Timer(3.0, process.send_signal, [signal.SIGTERM]).start()
        assert process.wait(timeout=120) == 143
        (step,) = re.findall(r"left at step (\d+) after notice; the same command goes on there", process.stderr.read())
    assert [path.parent.name for path in tmp_path.rglob("step-*/state.json")] == [f"step-{int(step):08d}"]
