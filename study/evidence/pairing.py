"""Scores of two curricula set side by side, task by task and seed by seed."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curricula import InputError
from study.store import PRETRAINING

BASELINE = "baseline"  # the role of what has no seeds, because this study does not pretrain it
_ONE_EACH = ("split", "fidelity", "parameters")
_COLUMNS = (
    "study",
    "run",
    "branch",
    "curriculum",
    "budget",
    "role",
    "seed",
    "task",
    "repetition",
    "metric",
    "value",
    *_ONE_EACH,
)


@dataclass(frozen=True, order=True)
class Arm:
    """One side of a comparison: a curriculum, control or baseline after some steps of pretraining."""

    curriculum: str
    budget: int

    def __str__(self) -> str:
        return f"`{self.curriculum}` at {self.budget:,} steps" if self.budget else f"`{self.curriculum}`"


@dataclass(frozen=True)
class Pairs:
    """What two arms have in common, as (tasks, seeds) tables of means over repetitions, tasks and seeds in order.

    Attributes:
        a: Scores of the one; a pair that is missing is not a number in both.
        b: Scores of the other.
    """

    a: pd.DataFrame
    b: pd.DataFrame

    @property
    def differences(self) -> pd.DataFrame:
        """All that there are, of a over b."""
        return self.a - self.b

    @property
    def full(self) -> NDArray[np.float64]:
        """(tasks, seeds) differences without a hole: the largest table that can be cut out of all of them."""
        return full_table(self.differences).to_numpy()

    @property
    def left_out(self) -> int:
        """Pairs that are not in the full table."""
        return int(self.differences.notna().to_numpy().sum()) - self.full.size


def full_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the part of a (tasks, seeds) table that has no hole and as many numbers as possible.

    Tried are the seeds of every task, and those that all tasks have; of two as large, the one with more seeds.
    """
    held = table.notna()
    of_tasks = {tuple(row) for row in held.to_numpy()}
    patterns = {*of_tasks, tuple(held.all(axis=0))}
    parts = []
    for pattern in sorted(patterns, reverse=True):
        seeds = table.loc[:, list(pattern)]
        parts.append(seeds[seeds.notna().all(axis=1)] if seeds.shape[1] else seeds.iloc[:0])
    return max(parts, key=lambda part: (part.size, part.shape[1]))


def paired(rows: pd.DataFrame, a: Arm, b: Arm) -> Pairs:
    """Return the scores of two arms, pair by pair.

    Scores are paired by task, seed and repetition, whose sequences and fine-tuning seed are the same, and averaged over
    the repetitions that both have. A baseline has no seeds; its mean stands against every seed of the other.

    Args:
        rows: Score rows as `Store.rows` gives them: of one split, one fidelity, one metric a task, and one
            configuration of each curriculum; rows of the pretraining itself are left out.
        a: The one.
        b: The other.

    Raises:
        InputError: rows that are not so, an arm without scores, or arms without a common pair.
    """
    both = _side_by_side(rows, a, b)
    if both.empty:
        raise InputError(f"two curricula must share a task and a seed, but {a} and {b} do not")
    means = both.groupby(["task", "seed"]).mean()
    return Pairs(*(means[side].unstack("seed").sort_index() for side in ("a", "b")))


def have_pairs(rows: pd.DataFrame, a: Arm, b: Arm) -> bool:
    """Whether two arms share a task and a seed.

    Raises:
        InputError: as `scores_of`.
    """
    return not _side_by_side(rows, a, b).empty


def _side_by_side(rows: pd.DataFrame, a: Arm, b: Arm) -> pd.DataFrame:
    """Return the scores that both have, by (task, seed, repetition)."""
    one, other = scores_of(rows, a), scores_of(rows, b)
    if is_baseline(rows, a) and not is_baseline(rows, b):
        one = _on_every_seed(one, other)
    elif is_baseline(rows, b) and not is_baseline(rows, a):
        other = _on_every_seed(other, one)
    return pd.DataFrame({"a": one, "b": other}).dropna()


def _on_every_seed(seedless: "pd.Series[float]", seeded: "pd.Series[float]") -> "pd.Series[float]":
    by_task = seedless.groupby("task").mean()
    return by_task.reindex(seeded.index.get_level_values("task")).set_axis(seeded.index)


def scores_of(rows: pd.DataFrame, arm: Arm) -> "pd.Series[float]":
    """Return the scores of an arm by (task, seed, repetition).

    Raises:
        InputError: columns are missing, or the arm has none, several of one kind, or one that is not finite.
    """
    if lacking := [name for name in _COLUMNS if name not in rows.columns]:
        raise InputError(f"score rows must have the columns {', '.join(_COLUMNS)}, but lack {', '.join(lacking)}")
    scored = rows[(rows["curriculum"] == arm.curriculum) & (rows["task"] != PRETRAINING)]
    own = scored[scored["budget"] == arm.budget]
    if own.empty:
        at = ", ".join(f"{budget:,}" for budget in sorted(set(scored["budget"]))) or "no budget"
        raise InputError(f"there are no scores of {arm}; `{arm.curriculum}` has some at: {at}")
    for name in _ONE_EACH:
        if len(found := sorted({str(value) for value in own[name]})) > 1:
            raise InputError(f"rows of {arm} must be of one {name}, but are of {', '.join(found)}")
    if (metrics := own.groupby("task")["metric"].nunique()).max() > 1:
        raise InputError(f"rows of {arm} must have one metric a task, but {metrics.idxmax()} has {metrics.max()}")
    if not np.isfinite(own["value"]).all():
        task = own[~np.isfinite(own["value"])]["task"].iloc[0]
        raise InputError(f"scores must be finite, but {arm} has one on {task} that is not")
    if own.duplicated(["task", "seed", "repetition"]).any():
        twice = own[own.duplicated(["task", "seed", "repetition"])].iloc[0]
        place = f"{twice['task']}, seed {twice['seed']}, repetition {twice['repetition']}"
        raise InputError(f"each score must be there once, but {arm} has several of {place}")
    return own.set_index(["task", "seed", "repetition"])["value"]


def is_baseline(rows: pd.DataFrame, arm: Arm) -> bool:
    """Whether an arm has no seeds."""
    return bool((rows[rows["curriculum"] == arm.curriculum]["role"] == BASELINE).all())


def task_means(rows: pd.DataFrame, arms: Iterable[Arm]) -> pd.DataFrame:
    """Return (tasks, arms) means over seeds and repetitions, of the tasks and seeds that all arms have.

    Raises:
        InputError: as `scores_of`; or no task and seed is common to all.
    """
    found = {arm: scores_of(rows, arm).groupby(["task", "seed"]).mean() for arm in arms}
    seeded = [set(scores.index) for arm, scores in found.items() if not is_baseline(rows, arm)]
    shared = set.intersection(*seeded) if seeded else set()
    means = {}
    for arm, scores in found.items():
        own = scores if is_baseline(rows, arm) else scores[scores.index.isin(shared)]
        means[arm] = own.groupby("task").mean()
    table: pd.DataFrame = pd.DataFrame(means).dropna().sort_index()
    if table.empty:
        raise InputError(f"no task and seed is common to {', '.join(str(arm) for arm in found)}")
    return table
