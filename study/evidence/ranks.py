"""Several curricula over tasks: average ranks with their critical difference, and performance profiles.

Both see means over seeds, task by task. They describe the pretrainings that were run: what a lucky seed lifts in all
tasks at once they take for a difference, so a claim rests on `study.evidence.verdict` and not on them.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from curricula import InputError
from study.evidence.effects import CONFIDENCE


@dataclass(frozen=True)
class Ranks:
    """A critical-difference diagram (Demsar, JMLR 7, 2006), ready to be drawn.

    Attributes:
        average: Rank by column, 1 is best, mean over tasks, ties shared; the best first.
        tasks: How many.
        statistic: Friedman's chi-square; not a number with two columns, for which the test is not made.
        p: That all are alike.
        critical: Nemenyi's critical difference of average ranks at 5 %.
        alike: Largest sets of neighbours that lie within the critical difference: the bars of the diagram.
    """

    average: dict[str, float]
    tasks: int
    statistic: float
    p: float
    critical: float
    alike: list[tuple[str, ...]]


def ranks(scores: pd.DataFrame) -> Ranks:
    """Rank columns task by task.

    Args:
        scores: (tasks, columns), higher is better, as `pairing.task_means` gives them.

    Raises:
        InputError: fewer than two columns or tasks, or a hole.
    """
    _check(scores)
    tasks, columns = scores.shape
    average = scores.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
    if columns > 2 and not (scores.nunique(axis=1) == 1).all():
        test = stats.friedmanchisquare(*(scores[name] for name in scores))
        statistic, p = float(test.statistic), float(test.pvalue)
    else:
        statistic, p = (math.nan, math.nan) if columns == 2 else (0.0, 1.0)
    quantile = float(stats.studentized_range.ppf(CONFIDENCE, columns, np.inf))
    critical = quantile * math.sqrt(columns * (columns + 1) / (12 * tasks))
    found = {str(name): float(value) for name, value in average.items()}
    return Ranks(found, tasks, statistic, p, critical, _alike(found, critical))


def _alike(average: dict[str, float], critical: float) -> list[tuple[str, ...]]:
    names, values = list(average), list(average.values())
    found: list[tuple[str, ...]] = []
    reached = 0
    for first, value in enumerate(values):
        last = max(place for place, other in enumerate(values) if other - value <= critical)
        if last > first and last > reached:  # a set within an earlier one would be a bar under a longer bar
            found.append(tuple(names[first : last + 1]))
            reached = last
    return found


def profiles(scores: pd.DataFrame) -> pd.DataFrame:
    """Return on which share of the tasks each column is within some distance of the best of the task.

    Performance profiles (Dolan and Moré, Mathematical Programming 91, 2002) by difference in place of ratio, since MCC
    may be 0 or below.

    Args:
        scores: (tasks, columns), higher is better.

    Returns:
        (distances, columns) shares; the index has every distance at which one of them rises, from 0: steps to draw.

    Raises:
        InputError: as `ranks`.
    """
    _check(scores)
    behind = scores.sub(scores.max(axis=1), axis=0).abs().round(12)  # so that equal distances are one step
    distances = np.unique(np.append(behind.to_numpy(), 0.0))
    shares = {str(name): [(behind[name] <= distance).mean() for distance in distances] for name in behind}
    return pd.DataFrame(shares, index=pd.Index(distances, name="distance"))


def _check(scores: pd.DataFrame) -> None:
    if min(scores.shape) < 2 or scores.isna().any(axis=None):
        raise InputError(
            f"ranks need at least 2 tasks and 2 columns without a hole, but got {scores.shape[0]} task(s), "
            f"{scores.shape[1]} column(s) and {int(scores.isna().sum().sum())} hole(s)"
        )
