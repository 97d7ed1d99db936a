"""GUE's table, and the published tasks told from changed ones."""

import re
from pathlib import Path

import numpy as np
import pytest

from curricula import InputError
from trainers.tasks import fingerprints, gue
from trainers.tasks.facts import facts
from trainers.tasks.files import read_task
from trainers.tasks.task import SPLITS, EvaluationTask, Examples

REAL = [
    "tf/0",
    "tf/1",
    "tf/2",
    "tf/4",
    "mouse/0",
    "mouse/2",
    "mouse/4",
    "prom/prom_core_all",
    "prom/prom_core_tata",
    "prom/prom_300_tata",
]
DEFECTS = {  # distinct in train, rows of test that are in train, train sequences with two labels
    "tf/4": (15_211, 0, 0),
    "prom/prom_core_all": (47_208, 43, 40),
    "prom/prom_core_tata": (4_847, 16, 12),
    "prom/prom_300_tata": (4_848, 6, 10),
    "tf/1": (30_672, 1, 0),
}


def made(name: str, length: int | None = None, **rows: list[str]) -> EvaluationTask:
    """Make a task that the table accepts, but for the sequences given."""
    expected = gue.TABLE[name]
    splits = {}
    for split, count in zip(SPLITS, expected.rows, strict=True):
        sequences = ["A" * (length or expected.length)] * count
        changed = rows.get(split, [])
        sequences[: len(changed)] = changed
        splits[split] = Examples(sequences, np.arange(count) % expected.classes)
    return EvaluationTask(name, expected.classes, splits)


def test_the_table_is_the_published_one():
    assert len(gue.TABLE) == 28
    assert sum(sum(task.rows) for task in gue.TABLE.values()) == sum(
        (14965, 33048, 34880, 31677, 30683, 36799, 28836, 27782, 14601, 34095)  # EMP
        + (59196, 53066, 6130) * 2
        + (45620, 34378, 32672, 21000, 29294, 21000)
        + (8098, 67442, 3276, 2382, 18830, 91669)
    )
    assert {task.name for task in gue.TABLE.values() if task.metric == "macro_f1"} == {"virus/covid"}
    assert gue.TABLE["splice/reconstructed"].mirrors[0] == "splice_reconstructed"
    assert gue.TABLE["EMP/H3K14ac"].mirrors == ("emp_H3K14ac",)
    assert (gue.TABLE["mouse/1"].organism, gue.TABLE["tf/3"].mirrors[0]) == ("mouse", "human_tf_3")


@pytest.mark.parametrize("name", REAL)
def test_real_tasks_are_the_published_ones(shared, name):
    task = read_task(name, shared / "data/gue" / name)
    gue.verify(task)
    assert gue.known(name) == gue.CONTENT
    if name in DEFECTS:
        found = facts(task)
        train = found["splits"]["train"]
        assert (train["distinct"], found["shared"]["train/test"], found["two_labels"]) == DEFECTS[name]
        assert train["duplicates"] == train["rows"] - train["distinct"]


def changed(shared: Path, folder: Path, change) -> EvaluationTask:
    """Read mouse/2 with its training lines changed; line 1 is the header."""
    for split in SPLITS:
        lines = (shared / "data/gue/mouse/2" / f"{split}.csv").read_text().splitlines()
        if split == "train":
            change(lines)
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")
    return read_task("mouse/2", folder)


@pytest.mark.parametrize("position", [0, 50, 100])
@pytest.mark.parametrize("line", [2, 1000, 2621])
@pytest.mark.parametrize("shift", [1, 2, 3])
def test_one_changed_letter_is_found_where_it_is(shared, tmp_path, line, position, shift):
    def change(lines: list[str]) -> None:
        letters = list(lines[line - 1])
        letters[position] = "ACGT"[("ACGT".index(letters[position]) + shift) % 4]
        lines[line - 1] = "".join(letters)

    with pytest.raises(InputError, match=rf"mouse/2 train must be the published rows .*train\.csv:{line} differs"):
        gue.verify(changed(shared, tmp_path, change))


def test_one_changed_label_is_found_where_it_is(shared, tmp_path):
    def change(lines: list[str]) -> None:
        sequence, label = lines[6].split(",")
        lines[6] = f"{sequence},{1 - int(label)}"

    with pytest.raises(InputError, match=r"train\.csv:7 differs in a letter, a label or the order"):
        gue.verify(changed(shared, tmp_path, change))


@pytest.mark.parametrize(
    ("line", "expected"), [(2, r"train\.csv:2;"), (700, r"train\.csv:700;"), (2621, "after .*:2620;")]
)
def test_one_removed_row_is_found_where_it_is(shared, tmp_path, line, expected):
    with pytest.raises(
        InputError, match=r"mouse/2 train must have 2620 rows, but .* has 2619; the first row .*" + expected
    ):
        gue.verify(changed(shared, tmp_path, lambda lines: lines.pop(line - 1)))


