"""Reads labelled sequences: CSV, TSV, Parquet, FASTA; text also as .gz. Errors name the file and the line."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from curricula import InputError
from curricula.errors import nearest, one_line
from trainers.tasks.carve import carve_dev
from trainers.tasks.task import SPLITS, EvaluationTask, Origin, make_task
from trainers.tasks.text import content_of, fasta_records, lines_of

_COLUMNS = ("sequence", "label")
_DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
_FASTA = (".fa", ".fasta", ".fna", ".ffn")
_KINDS = (*_DELIMITERS, ".parquet", *_FASTA)


@dataclass(frozen=True)
class _Lines(Origin):
    """Rows whose line numbers are not consecutive."""

    lines: Sequence[int] = field(default=(), repr=False)
    files: Sequence[str] = field(default=(), repr=False)  # the file of each row, where there are several

    def number(self, row: int) -> int:
        return self.lines[row]

    def at(self, row: int) -> str:
        return f"{self.files[row] if self.files else self.name}:{self.lines[row]}"


@dataclass(frozen=True)
class _TextRows(Origin):
    """Rows of a CSV file; blank lines are no rows, so the file is read again when a line must be named."""

    def number(self, row: int) -> int:
        rows = (number for number, line in enumerate(lines_of(Path(self.name)), start=1) if line.strip(b"\r\n"))
        for count, number in enumerate(rows):
            if count == row + 1:  # the header is the first line that is not blank
                return number
        return super().number(row)


def read_task(name: str, folder: Path) -> EvaluationTask:
    """Read `<folder>/{train,dev,test}.csv` with the header `sequence,label`, or the same as .parquet.

    Raises:
        InputError: a file is missing or malformed; the message says which, where and why.
    """
    prepared = any((folder / f"{split}.parquet").exists() for split in SPLITS)
    suffix = "parquet" if prepared else "csv"
    paths = {split: folder / f"{split}.{suffix}" for split in SPLITS}
    for path in paths.values():
        if not path.exists():
            raise InputError(
                f"a task folder must hold train.{suffix}, dev.{suffix} and test.{suffix}, but {path} is missing; "
                "`python -m trainers.prepare gue` brings those of GUE"
            )
    read = {split: read_rows([path]) for split, path in paths.items()}
    return _make(name, read, {})


def read_files(
    name: str,
    train: Sequence[Path],
    test: Sequence[Path],
    dev: Sequence[Path] = (),
    columns: tuple[str, str] = _COLUMNS,
) -> EvaluationTask:
    """Read a task from files of its own; without `dev`, a tenth of train becomes dev and the card says so.

    Args:
        name: Of the task.
        train: One file, or one FASTA file for each class in order.
        test: The same.
        dev: The same, or empty.
        columns: Names of the columns with sequences and labels, in CSV, TSV and Parquet.

    Raises:
        InputError: a file is missing or malformed, or a class of train is too small to be divided.
    """
    read = {"train": read_rows(train, columns), "test": read_rows(test, columns)}
    card: dict[str, Any] = {
        "source": {
            split: [str(path) for path in paths]
            for split, paths in (("train", train), ("dev", dev), ("test", test))
            if paths
        }
    }
    if dev:
        read["dev"] = read_rows(dev, columns)
        return _make(name, read, card)
    task = _make(name, read, card)
    return carve_dev(task)


def _make(name: str, read: Mapping[str, tuple[pa.Table, Origin]], card: Mapping[str, Any]) -> EvaluationTask:
    ordered = [split for split in SPLITS if split in read]
    tables = {split: read[split][0] for split in ordered}
    return make_task(name, tables, {split: read[split][1] for split in ordered}, card)


def read_rows(paths: Sequence[Path], columns: tuple[str, str] = _COLUMNS) -> tuple[pa.Table, Origin]:
    """Return the rows of one file, or of one FASTA file for each class in order.

    Returns:
        A table with the columns `sequence` and `label`, not yet checked, and where its rows stand.

    Raises:
        InputError: a file is missing, of an unknown kind, or malformed.
    """
    if len(paths) != 1:
        return _read_classes(paths)
    path = paths[0]
    kind = _kind(path)
    if kind == ".parquet":
        return _read_parquet(path, columns)
    if kind in _FASTA:
        return _read_fasta(path)
    return _read_csv(path, _DELIMITERS[kind], columns)


def read_columns(path: Path) -> list[str]:
    """Return the column names of a CSV, TSV or Parquet file; none for FASTA.

    Raises:
        InputError: the file is missing or of an unknown kind.
    """
    kind = _kind(path)
    if kind == ".parquet":
        return list(_parquet(path).column_names)
    if kind in _FASTA:
        return []
    header = next((line for line in lines_of(path) if line.strip()), b"")
    return header.decode("utf-8-sig", "replace").strip().split(_DELIMITERS[kind])


def _kind(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"a task file must be there, but {path} is {'a folder' if path.is_dir() else 'missing'}")
    bare = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    kind = bare.suffix.lower()
    if kind not in _KINDS or (kind == ".parquet" and bare != path):
        raise InputError(
            f"a task file must end in {', '.join(_KINDS)} (text also with .gz), but {path} does not"
            f"{nearest(kind, _KINDS) if kind else ''}"
        )
    return kind


def _read_csv(path: Path, delimiter: str, columns: tuple[str, str]) -> tuple[pa.Table, Origin]:
    parse = pyarrow.csv.ParseOptions(delimiter=delimiter)
    # only empty cells are missing: a sequence may well be spelled NA or NAN
    convert = pyarrow.csv.ConvertOptions(null_values=[""], strings_can_be_null=True)
    try:
        table = pyarrow.csv.read_csv(io.BytesIO(content_of(path)), parse_options=parse, convert_options=convert)
    except pa.ArrowInvalid as error:
        raise InputError(f"the task file {path} cannot be read as CSV: {one_line(error)}") from error
    exact = columns == _COLUMNS and delimiter == ","
    return _named(table, path, columns, exact, delimiter), _TextRows(str(path))


def _read_parquet(path: Path, columns: tuple[str, str]) -> tuple[pa.Table, Origin]:
    return _named(_parquet(path), path, columns, exact=False, delimiter=","), Origin(str(path), "row", 1)


def _parquet(path: Path) -> pa.Table:
    try:
        return pq.ParquetFile(path).read()
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"the task file {path} cannot be read as Parquet: {one_line(error)}") from error


def _named(table: pa.Table, path: Path, columns: tuple[str, str], exact: bool, delimiter: str) -> pa.Table:
    """Pick the two columns. The GUE layout has exactly two; files of one's own may have more."""
    found = table.column_names
    header = delimiter.join(found)
    if exact and tuple(found) != columns:
        raise InputError(f"a task file must have the header `sequence,label`, but {path} has `{header}`")
    for column in columns:
        if found.count(column) != 1:
            hint = nearest(column, found) if column not in found else ""
            raise InputError(f"a task file must have one column `{column}`, but {path} has `{header}`{hint}")
    return table.select(list(columns)).rename_columns(list(_COLUMNS))


