"""`python -m trainers.pretrain`: one GPU or one core, and no cluster, is enough."""

import pytest

from tests.dna import random_letters
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
