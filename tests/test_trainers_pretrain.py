"""`python -m trainers.pretrain`: one GPU or one core, and no cluster, is enough."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.dna import random_letters
from tests.studies import ROOT
from trainers.pretrain import main
from trainers.pretraining import checkpoint

SMALL = ["--length", "24", "--batch", "8", "--warmup", "1", "--validate-every", "2"]


def test_it_trains_to_its_budgets_and_goes_on_where_it_was(tmp_path, capsys):
    small = ["--out", str(tmp_path), *SMALL, "--curriculum", "linear", "--set", "start=0.4", "--set", "span=2"]
    assert main([*small, "--budgets", "2", "4"]) == 0
    printed = capsys.readouterr().out
    assert "1 process(es)" in printed
    assert "2 steps: validation loss" in printed
    assert "4 steps: validation loss" in printed
    (folder,) = tmp_path.glob("linear-*")
    assert checkpoint.complete(folder) == [2, 4]
    made = (checkpoint.folder_of(folder, 4) / "model.safetensors").stat().st_mtime_ns
    assert main([*small, "--budgets", "2", "4"]) == 0
    assert (checkpoint.folder_of(folder, 4) / "model.safetensors").stat().st_mtime_ns == made
    assert list(tmp_path.glob("linear-*")) == [folder]


def test_it_reads_a_fasta_file(tmp_path, capsys):
    path = tmp_path / "genome.fa"
    path.write_text(">c1\n" + random_letters(5000))
    assert (
        main(["--out", str(tmp_path / "run"), *SMALL, "--genome", str(path), "--block", "500", "--budgets", "1"]) == 0
    )
    assert "1 steps: validation loss" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--curriculum", "linaer"], "no curriculum `linaer` (did you mean `linear`?)"),
        (["--preset", "tinny"], "no model preset `tinny` (did you mean `tiny`?)"),
        (["--genome", "/no/such.fa"], "the sequence file /no/such.fa cannot be read"),
        (["--set", "rate"], "--set takes NAME=VALUE, but got ['rate']"),
        (["--set", "rat=0.2"], "has no argument `rat` (did you mean `rate`?)"),
        (["--budgets", "4", "2"], "--budgets must be ascending, from 1, without repeats, but got [4, 2]"),
        (["--budgets", "0"], "--budgets must be ascending, from 1"),
        (["--k", "9"], "k must lie in 1..8, but got k=9"),
        (["--validation-share", "1"], "--validation-share must lie in (0, 1), but got 1.0"),
        (["--block", "0"], "--block must be at least 1, but got 0"),
        (["--batch", "0"], "`batch` must be at least 1, but got 0"),
        (["--block", "10"], "window of 60 bases must fit"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_trained_is_refused_with_exit_code_2(tmp_path, capsys, options, message):
    assert main(["--out", str(tmp_path), *options]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert message in printed.err


def test_a_diverging_run_ends_with_exit_code_1(tmp_path, capsys):
    assert main(["--out", str(tmp_path), *SMALL, "--learning-rate", "1e30", "--budgets", "8"]) == 1
    assert "diverged: " in capsys.readouterr().err


def test_a_cool_down_is_said(tmp_path, capsys):
    own = ["--out", str(tmp_path), *SMALL, "--budgets", "4", "8", "--cooldown", "0.5", "--schedule", "wsd"]
    assert main(own) == 0
    printed = capsys.readouterr().out
    assert "4 steps after a cool-down: validation loss" in printed
    assert "8 steps: validation loss" in printed
    assert "tokens/s" in printed


@pytest.mark.parametrize("preset", ["modern_tiny", "nt_tiny", "dnabert2_tiny"])
def test_every_kind_of_token_and_architecture_learns(tmp_path, capsys, preset):
    own = ["--out", str(tmp_path), "--preset", preset, "--k", "3", "--length", "100", "--batch", "16", "--warmup", "5"]
    assert main([*own, "--learning-rate", "0.003", "--budgets", "1", "60", "--lengths", "mixed"]) == 0
    losses = [
        float(line.split("loss ")[1].split()[0]) for line in capsys.readouterr().out.splitlines() if "loss " in line
    ]
    assert losses[-1] < losses[-2] - 0.1


def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path):
    steps = 60
    own = [*SMALL, "--budgets", str(steps), "--checkpoint-every", "3", "--cooldown", "0.2", "--lengths", "mixed"]
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    assert main(["--out", str(undisturbed), *own]) == 0
    command = [sys.executable, "-m", "trainers.pretrain", "--out", str(killed), *own]
    moments, progress = random.Random(5), []
    threads = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}  # sums depend on how they are cut
    for _ in range(2):
        process = subprocess.Popen(command, cwd=ROOT, env=threads, stdout=subprocess.DEVNULL)
        until = len(progress_of(killed)) + moments.randint(1, 4)
        deadline = time.monotonic() + 120
        while process.poll() is None and len(progress) < until and time.monotonic() < deadline:
            progress = sorted({*progress, *progress_of(killed)})
            time.sleep(moments.random() / 50)
        process.kill()
        process.wait(60)
    assert 0 < max(progress_of(killed)) <= steps
    assert main(["--out", str(killed), *own]) == 0
    ends = [next(folder.glob(f"constant-*/step-{steps:08d}")) for folder in (undisturbed, killed)]
    expected, found = (load_file(folder / "model.safetensors") for folder in ends)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def progress_of(out: Path) -> list[int]:
    """Steps of the complete checkpoints of a run."""
    return [step for folder in out.glob("constant-*") for step in checkpoint.complete(folder)]
