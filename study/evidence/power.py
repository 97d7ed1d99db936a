"""What a comparison could have found: the smallest detectable difference, and the seeds that would find a smaller one.

Variances of tasks, seeds and the rest come from the observed differences, so all of this is an estimate itself. It goes
by the interval; a p that is adjusted for many comparisons, or rests on two or three seeds, asks for more.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from study.evidence.effects import CONFIDENCE, MeanSquares, mean_squares, variance_of_mean

POWER = 0.8
MOST_SEEDS = 100


@dataclass(frozen=True)
class Components:
    """Variances of a single difference: what a task shares, what a seed shares, and the rest."""

    task: float
    seed: float
    rest: float

    def expected(self, tasks: int, seeds: int) -> MeanSquares:
        """Return the mean squares to expect of so many tasks and seeds."""
        return MeanSquares(self.rest + seeds * self.task, self.rest + tasks * self.seed, self.rest)


def components(differences: NDArray[np.float64]) -> Components:
    """Return the variances by the method of moments, none below 0.

    Args:
        differences: (tasks, seeds), at least two of each.
    """
    tasks, seeds = differences.shape
    squares = mean_squares(differences)
    return Components(
        max(0.0, squares.task - squares.rest) / seeds, max(0.0, squares.seed - squares.rest) / tasks, squares.rest
    )


def detectable(differences: NDArray[np.float64], seeds: int | None = None, power: float = POWER) -> float:
    """Return the smallest true difference that an interval leaves out zero for, with this power.

    (t(1 - alpha/2) + t(power)) standard errors (Bloom, Evaluation Review 19, 1995).

    Args:
        differences: (tasks, seeds).
        seeds: For so many seeds of the same kind; None: for those that there are.
        power: Share of the studies that would find it.

    Returns:
        In units of the differences; not a number where they do not tell: one alone, or other seeds asked of one seed.
    """
    tasks, had = differences.shape
    seeds = had if seeds is None else seeds
    if differences.size == 1 or (seeds != had and had == 1) or (tasks == 1 and seeds == 1):
        return math.nan
    if had == 1:
        variance, freedom = float(differences.var(ddof=1)) / tasks, float(tasks - 1)
    elif tasks == 1:
        variance, freedom = float(differences.var(ddof=1)) / seeds, float(seeds - 1)
    elif seeds == had:
        variance, freedom = variance_of_mean(mean_squares(differences), tasks, seeds)
    else:
        variance, freedom = variance_of_mean(components(differences).expected(tasks, seeds), tasks, seeds)
    quantiles = stats.t.ppf([(1 + CONFIDENCE) / 2, power], freedom)
    return float(quantiles.sum()) * math.sqrt(variance)


def seeds_needed(differences: NDArray[np.float64], worth: float, power: float = POWER) -> float:
    """Return how many seeds would make a difference of `worth` detectable.

    Args:
        differences: (tasks, seeds).
        worth: In units of the differences.
        power: Share of the studies that would find it.

    Returns:
        At least 2; infinite where 100 would not do, because tasks differ; not a number where one seed does not tell.
    """
    if differences.shape[1] == 1:
        return math.nan
    for seeds in range(2, MOST_SEEDS + 1):
        if detectable(differences, seeds, power) <= worth:
            return float(seeds)
    return math.inf
