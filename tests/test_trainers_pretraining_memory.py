"""Out of memory, really: a process that may not take more says what would have fitted, or takes that."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from curricula import InputError
from tests import runs
from tests.studies import ROOT
from trainers.pretraining.memory import most_that_fit, ran_out

LINUX = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is limited by Linux's rules")

# 60 rows of 510 tokens keep about 300 MB of activations; the limit leaves less than that, from the second step on
PROGRAM = """
import resource, sys
from pathlib import Path
import torch
from curricula import InputError
from tests import runs
from trainers import data
from trainers.pretraining import compute
from trainers.pretraining.loop import pretrain
from trainers.settings import DataSettings, Execution

torch.set_num_threads(1)
compute.CPU_TOKENS = 60 * 512  # `auto` starts with one pass, as on a GPU
folder, micro_batch, spare_mb = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
chosen = DataSettings("embedded", 2, 510, 20_000, 0.1, 4, 0)
data.prepare(data.open_genome("embedded"), chosen, folder)
loaded, sha256 = data.load(chosen, folder)
settings = runs.settings_of(sha256, length=510, batch=60, horizon=2)
rows = []
passes = compute.Share.passes

def noted(share, groups):
    rows.append(max(map(len, groups)))
    return passes(share, groups)

def limit(step):
    if step == 1:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + spare_mb * 1_000_000, resource.RLIM_INFINITY))
    else:  # the thread that writes the checkpoint may have a stack of its own
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

compute.Share.passes = noted
try:
    how = Execution(micro_batch=micro_batch if micro_batch == "auto" else int(micro_batch))
    (reached,) = pretrain(settings, loaded, [2], folder / "run", runs.ALONE, how, limit)
except InputError as error:
    print("refused:", error)
else:
    print(f"{reached.validation_loss:.6f}", rows[-1])
"""


def train(folder: Path, micro_batch: str, spare_mb: int) -> str:
    command = [sys.executable, "-c", PROGRAM, str(folder), micro_batch, str(spare_mb)]
    returned = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}  # what is freed is not kept for the next step
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, cwd=ROOT, env=returned)
    assert done.returncode == 0, done.stderr
    return done.stdout


@LINUX
def test_auto_takes_what_fits(tmp_path: Path) -> None:
    loss, rows = train(tmp_path, "auto", 100).split()
    assert float(loss) < 4  # what the passes add up to is tested with the gradients
    assert int(rows) in (30, 15, 7)


@LINUX
def test_a_number_that_does_not_fit_is_refused_with_one_that_does(tmp_path: Path) -> None:
    said = train(tmp_path, "60", 100)
    pattern = r"refused: a pass must fit into the memory of cpu, but micro_batch=60 rows of 512 tokens does not; (\d+) "
    found = re.match(pattern, said)
    assert found, said
    assert int(found[1]) in (30, 15, 7)


def test_halves_are_tried_until_every_worker_gets_through() -> None:
    tried = []

    def attempt(rows: int) -> None:
        tried.append(rows)
        if rows > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")

    assert most_that_fit(48, attempt, runs.ALONE) == 3
    assert tried == [48, 24, 12, 6, 3]


def test_a_model_too_large_for_one_row_is_refused() -> None:
    def attempt(rows: int) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(InputError, match="one row must fit into the memory of a worker, but this model needs more"):
        most_that_fit(4, attempt, runs.ALONE)


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    def attempt(rows: int) -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        most_that_fit(4, attempt, runs.ALONE)
    assert not ran_out(ValueError("can't"))
