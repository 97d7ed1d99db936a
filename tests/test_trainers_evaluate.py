"""`python -m trainers.evaluate`: a table or JSON, nothing computed twice, and every wrong input one line."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from tests import runs
from tests.models import SMALL, small
from tests.runs import ALONE
from tests.studies import ROOT
from trainers import data, embedded, evaluate
from trainers.evaluation import scoring
from trainers.models.exported import export
from trainers.models.opened import opened, reading_of
from trainers.models.pretrained import Pretrained
from trainers.pretraining.loop import pretrain

QUICK = ["--epochs", "1", "--dev-every", "0", "--learning-rate", "3e-3", "--pooling", "mean"]
LIMIT_S = 240


@pytest.fixture(scope="module")
def step(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of two steps."""
    folder = tmp_path_factory.mktemp("run")
    loaded, _ = data.load(runs.DATA, prepared)
    list(pretrain(runs.settings(prepared), loaded, [2], folder, ALONE))
    return folder / "step-00000002"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six small tasks of real splice junctions."""
    folder = tmp_path_factory.mktemp("tasks")
    task = embedded.task("splice_junctions")
    for number in range(6):
        for split, count in (("train", 60 + 10 * number), ("dev", 30), ("test", 30)):
            examples = task.splits[split].take(np.arange(number, number + count))
            place = folder / f"splice/{number}" / f"{split}.csv"
            place.parent.mkdir(parents=True, exist_ok=True)
            pyarrow.csv.write_csv(pa.table({"sequence": examples.sequences, "label": examples.labels}), place)
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = evaluate.main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def scores(out: str) -> dict[tuple[str, int, str], dict[str, Any]]:
    return {(row["task"], row["repetition"], row["split"]): row for row in json.loads(out)}


def test_a_checkpoint_is_scored_and_shown(step, tmp_path, capsys):
    arguments = [str(step), *QUICK, "--cache", str(tmp_path), "--repetitions", "2", "--shots", "10"]
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert re.search(r"splice_junctions *│ mcc *│ *-?0\.\d{3} ± 0\.\d{3} *│ *-?0\.\d{3} *│ *2 *│ *\d+\.\d", out)
    assert "promoters_ecoli" in out
    assert "mean over tasks" in out
    code, out, _ = run(capsys, *arguments, "--format", "json")
    assert len(scores(out)) == 2 * 2 * 2
    assert {"mcc", "macro_f1", "accuracy", "seconds", "model"} <= scores(out)["promoters_ecoli", 1, "test"].keys()


@pytest.mark.parametrize("name", SMALL)
def test_every_kind_of_published_model_is_scored(name, tmp_path, capsys):
    export(small(name), tmp_path / "model", "")
    arguments = [str(tmp_path / "model"), *QUICK, "--cache", str(tmp_path / "cache"), "--tasks", "promoters_ecoli"]
    code, out, _ = run(capsys, *arguments, "--format", "json")
    assert code == 0
    assert len(scores(out)) == 2


def test_what_reads_no_model_is_scored_without_one(tmp_path, capsys):
    code, out, _ = run(
        capsys, "none", "--method", "counts", "--tasks", "promo*", "--cache", str(tmp_path), "--format", "json"
    )
    assert code == 0
    assert scores(out)["promoters_ecoli", 0, "test"]["mcc"] > 0.5


def command(step: Path, root: Path, cache: Path) -> list[str]:
    return [str(step), "--root", str(root), *QUICK, "--epochs", "12", "--cache", str(cache), "--format", "json"]


def test_after_a_kill_only_what_is_missing_is_computed_and_nothing_differs(step, root, tmp_path, capsys, monkeypatch):
    cache = tmp_path / "cache"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, "-m", "trainers.evaluate", *command(step, root, cache)]
    process = subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + LIMIT_S
        while len(list(cache.glob("*/*.json"))) < 2:
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < until, f"no two scores in {LIMIT_S} s"
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait(timeout=30)
    known = len(list(cache.glob("*/*.json")))
    assert 2 <= known < 6
    computed: list[str] = []
    real = scoring.compute
    monkeypatch.setattr(scoring, "compute", lambda *job: computed.append(job[1].task.name) or real(*job))
    _, resumed, _ = run(capsys, *command(step, root, cache))
    assert len(computed) == 6 - known
    _, undisturbed, _ = run(capsys, *command(step, root, tmp_path / "other"))
    without_seconds = [
        {key: {name: value for name, value in row.items() if name != "seconds"} for key, row in scores(out).items()}
        for out in (resumed, undisturbed)
    ]
    assert without_seconds[0] == without_seconds[1]


def test_processes_of_torchrun_share_the_work(step, root, tmp_path, capsys):
    arguments = command(step, root, tmp_path / "two")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    launch += ["-m", "trainers.evaluate", *arguments]
    done = subprocess.run(
        launch, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    _, alone, _ = run(capsys, *command(step, root, tmp_path / "one"))
    expected, found = scores(alone), scores(done.stdout)
    assert expected.keys() == found.keys()
    assert all(found[key]["mcc"] == expected[key]["mcc"] for key in expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/no/where"], "a model must be a folder or a hub name like owner/name, but got /no/where"),
        (["MODEL", "--tasks", "splice"], "there is no task `splice` in the package (did you mean `splice_junctions`?)"),
        (["none"], "finetune and probe read a model, counts and cnn take `none`, but got none with --method finetune"),
        (["MODEL", "--method", "cnn"], "but got MODEL with --method cnn"),
        (["MODEL", "--share", "0"], "--share must lie in (0, 1], but got 0.0"),
        (["MODEL", "--repetitions", "0"], "--repetitions must be at least 1, but got 0"),
        (["MODEL", "--dev-every", "-1"], "--dev-every must be at least 0, but got -1"),
        (["MODEL", "--tasks", "promo*", "--shots", "1000"], "got shots=1000 and class 0 of promoters_ecoli has"),
        (["none", "--method", "counts", "--root", "ROOT", "--tasks", "tf/*"], "there is no task `tf/*` in ROOT"),
    ],
)
def test_wrong_input_is_one_line_and_costs_nothing(step, root, arguments, message, capsys, monkeypatch):
    monkeypatch.setattr(scoring, "compute", lambda *_: pytest.fail("computed"))
    places = {"MODEL": str(step), "ROOT": str(root)}
    code, _, err = run(capsys, *(places.get(one, one) for one in arguments))
    assert code == 2
    (line,) = err.strip().splitlines()
    for name, place in places.items():
        message = message.replace(name, place)
    assert message in line


def long_task(folder: Path, bases: int) -> Path:
    for split in ("train", "dev", "test"):
        place = folder / f"long/{split}.csv"
        place.parent.mkdir(parents=True, exist_ok=True)
        rows = [f"{'ACGT'[n % 4] * (20 if n else bases)},{n % 2}" for n in range(8)]
        place.write_text("\n".join(["sequence,label", *rows]) + "\n")
    return folder


def test_a_sequence_that_is_too_long_is_cut_only_where_that_is_asked(step, tmp_path, capsys):
    folder = long_task(tmp_path, 3000)
    arguments = [str(step), "--root", str(folder), *QUICK, "--cache", str(tmp_path / "cache")]
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert "a sequence must fit the" in err
    assert f"{folder}/long/train.csv:2 has 3000 bases" in err
    code, _, err = run(capsys, *arguments, "--truncate")
    assert code == 0
    assert "long: cut to what the model can read: 1 of train, 1 of dev, 1 of test" in err


@pytest.mark.parametrize("name", SMALL)
def test_a_model_reads_as_many_tokens_as_it_says(name):
    one: Pretrained = small(name)
    reading = reading_of(one, name)
    bases = 2000 if reading.positions is None else reading.most_bases(5000)
    ids_1T = one.tokenizer.encode(["ACGT" * (bases // 4) + "ACGT"[: bases % 4]])
    assert one.model(ids_1T).logits.shape[1] == ids_1T.shape[1]
    if reading.positions is not None:
        assert ids_1T.shape[1] <= reading.positions
        assert bases == 5000 or reading.tokens_of(bases + 3) > reading.positions


def test_a_checkpoint_and_its_export_are_the_same_model(step, tmp_path):
    export(opened(str(step)), tmp_path / "out", "")
    again = opened(str(tmp_path / "out"))
    assert all(
        (one == other).all()
        for one, other in zip(again.model.parameters(), opened(str(step)).model.parameters(), strict=True)
    )


def test_a_task_of_gue_that_was_changed_is_refused(step, shared, tmp_path, capsys):
    folder = tmp_path / "tf/0"
    folder.mkdir(parents=True)
    for split in ("train", "dev", "test"):
        (folder / f"{split}.csv").write_bytes((shared / f"data/gue/tf/0/{split}.csv").read_bytes())
    (folder / "test.csv").write_text("\n".join((folder / "test.csv").read_text().splitlines()[:-1]) + "\n")
    code, _, err = run(capsys, str(step), "--root", str(tmp_path))
    assert code == 2
    assert "tf/0 test must have 1000 rows" in err
