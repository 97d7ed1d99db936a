"""Task folders in the GUE layout."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curricula import InputError
from trainers.tasks.files import read_task
from trainers.tasks.task import SPLITS, EvaluationTask, Examples, Reading, make_task

GOOD = "sequence,label\nACGT,0\nTTTT,1\nGGGG,0\nCCCC,1\n"


def folder_with(root: Path, **splits: str | bytes) -> Path:
    """Write a good task, but for the splits given."""
    for split in SPLITS:
        content = splits.get(split, GOOD)
        (root / f"{split}.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def task_of(sequences: list[str], labels: list[int], classes: int = 2) -> EvaluationTask:
    examples = Examples(sequences, np.array(labels))
    return EvaluationTask("little", classes, dict.fromkeys(SPLITS, examples))


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.lower().replace("sequence,label", "sequence,label"),
        "\ufeff" + GOOD,
        GOOD.replace("ACGT", '"ACGT"'),
        GOOD.rstrip(),
    ],
    ids=["plain", "CRLF", "lower case", "byte order mark", "quoted", "no last line end"],
)
def test_a_good_folder_is_read(tmp_path, text):
    task = read_task("tf/0", folder_with(tmp_path, train=text))
    assert (task.name, task.classes) == ("tf/0", 2)
    assert task.splits["train"].sequences == ["ACGT", "TTTT", "GGGG", "CCCC"]
    assert task.splits["train"].labels.tolist() == [0, 1, 0, 1]
    assert task.splits["train"].labels.dtype == np.int64


def test_ambiguous_letters_are_kept(tmp_path):
    assert read_task("t", folder_with(tmp_path, dev="sequence,label\nacRnT,1\n")).splits["dev"].sequences == ["ACRNT"]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("", r"train\.csv cannot be read as CSV"),
        ("sequence,label\nACGT,0,9\n", r"train\.csv cannot be read as CSV"),
        ("sequence,label\n", r"at least one row, but .*train\.csv has none"),
        ("seq,label\nACGT,0\n", r"must have the header `sequence,label`, but .*train\.csv has `seq,label`"),
        ("ACGT,0\nTTTT,1\n", r"but .*train\.csv has `ACGT,0`"),
        ("sequence,label,split\nACGT,0,a\n", r"has `sequence,label,split`"),
        ("sequence,label\nACGT,0\nTTTT,one\n", r"`label` a whole number, but .*train\.csv has label 'one' on line 3"),
        ("sequence,label\nACGT,0\nTTTT,0.5\n", r"`label` a whole number, but .*train\.csv has"),
        ("sequence,label\n12,0\n13,1\n", r"`sequence` must be text .*train\.csv has sequence 12 on line 2"),
        ("sequence,label\nACGT,0\nTTTT,-1\n", r"a label from 0, but .*train\.csv:3 has not"),
        ("sequence,label\nACGT,0\nTTTT,2\n", r"0 \.\. n - 1 with n >= 2 and all present, but .* has \[0, 2\]"),
        ("sequence,label\nACGT,0\nTTTT,0\n", r"with n >= 2 and all present, but .*train\.csv has \[0\]"),
        ("sequence,label\nACGT,0\nACET,1\n", r"nucleotide letters only, but .*train\.csv:3 is 'ACET'"),
        ("sequence,label\nACGT,0\nTTT T,1\n", r"train\.csv:3 is 'TTT T'"),
        ("sequence,label\nACGé,0\nTTTT,1\n", r"train\.csv:2 is 'ACGé'"),
    ],
)
def test_a_bad_training_file_is_refused_where_it_is_bad(tmp_path, train, message):
    with pytest.raises(InputError, match=message):
        read_task("t", folder_with(tmp_path, train=train))


@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_label_that_training_does_not_know_is_refused(tmp_path, split):
    folder = folder_with(tmp_path, **{split: "sequence,label\nACGT,1\nTTTT,2\n"})
    with pytest.raises(InputError, match=rf"one of the 2 classes 0\.\.1 .* but .*{split}\.csv:3 has label 2"):
        read_task("t", folder)


@pytest.mark.parametrize("split", SPLITS)
def test_a_missing_file_is_refused_by_name(tmp_path, split):
    (folder_with(tmp_path) / f"{split}.csv").unlink()
    with pytest.raises(InputError, match=rf"dev\.csv and test\.csv, but .*{split}\.csv is missing"):
        read_task("t", tmp_path)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"dev\.csv"):
        read_task("t", folder_with(tmp_path, dev=b"sequence,label\n\xff\xfe\x00,0\n"))


@pytest.mark.parametrize(
    ("length", "k", "message"),
    [
        (515, 6, None),
        (516, 6, "fit the 512 positions of logo at k=6 .*, but little/train row 2 has 516 bases, 513 tokens"),
        (511, 2, None),
        (512, 2, "of logo at k=2 .* has 512 bases, 513 tokens"),
        (6, 6, None),
        (5, 6, "at least 6 bases, as a token of logo at k=6 has, but little/train row 2 has 5"),
        (0, 1, "at least 1 bases, as a token of logo at k=1 has, but little/train row 2 has 0"),
    ],
)
def test_sequences_must_fit_the_model(length, k, message):
    task = task_of(["ACGTACGT", "A" * length], [0, 1])
    if message is None:
        assert task.fitted(Reading.of_preset("logo", k)) is task
    else:
        with pytest.raises(InputError, match=message):
            task.fitted(Reading.of_preset("logo", k))


@pytest.mark.parametrize(
    ("preset", "k", "most"), [("logo", 6, 515), ("dnabert", 3, 512), ("nt_tiny", 6, None), ("dnabert2", 6, 10**6)]
)
def test_too_long_sequences_are_cut_where_that_is_asked_and_counted(preset, k, most):
    reading = Reading.of_preset(preset, k)
    task = task_of(["ACGTACGT", "A" * 10**6, "C" * 10**6], [0, 1, 1])
    cut = task.fitted(reading, truncate=True)
    lengths = [len(sequence) for sequence in cut.splits["train"].sequences]
    assert lengths[0] == 8
    if reading.positions is None:
        assert cut is task
        return
    assert lengths[1] == lengths[2]
    assert reading.tokens_of(lengths[1]) <= reading.positions < reading.tokens_of(lengths[1] + k)
    assert most is None or lengths[1] == most
    assert cut.card["truncated"]["train"] == 2
    assert cut.splits["train"].labels.tolist() == [0, 1, 1]
    assert cut.fitted(reading) is cut


def test_letters_that_the_spec_does_not_allow_are_refused_with_their_row():
    table = pa.table({"sequence": ["ACGT", "ACGTN", "acgt"], "label": [0, 1, 1]})
    task = make_task("little", dict.fromkeys(SPLITS, table), {split: f"{split}.csv" for split in SPLITS})
    task.check_letters(unknown=True, lower_case=True)
    with pytest.raises(InputError, match=r"A, C, G and T only .*, but train.csv:3 has N"):
        task.check_letters(unknown=False, lower_case=True)
    with pytest.raises(InputError, match=r"in upper case .*, but train.csv:4 is not"):
        task.check_letters(unknown=True, lower_case=False)


def test_few_shots_are_balanced_and_a_function_of_shots_and_draw():
    task = task_of([f"{'ACGT'[n % 4] * (1 + n // 4)}" for n in range(40)], [n % 2 for n in range(40)])
    chosen = task.few_shot(5, draw=3)
    assert np.bincount(chosen.labels).tolist() == [5, 5]
    assert len(set(chosen.sequences)) == 10
    pairs = set(zip(task.splits["train"].sequences, task.splits["train"].labels.tolist(), strict=True))
    assert set(zip(chosen.sequences, chosen.labels.tolist(), strict=True)) <= pairs
    assert task.few_shot(5, draw=3).sequences == chosen.sequences
    assert task.few_shot(5, draw=4).sequences != chosen.sequences


def test_all_examples_may_be_shots_and_no_more():
    task = task_of(["A", "C", "G"], [0, 0, 1])
    assert sorted(task.few_shot(1, draw=0).labels.tolist()) == [0, 1]
    with pytest.raises(InputError, match="got shots=2 and class 1 of little has 1"):
        task.few_shot(2, draw=0)


@pytest.mark.parametrize(
    ("name", "rows", "length"),
    [("tf/0", (32_378, 1_000, 1_000), 101), ("prom/prom_core_tata", (4_904, 613, 613), 70)],
)
def test_gue_tasks_have_the_published_rows(shared, name, rows, length):
    task = read_task(name, shared / "data/gue" / name)
    assert tuple(len(task.splits[split]) for split in SPLITS) == rows
    assert task.classes == 2
    assert {len(sequence) for sequence in task.splits["train"].sequences} == {length}
    for model in ("dnabert", "nucleotide_transformer", "dnabert2"):  # ALiBi has no last position
        task.fitted(Reading.of_preset(model, 6))


def test_a_huge_label_is_refused_at_once(tmp_path):
    folder_with(tmp_path, train="sequence,label\nACGT,0\nTTTT,9000000000\n")
    with pytest.raises(InputError, match="training labels must be"):
        read_task("t", tmp_path)


def test_a_missing_label_is_named_with_its_line(tmp_path):
    folder_with(tmp_path, train="sequence,label\nACGT,0\nTTTT,\nCCCC,1\n")
    with pytest.raises(InputError, match=r"train\.csv:3 has not"):
        read_task("t", tmp_path)
