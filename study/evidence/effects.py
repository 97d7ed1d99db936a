"""How large a difference is over tasks and seeds, and how sure: the statistics under every claim of a study."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Effect:
    """A mean difference with its interval.

    Attributes:
        mean: Over all tasks and seeds.
        low: Lower end of the interval; -inf where there is one number alone.
        high: Upper end of the interval; inf there.
        tasks: How many tasks it rests on.
        seeds: How many seeds; with 1 the interval says nothing about other initialisations.
    """

    mean: float
    low: float
    high: float
    tasks: int
    seeds: int

    @property
    def half_width(self) -> float:
        """How far the interval reaches to either side."""
        return (self.high - self.low) / 2


class MeanSquares(NamedTuple):
    """Mean squares of the two-way layout: of tasks, of seeds, and of the rest."""

    task: float
    seed: float
    rest: float


def effect(differences: NDArray[np.float64], confidence: float = CONFIDENCE) -> Effect:
    """Return the mean of paired differences and the interval in which it lies for other tasks and other seeds alike.

    Tasks and seeds are crossed random factors: all tasks of a seed share a pretraining, so a lucky seed lifts them
    together, and to resample its tasks as if they were independent calls noise a win. The variance of the mean is that
    of the two-way random model without replication, its degrees of freedom are Satterthwaite's (Biometrics Bulletin 2,
    1946). With one task, or one seed, it is the t interval over the other.

    Args:
        differences: (tasks, seeds), at least one number.
        confidence: Share of the intervals that hold the true mean.
    """
    tasks, seeds = differences.shape
    mean = float(differences.mean())
    if differences.size == 1:
        return Effect(mean, -math.inf, math.inf, tasks, seeds)
    if min(tasks, seeds) == 1:
        variance, freedom = float(differences.var(ddof=1)) / differences.size, float(differences.size - 1)
    else:
        variance, freedom = variance_of_mean(mean_squares(differences), tasks, seeds)
    half = float(stats.t.ppf((1 + confidence) / 2, freedom)) * variance**0.5
    return Effect(mean, mean - half, mean + half, tasks, seeds)


def mean_squares(differences: NDArray[np.float64]) -> MeanSquares:
    """Return how far tasks, seeds, and what neither explains spread.

    Args:
        differences: (tasks, seeds), at least two of each.
    """
    tasks, seeds = differences.shape
    of_task, of_seed = differences.mean(1, keepdims=True), differences.mean(0, keepdims=True)
    rest = differences - of_task - of_seed + differences.mean()
    return MeanSquares(
        seeds * float(of_task.var(ddof=1)),
        tasks * float(of_seed.var(ddof=1)),
        float((rest**2).sum()) / ((tasks - 1) * (seeds - 1)),
    )


def variance_of_mean(squares: MeanSquares, tasks: int, seeds: int) -> tuple[float, float]:
    """Return the variance of the mean over so many tasks and seeds, and its degrees of freedom."""
    by_task, by_seed, by_rest = squares
    total, weights = by_task, by_task**2 / (tasks - 1)
    if by_seed > by_rest:  # else nothing is seen of what seeds share, and the variance of the rest is in the tasks'
        total += by_seed - by_rest
        weights += by_seed**2 / (seeds - 1) + by_rest**2 / ((tasks - 1) * (seeds - 1))
    least = min(tasks, seeds) - 1
    freedom = max(least, total**2 / weights) if weights else least
    return total / (tasks * seeds), float(freedom)


def standardised(differences: NDArray[np.float64]) -> float:
    """Return the mean in standard deviations of the single differences (Cohen's d of pairs); 0 where all are 0.

    Infinite where all differences are the same other number, not a number where there is only one.
    """
    if differences.size == 1:
        return math.nan
    mean, spread = float(differences.mean()), float(differences.std(ddof=1))
    if np.ptp(differences) == 0:
        return math.copysign(math.inf, mean) if mean else 0.0
    return mean / spread


def superiority(differences: NDArray[np.float64]) -> float:
    """Return the probability that a pair favours the first: the share above 0, ties by half.

    The common language effect size (McGraw and Wong, Psychological Bulletin 111, 1992) of paired numbers.
    """
    return float((np.sign(differences).mean() + 1) / 2)