def test_two_rows_that_changed_places_are_found(shared, tmp_path):
    with pytest.raises(InputError, match=r"train\.csv:2 differs"):
        gue.verify(changed(shared, tmp_path, lambda lines: lines.insert(1, lines.pop(2))))


def test_what_no_check_byte_tells_the_hash_does(shared):
    task = read_task("mouse/2", shared / "data/gue/mouse/2")
    known = fingerprints.published("mouse/2", "train")
    assert known is not None
    train = task.splits["train"]
    # two changes of one row that cancel out: letters one step up at one position, and down as much at another
    factor = [pow(6, position, 251) for position in range(1, 102)]
    row = train.sequences[0]
    pairs = (
        (a, b, x, y)
        for a in range(101)
        for b in range(a)
        for x in "ACGT"
        for y in "ACGT"
        if (
            (
                ("ACGT".index(x) - "ACGT".index(row[a])) * factor[a]
                + ("ACGT".index(y) - "ACGT".index(row[b])) * factor[b]
            )
            % 251
            == 0
        )
        and (x, y) != (row[a], row[b])
    )
    a, b, x, y = next(pairs)
    letters = list(row)
    letters[a], letters[b] = x, y
    train.sequences[0] = "".join(letters)
    assert fingerprints.first_difference(train, known) is None
    with pytest.raises(InputError, match=r"mouse/2 train must be the published rows .*train\.csv differs"):
        gue.verify(task)


def test_tasks_without_a_fingerprint_are_held_to_the_table():
    gue.verify(made("mouse/3"))
    assert gue.known("mouse/3") == gue.COUNTS
    gue.verify(made("EMP/H3", train=["A" * 400] * 3))


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (made("mouse/3", dev=["A" * 100]), "a sequence of mouse/3 must have 101 nt, but mouse/3/dev row 1 has 100"),
        (made("tf/3", test=["A" * 101, "A" * 102]), "must have 101 nt, but tf/3/test row 2 has 102"),
        (made("EMP/H3", train=["A" * 501]), "must have at most 500 nt, but EMP/H3/train row 1 has 501"),
        (made("EMP/H3", train=["A" * 400] * 4), "must have 500 nt, all but 3, but EMP/H3/train row 1 has 400"),
        (made("mouse/3", train=["A" * 100 + "R"]), "the letters A C G T N only, but mouse/3/train row 1 has R"),
        (EvaluationTask("mouse/3", 3, made("mouse/3").splits), "mouse/3 must have 2 classes, but it has 3"),
    ],
)
def test_what_differs_is_named(task, message):
    with pytest.raises(InputError, match=re.escape(message)):
        gue.verify(task)


def test_short_sequences_are_counted_over_all_emp_tasks():
    gue.verify_shorter({"EMP/H3": 2, "EMP/H4": 1, "virus/covid": 9000})
    with pytest.raises(InputError, match=r"at most 3 sequences of all EMP tasks .* 2 in EMP/H3, 2 in EMP/H4"):
        gue.verify_shorter({"EMP/H3": 2, "EMP/H4": 2, "EMP/H4ac": 0})


def test_facts_count_what_they_say():
    splits = {
        "train": Examples(["AC", "AC", "GN", "GN", "TT"], np.array([0, 0, 0, 1, 1])),
        "dev": Examples(["TT", "TT", "CCC"], np.array([1, 1, 0])),
        "test": Examples(["AC", "CCC"], np.array([0, 1])),
    }
    found = facts(EvaluationTask("little", 2, splits))
    assert found["shared"] == {"train/dev": 2, "train/test": 1, "dev/test": 1}
    assert found["two_labels"] == 1
    assert found["splits"]["train"] | {} == {
        "rows": 5,
        "distinct": 3,
        "duplicates": 2,
        "classes": [3, 2],
        "shortest": 2,
        "longest": 2,
        "shorter": 0,
        "n_letters": 2,
    }
    assert found["splits"]["dev"]["shorter"] == 2


def test_fingerprints_are_made_again_as_they_are_embedded(shared, tmp_path):
    names = fingerprints.build(shared / "data/gue", tmp_path / "again.parquet")
    assert sorted(names) == sorted(REAL)
    assert (tmp_path / "again.parquet").read_bytes() == fingerprints.FILE.read_bytes()
    assert fingerprints.FILE.stat().st_size < 250_000


def test_fingerprints_of_nothing_or_of_wrong_rows_are_refused(tmp_path):
    with pytest.raises(InputError, match="has none of them"):
        fingerprints.build(tmp_path)
    (tmp_path / "tf/0").mkdir(parents=True)
    for split in SPLITS:
        (tmp_path / "tf/0" / f"{split}.csv").write_text("sequence,label\nACGT,0\nCCCC,1\n")
    with pytest.raises(InputError, match=r"tf/0 train must have 32378 rows, but .* has 2"):
        fingerprints.build(tmp_path, tmp_path / "new.parquet")
