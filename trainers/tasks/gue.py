"""The 28 tasks of GUE: what each must hold, and whether a loaded one does.

The table repeats the published description of GUE (classes, length, rows). Of some tasks the package also knows a
fingerprint of the content (`fingerprints.py`): for them one changed letter or label is found, with its line.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from curricula import InputError
from trainers.tasks import fingerprints
from trainers.tasks.task import SPLITS, EvaluationTask, Examples, Origin

ALPHABET = frozenset("ACGTN")
SHORTER_EMP = 3  # sequences below 500 nt in all EMP tasks together
MODIFIED = "--allow-modified (in a spec: evaluation.allow_modified: true) goes on with a task that was changed"

CONTENT = "fingerprint of every row"
COUNTS = "rows, classes, letters and lengths"


@dataclass(frozen=True)
class GueTask:
    """What the publication says of one task.

    `rows` of train, dev and test; `length` in nt; `exact`: every sequence has it, otherwise it is the longest;
    `mirrors`: names of its folder in copies, the hub mirror's first.
    """

    name: str
    classes: int
    length: int
    rows: tuple[int, int, int]
    organism: Literal["human", "mouse", "yeast", "virus"]
    mirrors: tuple[str, ...]
    metric: Literal["mcc", "macro_f1"] = "mcc"
    exact: bool = True


_EMP = {
    "H3": (11971, 1497, 1497),
    "H3K14ac": (26438, 3305, 3305),
    "H3K36me3": (27904, 3488, 3488),
    "H3K4me1": (25341, 3168, 3168),
    "H3K4me2": (24545, 3069, 3069),
    "H3K4me3": (29439, 3680, 3680),
    "H3K79me3": (23069, 2883, 2884),
    "H3K9ac": (22224, 2779, 2779),
    "H4": (11679, 1461, 1461),
    "H4ac": (27275, 3410, 3410),
}
_PROM = {"all": (47356, 5920, 5920), "notata": (42452, 5307, 5307), "tata": (4904, 613, 613)}
_TF_TRAIN = (32378, 30672, 19000, 27294, 19000)
_MOUSE = ((6478, 810, 810), (53952, 6745, 6745), (2620, 328, 328), (1904, 239, 239), (15064, 1883, 1883))
_COVID = ("virus_covid", "covid", "virus_covid_variants", "covid_variants", "virus_covid_large")


def _table() -> Iterable[GueTask]:
    for mark, rows in _EMP.items():
        yield GueTask(f"EMP/{mark}", 2, 500, rows, "yeast", (f"emp_{mark}",), exact=False)
    for width, length in (("core", 70), ("300", 300)):
        for part, rows in _PROM.items():
            yield GueTask(f"prom/prom_{width}_{part}", 2, length, rows, "human", (f"prom_{width}_{part}",))
    splice = ("splice_reconstructed", "reconstructed")
    yield GueTask("splice/reconstructed", 3, 400, (36496, 4562, 4562), "human", splice)
    for number, train in enumerate(_TF_TRAIN):
        yield GueTask(f"tf/{number}", 2, 101, (train, 1000, 1000), "human", (f"human_tf_{number}", f"tf_{number}"))
    for number, rows in enumerate(_MOUSE):
        yield GueTask(f"mouse/{number}", 2, 101, rows, "mouse", (f"mouse_{number}",))
    yield GueTask("virus/covid", 9, 1000, (77669, 7000, 7000), "virus", _COVID, "macro_f1", exact=False)


TABLE = {task.name: task for task in _table()}


def stand_in(name: str) -> EvaluationTask:
    """Return a task of the published size that holds nothing, for what is reckoned before its files are there."""
    task = TABLE[name]
    splits = {
        split: Examples(["N" * task.length] * rows, np.zeros(rows, np.int64))
        for split, rows in zip(SPLITS, task.rows, strict=True)
    }
    return EvaluationTask(name, task.classes, splits)


def known(name: str) -> str:
    """Return what `verify` compares of this task."""
    return CONTENT if fingerprints.published(name, "train") else COUNTS


def verify(task: EvaluationTask) -> None:
    """Refuse a task with a GUE name that is not the published one.

    Raises:
        InputError: rows, classes, letters, lengths or content differ; it names file, line and what was expected.
    """
    published = TABLE[task.name]
    for split, expected in zip(SPLITS, published.rows, strict=True):
        _check_rows(task, split, expected)
    if task.classes != published.classes:
        raise InputError(f"{task.name} must have {published.classes} classes, but it has {task.classes}; {MODIFIED}")
    for split in SPLITS:
        check_letters(task, split)
        _check_lengths(task, published, split)
        _check_content(task, split)


def _check_rows(task: EvaluationTask, split: str, expected: int) -> None:
    found = len(task.splits[split])
    if found == expected:
        return
    known = fingerprints.published(task.name, split)
    row = None if known is None else fingerprints.first_difference(task.splits[split], known)
    name = task.origins.get(split, Origin(f"{task.name}/{split}")).name
    where = "" if row is None else f"; the first row that differs from the published file is {_place(task, split, row)}"
    raise InputError(f"{task.name} {split} must have {expected} rows, but {name} has {found}{where}; {MODIFIED}")


def _place(task: EvaluationTask, split: str, row: int) -> str:
    return task.at(split, row) if row < len(task.splits[split]) else f"after {task.at(split, row - 1)}"


def check_letters(task: EvaluationTask, split: str) -> None:
    """Refuse letters other than A, C, G, T and N.

    Raises:
        InputError: the first sequence with another letter.
    """
    sequences = task.splits[split].sequences
    if set("".join(sequences)) <= ALPHABET:
        return
    row = next(row for row, sequence in enumerate(sequences) if not ALPHABET.issuperset(sequence))
    letter = next(letter for letter in sequences[row] if letter not in ALPHABET)
    raise InputError(
        f"{task.name} may hold the letters A C G T N only, but {task.at(split, row)} has {letter}; {MODIFIED}"
    )


def _check_lengths(task: EvaluationTask, published: GueTask, split: str) -> None:
    lengths = np.array([len(sequence) for sequence in task.splits[split].sequences])
    wrong = lengths != published.length if published.exact else lengths > published.length
    if published.organism == "yeast" and np.count_nonzero(lengths < published.length) > SHORTER_EMP:
        wrong |= lengths < published.length
    if wrong.any():
        row = int(wrong.argmax())
        rule = f"have {published.length} nt" if published.exact else f"have at most {published.length} nt"
        if lengths[row] < published.length:
            rule = f"have {published.length} nt" + ("" if published.exact else f", all but {SHORTER_EMP}")
        raise InputError(
            f"a sequence of {task.name} must {rule}, but {task.at(split, row)} has {lengths[row]}; {MODIFIED}"
        )


def _check_content(task: EvaluationTask, split: str) -> None:
    known = fingerprints.published(task.name, split)
    if known is None:
        return
    found = fingerprints.sha256(task.splits[split])
    if found == known.sha256:
        return
    row = fingerprints.first_difference(task.splits[split], known)
    where = task.origins.get(split, Origin(f"{task.name}/{split}")).name if row is None else task.at(split, row)
    raise InputError(
        f"{task.name} {split} must be the published rows (SHA-256 {known.sha256[:12]}...), but {where} differs in a "
        f"letter, a label or the order (SHA-256 {found[:12]}...); {MODIFIED}"
    )


def verify_shorter(shorter: dict[str, int]) -> None:
    """Refuse EMP tasks that together hold more short sequences than the published ones.

    Args:
        shorter: By task: sequences shorter than its longest.

    Raises:
        InputError: there are more than three.
    """
    emp = {
        name: count for name, count in shorter.items() if name in TABLE and TABLE[name].organism == "yeast" and count
    }
    if sum(emp.values()) > SHORTER_EMP:
        raise InputError(
            f"at most {SHORTER_EMP} sequences of all EMP tasks may have fewer than 500 nt, but there are "
            f"{', '.join(f'{count} in {name}' for name, count in emp.items())}; {MODIFIED}"
        )
