"""Takes a dev split from train where a task has none: a pure function of the training rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from curricula import InputError
from trainers.tasks.task import EvaluationTask, Origin

SHARE = 0.1
SEED = 20240807


@dataclass(frozen=True)
class _Chosen(Origin):
    """Rows that were chosen from another split; they keep their places."""

    whole: Origin = field(kw_only=True)
    rows: Sequence[int] = field(default=(), repr=False)

    def number(self, row: int) -> int:
        return self.whole.number(self.rows[row])

    def at(self, row: int) -> str:
        return self.whole.at(self.rows[row])


def carve_dev(task: EvaluationTask, share: float = SHARE, seed: int = SEED) -> EvaluationTask:
    """Move a share of each class from train to dev, at least one example; rows keep their order.

    Equal sequences stay together, so that dev holds nothing that train has: a share is counted in distinct sequences.

    Args:
        task: With the splits train and test.
        share: Of the distinct sequences of a class, in (0, 1).
        seed: Of the draw.

    Raises:
        InputError: a class has fewer than two distinct sequences.
    """
    train = task.splits["train"]
    first: dict[str, int] = {}
    group = np.array([first.setdefault(sequence, row) for row, sequence in enumerate(train.sequences)])
    generator = np.random.default_rng(seed)
    chosen: list[NDArray[np.int64]] = []
    for label in range(task.classes):
        heads = np.flatnonzero((train.labels == label) & (group == np.arange(len(group))))
        if len(heads) < 2:
            raise InputError(
                f"without `dev`, a class needs two distinct training sequences, one of them for dev, but class {label} "
                f"of {task.name} has {len(heads)}"
            )
        chosen.append(generator.permutation(heads)[: max(1, round(share * len(heads)))])
    is_dev = np.isin(group, np.concatenate(chosen))
    rows = {"train": np.flatnonzero(~is_dev), "dev": np.flatnonzero(is_dev)}
    splits = {**{split: train.take(kept) for split, kept in rows.items()}, "test": task.splits["test"]}
    origins = dict(task.origins)
    if "train" in origins:
        whole = origins["train"]
        for split, kept in rows.items():
            origins[split] = _Chosen(whole.name, whole.unit, whole.first, whole=whole, rows=kept.tolist())
    said = f"none given: {len(rows['dev'])} of {len(train)} training rows, stratified by class, seed {seed}"
    return EvaluationTask(task.name, task.classes, splits, origins, {**task.card, "dev": said})
