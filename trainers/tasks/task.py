"""Labelled sequences on which a pretrained model is scored, checked row by row."""

import bisect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curricula import InputError
from trainers.genome import bases
from trainers.models.presets import preset
from trainers.tokens.kinds import most_tokens

SPLITS = ("train", "dev", "test")
_KNOWN = frozenset("ACGT")


@dataclass(frozen=True)
class Origin:
    """Where the rows of a split stand; errors point there."""

    name: str
    unit: str = "line"
    first: int = 2  # the number of row 0: the header is line 1

    def at(self, row: int) -> str:
        """Return the place of one row, such as `train.csv:7` or `train.parquet row 6`."""
        number = self.number(row)
        return f"{self.name}:{number}" if self.unit == "line" else f"{self.name} {self.unit} {number}"

    def number(self, row: int) -> int:
        """Return the line or row number, as an editor or a table viewer shows it."""
        return row + self.first


@dataclass(frozen=True)
class Examples:
    """Sequences and their classes (int64, shape (examples,)).

    `first_folded` is the first row that was written in lower case, at least in part; None where none was.
    """

    sequences: list[str]
    labels: NDArray[np.int64]
    first_folded: int | None = None

    def __len__(self) -> int:
        return len(self.sequences)

    def take(self, rows: NDArray[np.int64]) -> "Examples":
        """Return these rows."""
        return Examples([self.sequences[row] for row in rows], self.labels[rows])


@dataclass(frozen=True)
class Reading:
    """What a model can read.

    Attributes:
        model: Its name, for errors.
        least: Bases of the shortest sequence.
        positions: Tokens of the longest, special ones included; None for any length.
        tokens_of: Most tokens of so many bases, special ones included.
    """

    model: str
    least: int
    positions: int | None
    tokens_of: Callable[[int], int]

    @classmethod
    def of_preset(cls, name: str, k: int) -> "Reading":
        """Describe a model of our own."""
        shape = preset(name)
        described = f"{name} at k={k}"
        return cls(described, k, shape.positions, lambda bases: most_tokens(shape.tokens, k, bases))

    def most_bases(self, bases: int) -> int:
        """Return how many bases, up to `bases`, fit for certain."""
        return bisect.bisect_right(range(bases + 1), self.positions or 2**62, key=self.tokens_of) - 1


@dataclass(frozen=True)
class EvaluationTask:
    """A classification task; `splits` has train, dev and test; classes are 0 .. classes - 1."""

    name: str
    classes: int
    splits: Mapping[str, Examples]
    origins: Mapping[str, Origin] = field(default_factory=dict)  # by split, for errors
    card: Mapping[str, Any] = field(default_factory=dict)  # what a reader of its scores should know of it

    def at(self, split: str, row: int) -> str:
        """Return where a row of a split stands."""
        return self.origins.get(split, Origin(f"{self.name}/{split}", "row", 1)).at(row)

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

    def training(self, shots: int, share: float, repetition: int) -> Examples:
        """Return the training examples of one repetition: all, a few of each class, or a share of them.

        Raises:
            InputError: a class has fewer examples than shots.
        """
        if shots:
            return self.few_shot(shots, repetition)
        train = self.splits["train"]
        if share == 1.0:
            return train
        chosen = np.random.default_rng([len(train), repetition]).permutation(len(train))
        return train.take(np.sort(chosen[: max(1, round(share * len(train)))]))

    def check_letters(self, unknown: bool, lower_case: bool) -> None:
        """Refuse sequences with letters other than A, C, G and T, or written in lower case, unless they are allowed.

        Raises:
            InputError: the first such row.
        """
        for split, examples in self.splits.items():
            if not lower_case and examples.first_folded is not None:
                raise InputError(
                    f"a sequence must be in upper case where evaluation.lower_case is `refuse`, but "
                    f"{self.at(split, examples.first_folded)} is not"
                )
            if unknown or set("".join(examples.sequences)) <= _KNOWN:
                continue
            row = next(row for row, sequence in enumerate(examples.sequences) if not _KNOWN.issuperset(sequence))
            letter = next(letter for letter in examples.sequences[row] if letter not in _KNOWN)
            raise InputError(
                f"a sequence must hold A, C, G and T only where evaluation.unknown_letters is `refuse`, but "
                f"{self.at(split, row)} has {letter}"
            )

    def fitted(self, reading: Reading, truncate: bool = False) -> "EvaluationTask":
        """Return the task as a model can read it; the card says how many sequences were cut behind their start.

        Args:
            reading: What the model can read.
            truncate: Whether sequences that are too long are cut; otherwise they are errors.

        Raises:
            InputError: a sequence has more tokens than the model has positions, or fewer bases than a token.
        """
        splits, cut = {}, {}
        for split, examples in self.splits.items():
            lengths = np.array([len(sequence) for sequence in examples.sequences])
            if lengths.min() < reading.least:
                row = int(lengths.argmin())
                raise InputError(
                    f"a sequence must have at least {reading.least} bases, as a token of {reading.model} has, but "
                    f"{self.at(split, row)} has {lengths[row]}"
                )
            row = int(lengths.argmax())
            tokens = reading.tokens_of(int(lengths[row]))
            splits[split] = examples
            if reading.positions is None or tokens <= reading.positions:
                continue
            if not truncate:
                raise InputError(
                    f"a sequence must fit the {reading.positions} positions of {reading.model} (or `truncate: true` "
                    f"cuts it), but {self.at(split, row)} has {lengths[row]} bases, {tokens} tokens"
                )
            most = reading.most_bases(int(lengths[row]))
            splits[split] = replace(examples, sequences=[sequence[:most] for sequence in examples.sequences])
            cut[split] = int(np.count_nonzero(lengths > most))
        return replace(self, splits=splits, card={**self.card, "truncated": cut}) if cut else self


