"""The five few-shot sets: what each must hold, where it comes from, and whether a loaded one is it.

Source: the published few-shot protocol (10 and 50 examples a class, ten draws, accuracy on the whole test set). The
draws themselves are `EvaluationTask.few_shot`.
"""

from dataclasses import dataclass

import numpy as np

from curricula import InputError
from trainers.tasks import gue
from trainers.tasks.task import SPLITS, EvaluationTask

COHN = "katarinagresova/Genomic_Benchmarks_human_enhancers_cohn"


@dataclass(frozen=True)
class FewShotSet:
    """One set: `length` in nt of every sequence; it comes from a GUE task, a hub data set, or only from a folder."""

    name: str
    title: str
    classes: int
    length: int
    test_rows: int
    gue: str | None = None
    repo: str | None = None
    columns: tuple[str, str] = ("sequence", "label")


SETS = {
    entry.name: entry
    for entry in (
        FewShotSet("prom_core", "Prom-core", 2, 70, 5920, gue="prom/prom_core_all"),
        FewShotSet("prom_300", "Prom-300", 2, 300, 5920, gue="prom/prom_300_all"),
        FewShotSet("cohn_enh", "Cohn-enh", 2, 500, 6948, repo=COHN, columns=("seq", "label")),
        FewShotSet("splice_40", "Splice-40", 3, 40, 3000),
        FewShotSet("silencer", "Silencer", 2, 300, 1657),
    )
}


def verify(task: EvaluationTask, expected: FewShotSet) -> None:
    """Refuse a set whose test rows, classes, lengths or letters are not the published ones.

    Raises:
        InputError: it names what differs, and where.
    """
    rows = len(task.splits["test"])
    if rows != expected.test_rows:
        raise InputError(
            f"{expected.title} must have {expected.test_rows} test rows, but {task.origins['test'].name} has {rows}; "
            f"{gue.MODIFIED}"
        )
    if task.classes != expected.classes:
        raise InputError(
            f"{expected.title} must have {expected.classes} classes, but {task.origins['train'].name} has "
            f"{task.classes}; {gue.MODIFIED}"
        )
    for split in SPLITS:
        wrong = np.array([len(sequence) for sequence in task.splits[split].sequences]) != expected.length
        if wrong.any():
            row = int(wrong.argmax())
            raise InputError(
                f"a sequence of {expected.title} must have {expected.length} nt, but {task.at(split, row)} has "
                f"{len(task.splits[split].sequences[row])}; {gue.MODIFIED}"
            )
        gue.check_letters(task, split)
