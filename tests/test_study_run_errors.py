"""Wrong input gives one clear line and exit code 2, before a folder is made or anything is trained."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from study import run
from tests.studies import ROOT, write_mini

pytestmark = pytest.mark.timeout(60)  # a case that is not refused would start a study

GENOME = ">a\n" + "ACGT" * 5_000 + "\n"
TASK = "sequence,label\n" + "".join(f"ACGTACGT{'ACGT'[label]},{label}\n" for label in (0, 1) * 6)


def fasta(folder: Path, text: str) -> str:
    path = folder / "genome.fa"
    path.write_text(text)
    return str(path)


def truncated_gzip(folder: Path) -> str:
    path = folder / "genome.fa.gz"
    path.write_bytes(gzip.compress((GENOME + GENOME.partition("\n")[2] * 50).encode())[:-40])
    return str(path)


def gue_task(folder: Path, **changed: str) -> list[str]:
    for split in ("train", "dev", "test"):
        path = folder / "gue" / "tf" / "0" / f"{split}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(changed.get(split, TASK))
    return [
        f"evaluation.root={folder / 'gue'}",
        "evaluation.tasks.0.name=tf/0",
        "evaluation.tasks.0.shots=0",
        "evaluation.allow_modified=true",  # these are not the published splits
    ]


CASES: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "unknown curriculum": (
        lambda _: ["curricula.liner={}"],
        "there is no curriculum `liner` (did you mean `linear`?)",
    ),
    "unknown argument of a curriculum": (
        lambda _: ["curricula.linear={strat: 0.3}"],
        "curriculum `linear` has no argument `strat` (did you mean `start`?)",
    ),
    "span wider than the row": (
        lambda _: ["curricula.constant.span=100"],
        "a span must fit into a row of 24 tokens, but curriculum `constant` with {'span': 100, 'strategy': 'random'} "
        "asks for 101 tokens at step 0 of 100",
    ),
    "a searched span that would be wider than the row": (
        lambda _: ["curricula.cm_gems={}", "search.trials=6", "pretraining.length=12"],
        "a span must fit into a row of 12 tokens, but curriculum `cm_gems` with {'span': 12} asks for 13 tokens",
    ),
    "unknown placebo": (
        lambda _: ["curricula.placebo_lineer={}"],
        "there is no curriculum `placebo_lineer` (did you mean `placebo_linear`?)",
    ),
    "rate outside (0, 1) is refused before training": (
        lambda _: ["curricula.constant={rate: 1.5}"],
        "a masking rate must lie in (0, 1), but got rate=1.5",
    ),
    "unknown key": (
        lambda _: ["pretraining.learningrate=0.1"],
        "unknown key `pretraining.learningrate` (did you mean `learning_rate`?)",
    ),
    "unknown key in a task": (
        lambda _: ["evaluation.tasks.0.shot=1"],
        "unknown key `evaluation.tasks.0.shot` (did you mean `shots`?)",
    ),
    "wrong type": (
        lambda _: ["pretraining.batch=many"],
        "`pretraining.batch`: Input should be a valid integer, but got 'many'",
    ),
    "budgets not ascending": (
        lambda _: ["pretraining.budgets=[200, 100]"],
        "budgets must be ascending, without repeats, at least one, but got [200, 100]",
    ),
    "unknown preset": (lambda _: ["model.preset=lego"], "there is no model preset `lego` (did you mean `logo`?)"),
    "unknown number to search": (
        lambda _: ["search.space={batch: {low: 1, high: 2}}"],
        "`batch` cannot be searched",
    ),
    "empty range to search": (
        lambda _: ["search.space={learning_rate: {low: 0.1, high: 0.01}}"],
        "low < high must hold",
    ),
    "default outside the range to search": (
        lambda _: ["search.space={learning_rate: {low: 0.1, high: 0.2}}"],
        "pretraining.learning_rate is tried first, so it must lie in search.space.learning_rate",
    ),
    "more workers than rows": (
        lambda _: ["pretraining.batch=1"],
        "pretraining.batch must have a row for each of cluster.workers, but got 1 and 2",
    ),
    "window longer than the model": (
        lambda _: ["pretraining.length=511"],
        "length + 2 must not exceed the 512 positions of preset tiny, but got length=511",
    ),
    "window shorter than two k-mers": (lambda _: ["pretraining.length=3"], "must be at least 2k = 4 tokens"),
    "warm-up longer than the training": (lambda _: ["pretraining.warmup=6"], "must be shorter than the longest budget"),
    "fewer trials than curricula": (lambda _: ["search.trials=1"], "must allow each of the 2 curricula one trial"),
    "no tasks": (lambda _: ["evaluation.tasks=[]"], "`evaluation.tasks`: List should have at least 1 item"),
    "one task twice": (
        lambda _: ["evaluation.tasks=[{name: promoters_ecoli}, {name: promoters_ecoli}]"],
        "task names must differ",
    ),
    "unknown embedded task": (
        lambda _: ["evaluation.tasks.0.name=splice"],
        "there is no embedded task `splice` (did you mean `splice_junctions`?)",
    ),
    "missing FASTA": (lambda folder: [f"data.genome={folder}/none.fa"], "none.fa cannot be read: No such file"),
    "empty FASTA": (lambda folder: [f"data.genome={fasta(folder, '')}"], "genome.fa is empty"),
    "FASTA of protein": (
        lambda folder: [f"data.genome={fasta(folder, '>p' + chr(10) + 'MKLE')}"],
        "may hold nucleotide letters only, but",
    ),
    "FASTA of N": (
        lambda folder: [f"data.genome={fasta(folder, '>p' + chr(10) + 'N' * 90)}"],
        "a corpus must hold A, C, G or T",
    ),
    "FASTA shorter than a window": (
        lambda folder: [f"data.genome={fasta(folder, '>p' + chr(10) + 'ACGTACGT')}"],
        "window of 25 bases must fit",
    ),
    "truncated gzip": (lambda folder: [f"data.genome={truncated_gzip(folder)}"], "is truncated or damaged"),
    "missing task folder": (
        lambda folder: [f"evaluation.root={folder}/gue", "evaluation.tasks.0.name=tf/9"],
        "tf/9/train.csv is missing",
    ),
    "CSV without sequence,label": (
        lambda folder: gue_task(folder, dev="seq,label\nACGT,0\n"),
        "must have the header `sequence,label`, but",
    ),
    "sequence longer than the model": (
        lambda folder: gue_task(folder, test=f"sequence,label\n{'A' * 900},0\n"),
        "a sequence must fit the 512 positions of tiny at k=2 (or `truncate: true` cuts it), but",
    ),
    "label outside the classes": (
        lambda folder: gue_task(folder, test="sequence,label\nACGT,0\nACGT,2\n"),
        "test.csv:3 has label 2",
    ),
    "more shots than examples": (
        lambda _: ["evaluation.tasks.0.shots=500"],
        "`shots` must not exceed the training examples of a class",
    ),
    "more workers than CPUs": (
        lambda _: ["cluster.workers=64", "pretraining.batch=64"],
        "a trial must fit the cluster, but cluster.workers=64 x 1 CPU a worker = 64 CPUs, and there are",
    ),
    "more workers than CPUs at the least": (
        lambda _: ["cluster.workers=65", "cluster.min_workers=64", "pretraining.batch=65"],
        "a trial must fit the cluster, but cluster.min_workers=64 x 1 CPU a worker = 64 CPUs, and there are",
    ),
    "fewest workers above the most": (
        lambda _: ["cluster.min_workers=3"],
        "min_workers must not exceed workers, but got min_workers=3 and workers=2",
    ),
    "no workers at the least": (
        lambda _: ["cluster.min_workers=0"],
        "cluster.min_workers",
    ),
    "more GPUs than there are": (
        lambda _: ["cluster.gpus_per_worker=64"],
        "cluster.workers=2 x 64 GPU a worker = 128 GPUs, and there are",
    ),
    "unwritable results folder": (
        lambda folder: [f"results={fasta(folder, GENOME)}/results"],
        "cannot be written: Not a directory",
    ),
    "override without a value": (lambda _: ["seed"], "--set takes key=value"),
    "override of an item that is not there": (lambda _: ["evaluation.tasks.7.shots=1"], "there is no item `7`"),
    "override below a single value": (lambda _: ["seeds.x=1"], "`seeds` is a single value, it has no `x`"),
    "override that is not YAML": (lambda _: ["seed=[1"], "the value `[1` is not valid YAML"),
    "name that is no folder name": (lambda _: ["name=../x"], "`name`: String should match pattern"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_line_exit_2_and_nothing_started(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    changes, expected = CASES[case]
    spec = write_mini(tmp_path)
    results = tmp_path / "results"
    overrides = [part for change in [f"results={results}", *changes(tmp_path)] for part in ("--set", change)]
    assert run.main([str(spec), *overrides]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert expected in printed.err
    assert not results.exists()


SPECS: dict[str, tuple[str, str]] = {
    "not YAML": ("curricula: [", "is not valid YAML"),
    "not a mapping": ("- demo", "a spec must be a YAML mapping"),
    "without what is required": ("seed: 1", "Field required"),
}


@pytest.mark.parametrize("case", SPECS)
def test_a_malformed_spec_file(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, expected = SPECS[case]
    (tmp_path / "spec.yaml").write_text(text)
    assert run.main([str(tmp_path / "spec.yaml")]) == 2
    assert expected in capsys.readouterr().err


def test_a_spec_that_does_not_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["dem"]) == 2
    assert "there is no spec `dem` (did you mean `demo`?)" in capsys.readouterr().err
    assert run.main([str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml cannot be read: No such file" in capsys.readouterr().err


def test_resuming_what_cannot_be_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--resume", "nothing", "--results", str(tmp_path)]) == 2
    assert f"there is no study `nothing` in {tmp_path} (there: none)" in capsys.readouterr().err
    assert run.main(["--resume", "demo", "--set", "seed=1"]) == 2
    assert "--set cannot be used with --resume" in capsys.readouterr().err


def test_no_traceback_reaches_the_terminal(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "study.run", "--set", "seeds=none", "--results", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""


def test_help_names_every_key_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        run.main(["--help"])
    printed = capsys.readouterr().out
    for expected in ("pretraining.batch (default 32)", "evaluation.tasks.0.shots (default 0)", "cluster.workers"):
        assert expected in printed
