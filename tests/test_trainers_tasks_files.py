"""Labelled sequences in every kind of file, and errors that say where."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curricula import InputError
from trainers.tasks.carve import carve_dev
from trainers.tasks.files import read_columns, read_files, read_rows, read_task
from trainers.tasks.task import SPLITS, EvaluationTask, Examples

ROWS = [("ACGT", 0), ("TTTT", 1), ("GGGG", 0), ("CCCC", 1)]


def text(delimiter: str = ",", header: tuple[str, str] = ("sequence", "label")) -> str:
    return "".join(delimiter.join(map(str, row)) + "\n" for row in [header, *ROWS])


def fasta(style: str = ">r {}") -> str:
    return "".join(f"{style.format(label)}\n{sequence[:2]}\n{sequence[2:]}\n" for sequence, label in ROWS)


def write(path, content: str | bytes | pa.Table):
    if isinstance(content, pa.Table):
        pq.write_table(content, path)
    else:
        raw = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


def table(**columns) -> pa.Table:
    return pa.table(columns or {"sequence": [s for s, _ in ROWS], "label": [n for _, n in ROWS]})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", text()),
        ("a.csv.gz", text()),
        ("a.tsv", text("\t")),
        ("a.txt", text("\t")),
        ("a.tsv.gz", text("\t")),
        ("a.parquet", table()),
        ("a.fa", fasta()),
        ("a.fasta", fasta(">r|{}")),
        ("a.fna", fasta(">some words label={}")),
        ("a.fa.gz", fasta(">{}")),
        ("A.FA", fasta(">r|x|label={}").replace("\n", "\r\n")),
    ],
)
def test_every_kind_of_file_holds_the_same(tmp_path, name, content):
    path = write(tmp_path / name, content)
    task = read_files("mine", [path], [path], [path])
    for split in SPLITS:
        assert task.splits[split].sequences == [sequence for sequence, _ in ROWS]
        assert task.splits[split].labels.tolist() == [label for _, label in ROWS]


def test_one_fasta_a_class(tmp_path):
    zero = write(tmp_path / "no.fa", ">a\nACGT\n>b\nGGGG\n")
    one = write(tmp_path / "yes.fa.gz", ">a\nTTTT\n>b\n\nCC\nCC\n")
    task = read_files("mine", [zero, one], [zero, one], [zero, one])
    assert task.splits["test"].sequences == ["ACGT", "GGGG", "TTTT", "CCCC"]
    assert task.splits["test"].labels.tolist() == [0, 0, 1, 1]
    write(zero, ">a\nACGT\n>b\nGG\nGX\n")
    with pytest.raises(InputError, match=r"nucleotide letters only, but .*no\.fa:3 is 'GGGX'"):
        read_files("mine", [zero, one], [zero, one])
    with pytest.raises(InputError, match=r"several files of one split must be FASTA, .* got .*t\.csv"):
        read_rows([zero, write(tmp_path / "t.csv", text())])


def test_columns_can_have_other_names_and_company(tmp_path):
    path = write(tmp_path / "a.csv", "id,seq,class\nx,ACGT,0\ny,TTTT,1\n")
    rows, origin = read_rows([path], ("seq", "class"))
    assert rows.column_names == ["sequence", "label"]
    assert origin.at(1) == f"{path}:3"
    assert read_columns(path) == ["id", "seq", "class"]
    with pytest.raises(InputError, match=r"one column `sek`, but .* has `id,seq,class` \(did you mean `seq`\?\)"):
        read_rows([path], ("sek", "class"))


def test_a_prepared_folder_is_read_and_errors_name_rows(tmp_path):
    for split in SPLITS:
        write(tmp_path / f"{split}.parquet", table())
    assert read_task("t", tmp_path).splits["dev"].sequences[1] == "TTTT"
    write(tmp_path / "dev.parquet", table(sequence=["ACGT", "AXGT"], label=[0, 1]))
    with pytest.raises(InputError, match=r"but .*dev\.parquet row 2 is 'AXGT'"):
        read_task("t", tmp_path)
    write(tmp_path / "dev.parquet", b"PAR1 no")
    with pytest.raises(InputError, match=r"dev\.parquet cannot be read as Parquet"):
        read_task("t", tmp_path)
    (tmp_path / "test.parquet").unlink()
    with pytest.raises(InputError, match=r"dev\.parquet and test\.parquet, but .*test\.parquet is missing"):
        read_task("t", tmp_path)


def test_blank_lines_do_not_shift_the_line_that_is_named(tmp_path):
    path = write(tmp_path / "a.csv", "\nsequence,label\n\nACGT,0\n\n\nAXGT,1\n\n")
    with pytest.raises(InputError, match=r"a\.csv:7 is 'AXGT'"):
        read_files("mine", [path], [path], [path])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.fa", ">r one\nACGT\n", r"the last field of a FASTA header .* but .*a\.fa:1 is '>r one'"),
        ("a.fa", ">r 0\nACGT\n>\nACGT\n", r"a\.fa:3 is '>'"),
        ("a.fa", ">r -1\nACGT\n", r"a\.fa:1 is '>r -1'"),
        ("a.fa", "ACGT\n", r"a FASTA file must start with `>`, but .*a\.fa:1 is 'ACGT'"),
        ("a.fa", ">r 0\n>r 1\nACGT\n", r"must have letters, but the one at .*a\.fa:1 has none"),
        ("a.fa", b">r 0\n\xff\xfe\n", r"a FASTA file must be text, but .*a\.fa:2 is not"),
        ("a.fa", "", r"at least one row, but .*a\.fa has none"),
        ("a.xlsx", "", r"must end in \.csv, .*, but .*a\.xlsx does not"),
        ("a.parquet.gz", "", r"a\.parquet\.gz does not"),
        ("a", "", r"but .* does not"),
        ("a.csv", "sequence,label\n,0\nACGT,1\n", r"a sequence and a label from 0, but .*a\.csv:2 has not"),
        ("a.csv", "sequence,label\n" + "A" * 90 + "X,0\n", r"a\.csv:2 is '.*AX' around letter 91"),
        ("a.csv.gz", None, r"must be readable, but .*a\.csv\.gz is not: EOFError"),
    ],
)
def test_wrong_files_are_refused_where_they_are_wrong(tmp_path, name, content, message):
    path = tmp_path / name
    if content is None:
        path.write_bytes(gzip.compress(text().encode())[:-9])
    else:
        write(path, content)
    with pytest.raises(InputError, match=message) as caught:
        read_files("mine", [path], [path], [path])
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"must be there, but .*no\.csv is missing"):
        read_rows([tmp_path / "no.csv"])
    with pytest.raises(InputError, match="is a folder"):
        read_rows([tmp_path])


def many(count: int = 40) -> EvaluationTask:
    generator = np.random.default_rng(1)
    sequences = ["".join(generator.choice(list("ACGT"), 12)) for _ in range(count)]
    examples = Examples(sequences, np.arange(count) % 4 // 3)
    return EvaluationTask("many", 2, {"train": examples, "test": examples})


def test_dev_is_carved_by_class_and_the_same_every_time():
    task = many()
    carved = carve_dev(task)
    train, dev = carved.splits["train"], carved.splits["dev"]
    assert np.bincount(dev.labels).tolist() == [3, 1]
    assert len(train) + len(dev) == 40
    assert not set(train.sequences) & set(dev.sequences)
    assert sorted(train.sequences + dev.sequences) == sorted(task.splits["train"].sequences)
    assert carve_dev(task).splits["dev"].sequences == dev.sequences
    assert carve_dev(task, seed=1).splits["dev"].sequences != dev.sequences
    assert carved.card["dev"].startswith("none given: 4 of 40 training rows")
    assert carved.splits["test"] is task.splits["test"]


def test_equal_sequences_stay_together_and_small_classes_are_refused():
    examples = Examples(["AA"] * 5 + ["CC", "GG", "TT"], np.array([0] * 6 + [1, 1]))
    carved = carve_dev(EvaluationTask("t", 2, {"train": examples, "test": examples}))
    assert not set(carved.splits["train"].sequences) & set(carved.splits["dev"].sequences)
    lonely = Examples(["AA", "AC", "CC", "CC"], np.array([0, 0, 1, 1]))
    with pytest.raises(InputError, match="class 1 of t has 1"):
        carve_dev(EvaluationTask("t", 2, {"train": lonely, "test": lonely}))


def test_errors_in_carved_splits_name_lines_of_train(tmp_path):
    rows = "".join(f"{sequence},{n % 2}\n" for n, sequence in enumerate(many().splits["train"].sequences))
    path = write(tmp_path / "a.csv", "sequence,label\n" + rows)
    task = read_files("mine", [path], [path])
    for split in ("train", "dev"):
        for row, sequence in enumerate(task.splits[split].sequences):
            line = int(task.at(split, row).rpartition(":")[2])
            assert path.read_text().splitlines()[line - 1].startswith(sequence)