def tests_of(tasks: Iterable[EvaluationTask]) -> dict[str, list[str]]:
    """Return the sequences of the test splits, by task."""
    return {task.name: task.splits["test"].sequences for task in tasks}


def make_task(
    name: str, tables: Mapping[str, pa.Table], where: Mapping[str, str | Origin], card: Mapping[str, Any] | None = None
) -> EvaluationTask:
    """Check the tables of a task and build it; the classes are those of the training split.

    Args:
        name: Of the task.
        tables: By split, with the columns `sequence` (text) and `label` (whole numbers).
        where: By split: where its rows stand. A plain name is that of a text file with a header.
        card: What a reader of its scores should know of it.

    Raises:
        InputError: no rows, labels that are not 0 .. n - 1, or letters that are no nucleotides.
    """
    origins = {split: Origin(place) if isinstance(place, str) else place for split, place in where.items()}
    splits = {split: examples_of(table, origins[split]) for split, table in tables.items()}
    present = np.unique(splits["train"].labels)
    classes = len(present)
    if classes < 2 or present[-1] != classes - 1:
        raise InputError(
            f"training labels must be 0 .. n - 1 with n >= 2 and all present, but {origins['train'].name} has "
            f"{present.tolist()[:20]}"
        )
    for split, examples in splits.items():
        outside = examples.labels >= classes
        if outside.any():
            row = int(outside.argmax())
            raise InputError(
                f"a label must be one of the {classes} classes 0..{classes - 1} of the training file, but "
                f"{origins[split].at(row)} has label {examples.labels[row]}"
            )
    return EvaluationTask(name, classes, splits, origins, card or {})


def examples_of(table: pa.Table, origin: Origin) -> Examples:
    """Return the rows of a table with the columns `sequence` and `label`, letters in upper case.

    Raises:
        InputError: no rows, wrong types, empty cells, labels below 0, or letters that are no nucleotides.
    """
    if not len(table):
        raise InputError(f"a task file must have at least one row, but {origin.name} has none")
    kind = table["sequence"].type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (pa.types.is_integer(table["label"].type) and is_text):
        found = _first_wrong(table, is_text, origin)
        raise InputError(f"`sequence` must be text and `label` a whole number, but {origin.name} has {found}")
    refused = pc.or_kleene(pc.is_null(table["sequence"]), pc.less(pc.fill_null(table["label"], -1), 0)).to_numpy()
    if refused.any():
        place = origin.at(int(refused.argmax()))
        raise InputError(f"every row must have a sequence and a label from 0, but {place} has not")
    labels = table["label"].to_numpy().astype(np.int64)
    text = pc.utf8_upper(table["sequence"])
    folded = pc.index(pc.equal(text, table["sequence"]), False).as_py()
    sequences: list[str] = text.to_pylist()
    if not bases.NUCLEOTIDES.issuperset("".join(sequences)):
        row = next(row for row, sequence in enumerate(sequences) if not bases.NUCLEOTIDES.issuperset(sequence))
        written = _short(table["sequence"][row].as_py())
        raise InputError(f"a sequence may hold nucleotide letters only, but {origin.at(row)} is {written}")
    return Examples(sequences, labels, None if folded < 0 else folded)


def _short(sequence: str) -> str:
    """Quote a sequence, or the stretch around its first letter that is no nucleotide."""
    if len(sequence) <= 80:
        return repr(sequence)
    position = next(at for at, letter in enumerate(sequence) if letter.upper() not in bases.NUCLEOTIDES)
    return f"{sequence[max(0, position - 10) : position + 10]!r} around letter {position + 1}"


def _first_wrong(table: pa.Table, is_text: bool, origin: Origin) -> str:
    if not is_text:
        return f"sequence {table['sequence'][0]!s} on {origin.unit} {origin.number(0)}"
    for row, label in enumerate(table["label"].to_pylist()):
        whole = label.is_integer() if isinstance(label, float) else str(label).lstrip("-").isdigit()
        if not whole:
            return f"label {label!r} on {origin.unit} {origin.number(row)}"
    return f"labels of type {table['label'].type}"