def _read_fasta(path: Path) -> tuple[pa.Table, Origin]:
    headers, sequences, lines = fasta_records(path)
    labels = []
    for header, line in zip(headers, lines, strict=True):
        fields = header.replace("|", " ").split()
        text = fields[-1].removeprefix("label=") if fields else ""
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise InputError(
                f"the last field of a FASTA header must be its label, a whole number from 0, such as `>name 1`, "
                f"`>name|1` or `>name label=1`, but {path}:{line} is {'>' + header!r}; "
                f"or give one FASTA file for each class"
            )
        labels.append(int(text))
    return _table(sequences, labels), _Lines(str(path), lines=lines)


def _read_classes(paths: Sequence[Path]) -> tuple[pa.Table, Origin]:
    sequences: list[str] = []
    labels: list[int] = []
    lines: list[int] = []
    files: list[str] = []
    for label, path in enumerate(paths):
        if _kind(path) not in _FASTA:
            raise InputError(f"several files of one split must be FASTA, one for each class in order, but got {path}")
        _, read, numbers = fasta_records(path)
        sequences += read
        labels += [label] * len(read)
        lines += numbers
        files += [str(path)] * len(read)
    name = " + ".join(str(path) for path in paths)
    return _table(sequences, labels), _Lines(name, lines=lines, files=files)


def _table(sequences: list[str], labels: list[int]) -> pa.Table:
    return pa.table({"sequence": pa.array(sequences, pa.string()), "label": np.array(labels, dtype=np.int64)})
