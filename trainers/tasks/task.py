"""Labelled sequences on which a pretrained model is scored: embedded ones, or folders in the GUE layout."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from curricula import InputError
from trainers.genome import bases
from trainers.presets import preset

SPLITS = ("train", "dev", "test")
_COLUMNS = ["sequence", "label"]


@dataclass(frozen=True)
class Examples:
    """Sequences and their classes (int64, shape (examples,))."""

    sequences: list[str]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.sequences)

    def take(self, rows: NDArray[np.int64]) -> "Examples":
        """Return these rows."""
        return Examples([self.sequences[row] for row in rows], self.labels[rows])


@dataclass(frozen=True)
class EvaluationTask:
    """A classification task; `splits` has train, dev and test; classes are 0 .. classes - 1."""

    name: str
    classes: int
    splits: Mapping[str, Examples]

    def few_shot(self, shots: int, draw: int) -> Examples:
        """Return `shots` training examples of each class: a pure function of (shots, draw).

        Raises:
            InputError: a class has fewer examples.
        """
        train = self.splits["train"]
        generator = np.random.default_rng([shots, draw])
        rows = []
        for label in range(self.classes):
            members = np.flatnonzero(train.labels == label)
            if len(members) < shots:
                raise InputError(
                    f"`shots` must not exceed the training examples of a class, but got shots={shots} and class "
                    f"{label} of {self.name} has {len(members)}"
                )
            rows.append(generator.permutation(members)[:shots])
        return train.take(np.sort(np.concatenate(rows)))

    def check_fits(self, model_preset: str, k: int) -> None:
        """Refuse sequences that the model cannot read whole.

        Raises:
            InputError: a sequence has more tokens than the model has positions, or fewer bases than k.
        """
        positions = preset(model_preset).positions
        for split, examples in self.splits.items():
            lengths = np.array([len(sequence) for sequence in examples.sequences])
            tokens = lengths - k + 3  # k-mers, [CLS] and [SEP]
            if tokens.max() > positions:
                row = int(tokens.argmax())
                raise InputError(
                    f"a sequence must fit the model's {positions} positions, but {self.name}/{split} row {row + 1} "
                    f"has {lengths[row]} bases, {tokens[row]} tokens at k={k}"
                )
            if lengths.min() < k:
                row = int(lengths.argmin())
                raise InputError(
                    f"a sequence must have at least k={k} bases, but {self.name}/{split} row {row + 1} "
                    f"has {lengths[row]}"
                )


def read_task(name: str, folder: Path) -> EvaluationTask:
    """Read `<folder>/{train,dev,test}.csv` with the header `sequence,label`.

    Raises:
        InputError: a file is missing or malformed; the message says which, where and why.
    """
    tables = {split: _read_csv(folder / f"{split}.csv") for split in SPLITS}
    return make_task(name, tables, {split: str(folder / f"{split}.csv") for split in SPLITS})


def _read_csv(path: Path) -> pa.Table:
    try:
        table = pyarrow.csv.read_csv(path)
    except FileNotFoundError as error:
        raise InputError(f"a task folder must hold train.csv, dev.csv and test.csv, but {path} is missing") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"the task file {path} cannot be read as CSV: {error}") from error
    if table.column_names != _COLUMNS:
        raise InputError(
            f"a task file must have the header `sequence,label`, but {path} has `{','.join(table.column_names)}`"
        )
    return table


def make_task(name: str, tables: Mapping[str, pa.Table], where: Mapping[str, str]) -> EvaluationTask:
    """Check the tables of a task and build it; the classes are those of the training split.

    Raises:
        InputError: no rows, labels that are not 0 .. n - 1, or letters that are no nucleotides.
    """
    splits = {split: _examples(table, where[split]) for split, table in tables.items()}
    present = np.unique(splits["train"].labels)
    classes = len(present)
    if classes < 2 or present[-1] != classes - 1:
        raise InputError(
            f"training labels must be 0 .. n - 1 with n >= 2 and all present, but {where['train']} has "
            f"{present.tolist()[:20]}"
        )
    for split, examples in splits.items():
        outside = examples.labels >= classes
        if outside.any():
            row = int(outside.argmax())
            raise InputError(
                f"a label must be one of the {classes} classes 0..{classes - 1} of the training file, but "
                f"{where[split]}:{row + 2} has label {examples.labels[row]}"
            )
    return EvaluationTask(name, classes, splits)


def _examples(table: pa.Table, where: str) -> Examples:
    if not len(table):
        raise InputError(f"a task file must have at least one row, but {where} has none")
    if not (pa.types.is_integer(table["label"].type) and pa.types.is_string(table["sequence"].type)):
        raise InputError(f"`sequence` must be text and `label` a whole number, but {where} has {_first_wrong(table)}")
    refused = pc.or_kleene(pc.is_null(table["sequence"]), pc.less(pc.fill_null(table["label"], -1), 0)).to_numpy()
    if refused.any():
        line = int(refused.argmax()) + 2
        raise InputError(f"every row must have a sequence and a label from 0, but {where}:{line} has not")
    labels = table["label"].to_numpy().astype(np.int64)
    sequences = table["sequence"].to_pylist()
    codes = bases.encode("".join(sequences).encode("ascii", "replace"))
    if (codes == bases.REFUSED).any():
        lengths = np.array([len(sequence) for sequence in sequences])
        row = int(np.searchsorted(lengths.cumsum(), int((codes == bases.REFUSED).argmax()), side="right"))
        raise InputError(f"a sequence may hold nucleotide letters only, but {where}:{row + 2} is {sequences[row]!r}")
    return Examples([sequence.upper() for sequence in sequences], labels)


def _first_wrong(table: pa.Table) -> str:
    if not pa.types.is_string(table["sequence"].type):
        return f"sequence {table['sequence'][0]!s} on line 2"
    for line, label in enumerate(table["label"].to_pylist(), start=2):
        whole = label.is_integer() if isinstance(label, float) else str(label).lstrip("-").isdigit()
        if not whole:
            return f"label {label!r} on line {line}"
    return f"labels of type {table['label'].type}"
