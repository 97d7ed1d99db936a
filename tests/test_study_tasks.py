"""Tasks as a spec declares them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curricula import InputError
from study import tasks
from study.spec.files import explained, parse
from study.spec.study import StudySpec
from tests.studies import MINI
from trainers.tasks.task import SPLITS

ROWS = "sequence,label\n" + "".join(f"{'ACGT'[n % 4] * (8 + n // 4)},{n % 2}\n" for n in range(40))


def spec_with(*entries: dict, **evaluation) -> StudySpec:
    return parse({**MINI, "evaluation": {**evaluation, "tasks": list(entries)}}, "a test")


def gue_root(root: Path, name: str = "tf/0", text: str = ROWS) -> str:
    for split in SPLITS:
        path = root / name / f"{split}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


def test_a_task_of_ones_own_takes_three_lines(tmp_path, monkeypatch):
    (tmp_path / "train.csv").write_text(ROWS)
    (tmp_path / "test.csv").write_text(ROWS)
    monkeypatch.chdir(tmp_path)
    spec = spec_with({"name": "mine", "train": "train.csv", "test": "test.csv"})
    assert spec.evaluation.tasks[0].train == str(tmp_path / "train.csv")
    monkeypatch.chdir("/")
    (task,) = tasks.read(spec)
    assert [len(task.splits[split]) for split in SPLITS] == [36, 4, 40]
    assert task.card["dev"].startswith("none given: 4 of 40 training rows, stratified by class")
    assert task.card["source"] == {"train": [str(tmp_path / "train.csv")], "test": [str(tmp_path / "test.csv")]}
    (again,) = tasks.read(spec)
    assert again.splits["dev"].sequences == task.splits["dev"].sequences


def test_columns_dev_and_one_fasta_a_class(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text(ROWS.replace(",", "\t").replace("sequence\tlabel", "dna\tis"))
    mine = {"name": "mine", "sequence_column": "dna", "label_column": "is"}
    spec = spec_with({**mine, "train": str(path), "test": str(path), "dev": str(path)})
    assert len(tasks.read(spec)[0].splits["dev"]) == 40
    (tmp_path / "0.fa").write_text(">a\nACGT\n>b\nACCT\n")
    (tmp_path / "1.fa").write_text(">a\nTTTT\n>b\nTTAT\n")
    both = [str(tmp_path / "0.fa"), str(tmp_path / "1.fa")]
    (task,) = tasks.read(spec_with({"name": "mine", "train": both, "test": both}))
    assert task.splits["dev"].labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"train": "a.csv"}, r"train and test go together, but mine has only train"),
        ({"dev": "a.csv", "test": "a.csv"}, r"but mine has only dev and test"),
        ({"train": ["a.fa"], "test": "b.fa"}, r"one FASTA file for each of at least two classes, but got \['a\.fa'\]"),
        ({"label_column": "y"}, r"columns are named for files of your own, but mine has no train and test"),
        ({"train": "a", "test": "a", "label_column": "sequence"}, r"must differ, but both are `sequence`"),
        ({"train": 3, "test": "a"}, r"`evaluation\.tasks\.0\.train"),
    ],
)
def test_half_a_declaration_is_refused(entry, message):
    with pytest.raises(InputError, match=message):
        spec_with({"name": "mine", **entry})


def test_remote_places_stay_as_they_are():
    entry = {"name": "mine", "train": "s3://bucket/a.csv", "test": "gs://bucket/b.csv"}
    spec = spec_with(entry, root="s3://bucket/GUE?region=eu-west-1")
    assert spec.evaluation.root == "s3://bucket/GUE?region=eu-west-1"
    assert (spec.evaluation.tasks[0].train, spec.evaluation.tasks[0].test) == ("s3://bucket/a.csv", "gs://bucket/b.csv")


def test_a_root_and_files_may_be_remote(tmp_path, monkeypatch):
    monkeypatch.setenv("CURRICULUM_STUDY_CACHE", str(tmp_path / "cache"))
    gue_root(tmp_path / "store", "group/little")
    remote = f"file://{tmp_path}/store"
    (task,) = tasks.read(spec_with({"name": "group/little"}, root=remote))
    assert len(task.splits["train"]) == 40
    path = f"{remote}/group/little/train.csv"
    (task,) = tasks.read(spec_with({"name": "mine", "train": path, "test": path}))
    assert len(task.splits["train"]) == 36


def test_a_task_with_a_gue_name_must_be_the_published_one(tmp_path):
    root = gue_root(tmp_path)
    with pytest.raises(InputError, match=r"tf/0 train must have 32378 rows, but .*train\.csv has 40.*allow_modified"):
        tasks.read(spec_with({"name": "tf/0"}, root=root))
    (task,) = tasks.read(spec_with({"name": "tf/0"}, root=root, allow_modified=True))
    assert len(task.splits["train"]) == 40
    own = {"name": "tf/0", "train": f"{root}/tf/0/train.csv", "test": f"{root}/tf/0/test.csv"}
    assert len(tasks.read(spec_with(own, root=root))[0].splits["test"]) == 40


def test_other_folders_under_a_root_are_read_as_they_are(tmp_path):
    assert tasks.read(spec_with({"name": "tf/x"}, root=gue_root(tmp_path, "tf/x")))[0].classes == 2


def test_published_tasks_are_read_as_csv_and_as_parquet(shared, tmp_path):
    root = shared / "data/gue"
    (task,) = tasks.read(spec_with({"name": "mouse/2"}, root=str(root)))
    for split in SPLITS:
        examples = task.splits[split]
        path = tmp_path / "mouse/2" / f"{split}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"sequence": examples.sequences, "label": examples.labels}), path)
    (again,) = tasks.read(spec_with({"name": "mouse/2"}, root=str(tmp_path)))
    for split in SPLITS:
        assert again.splits[split].sequences == task.splits[split].sequences
        assert np.array_equal(again.splits[split].labels, task.splits[split].labels)


def test_the_new_keys_are_explained():
    text = explained()
    for key in ("evaluation.allow_modified (default False)", "evaluation.tasks.0.train (default None)"):
        assert key in text
