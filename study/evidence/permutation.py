"""How often chance alone gives a difference as large: a sign-flip test for tasks and seeds that are crossed.

All tasks of a seed share a pretraining, so the differences of two curricula are a task's part, a seed's part and noise:
d = a(task) + b(seed) + e. Under "no difference" each part is as likely up as down. What may be flipped?

- Single differences: no, neither part changes its sign alone.
- Whole seeds: exact, but three seeds have 8 patterns and no p below 0.25.
- Whole tasks: exact where seeds share nothing. Where they do, one lucky seed lifts all tasks, the flips undo that, and
  noise is called a win in up to half of the studies.

So whole tasks are flipped, and to each flip is added a draw of what seeds may share: normal, with the variance that
the mean square of seeds leaves open (that mean square x degrees of freedom / a chi-square draw, less the mean square of
the rest: a generalised pivot, Weerahandi, JASA 88, 1993). With few seeds such draws have long tails, as they must. The
p is never below that of the flips alone. In simulations with 2 to 12 seeds it was at most 0.05 in no more than 5 % of
the null studies, whatever the seeds shared; with few seeds in fewer: `python -m tests.benchmarks.verdict`.
"""

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from curricula import InputError
from study.evidence.effects import mean_squares

RESAMPLES = 9_999
_SEED = 20_240_807  # the draws are always the same, so that a verdict is a function of the scores


def paired_p(differences: NDArray[np.float64], resamples: int = RESAMPLES) -> float:
    """Return the two-sided p of "no difference", in (0, 1].

    The longer side is flipped and the shorter one drawn: with more seeds than tasks the two change places. With one
    seed it is the sign-flip test over tasks, with one task that over seeds. All patterns of signs are gone through
    where there are no more than `resamples`.

    Args:
        differences: (tasks, seeds), in any order of seeds, and in an order of tasks that is always the same.
        resamples: Random patterns of signs (Phipson and Smyth, 2010: the observed one counts as one more).

    Raises:
        InputError: no differences, or one that is not finite.
    """
    if not differences.size or not np.isfinite(differences).all():
        raise InputError(f"a test needs finite differences, but got {differences.tolist()}")
    flipped = differences if differences.shape[0] >= differences.shape[1] else differences.T
    means = flipped.mean(1)
    signs, all_of_them = _signs(len(means), resamples)
    by_flips = signs @ means / len(means)
    shared = _shared(flipped, len(signs))
    # each draw with either sign, so that A against B and B against A have one p
    reached = np.abs(by_flips[:, None] + shared[:, None] * np.array([1.0, -1.0]))
    reached = np.maximum(reached, np.abs(by_flips)[:, None])
    beyond = float((reached >= abs(flipped.mean()) * (1 - 1e-9)).mean(1).sum())
    return min(1.0, beyond / len(signs) if all_of_them else (1 + beyond) / (1 + len(signs)))


def least_p(tasks: int, seeds: int) -> float:
    """Return the p below which `paired_p` cannot fall, however large the difference: 2 of all patterns of signs."""
    return max(2.0 ** (1 - max(tasks, seeds)), 1 / (1 + RESAMPLES))


@functools.lru_cache(maxsize=16)
def _signs(count: int, resamples: int) -> tuple[NDArray[np.float64], bool]:
    """Return (patterns, count) signs, and whether they are all patterns, each equally often."""
    patterns = 2 ** (count - 1)  # of the others: to flip all changes no absolute mean
    if patterns > resamples:
        return np.random.default_rng(_SEED).choice([-1.0, 1.0], (resamples, count)), False
    bits = (np.arange(patterns)[:, None] >> np.arange(count)) & 1
    return np.tile(1.0 - 2.0 * bits, (max(1, resamples // patterns), 1)), True


def _shared(differences: NDArray[np.float64], draws: int) -> NDArray[np.float64]:
    """Return draws of what the columns share, in the mean of all differences; zeros for one column."""
    rows, columns = differences.shape
    if columns == 1:
        return np.zeros(draws)
    squares = mean_squares(differences)
    normal, spread = _standard_draws(columns - 1, draws)
    left_open = np.maximum(0.0, squares.seed * spread - squares.rest)
    drawn: NDArray[np.float64] = normal * np.sqrt(left_open / (rows * columns))
    return drawn


@functools.lru_cache(maxsize=16)
def _standard_draws(freedom: int, draws: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return standard normal numbers, and degrees of freedom over chi-square numbers."""
    random = np.random.default_rng(_SEED + 1)
    return random.standard_normal(draws), freedom / random.chisquare(freedom, draws)


def holm(ps: Sequence[float]) -> list[float]:
    """Return p adjusted for so many comparisons (Holm, Scandinavian Journal of Statistics 6, 1979), in the same order.

    Raises:
        InputError: a p outside [0, 1].
    """
    if not all(0 <= p <= 1 for p in ps):
        raise InputError(f"every p must lie in [0, 1], but got {list(ps)}")
    order = np.argsort(ps, kind="stable")
    steps = np.arange(len(ps), 0, -1) * np.asarray(ps, dtype=np.float64)[order]
    adjusted = np.empty(len(ps))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return [float(p) for p in adjusted]
