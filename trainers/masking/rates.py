"""From the masked fraction that a curriculum asks for to the probability that a token is a centre.

`paper` divides the rate by the mean width of a span. Spans overlap and end at the edges of a row, so strategies then
mask different amounts (arXiv 2408.07180 reports no correction). `matched` solves for the probability at which the
expected masked fraction equals the rate, on rows of the corpus cut to the length in question, always on the CPU:
a GPU is never waited for.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from curricula import InputError, Masking, Strategy
from trainers.genome.windows import Windows
from trainers.masking.spans import count_in_reach
from trainers.masking.strategies import Strategies
from trainers.rng import Stream, uniforms
from trainers.settings import Budget
from trainers.tokens.kmers import KmerTokenizer

Floats = NDArray[np.float64]
_WINDOWED = (Strategy.RANDOM, Strategy.PMI_THRESHOLD)
_P = np.linspace(0.0, 1.0, 512) ** 2  # dense where rates are asked for
_SIMULATED_P = np.geomspace(1e-4, 1.0, 64)
_GRID = np.linspace(0.0, 0.75, 49)  # NPMI quantiles; few k-mers lie above, and each threshold is solved for itself
_FEW_KMERS = 256  # of so few, a threshold takes or leaves whole percents of the tokens, and a line would miss
_AT_ONCE = 1 << 15  # tokens whose masks stay in a core's cache
CALIBRATION_TOKENS = 1 << 20  # a rate of 15 % is then met within a tenth of a point


def calibration_bases(windows: Windows, k: int) -> torch.Tensor:
    """Return base codes of evenly spaced windows, about `CALIBRATION_TOKENS` k-mers in all, shape (rows, width)."""
    return windows.spread(-(-CALIBRATION_TOKENS // (windows.width - k + 1)))


def calibration_rows(windows: Windows, k: int) -> torch.Tensor:
    """Return k-mer ids of evenly spaced windows, about `CALIBRATION_TOKENS` in all, shape (rows, tokens)."""
    return KmerTokenizer(k).ids(calibration_bases(windows, k))


def published(masking: Masking, widths: tuple[int, ...], rows: int) -> Floats:
    """Return the centre probability of `paper` for so many rows: the rate divided by the mean width of a span."""
    return np.full(rows, masking.rate / (sum(widths) / len(widths)))


def solved(rate: float, shares: Callable[[float], tuple[float, float]]) -> float:
    """Return the centre probability at which a rate is reached, 1 where none is.

    A grid of probabilities is halved, then a straight line drawn between the last two, over the share of centres
    that were drawn, not the probability: that takes most of the noise away.

    Args:
        rate: Share of the tokens to mask.
        shares: Shares of tokens that are masked and of k-mers that are drawn as centres, at a probability.
    """
    low, high = 0, len(_SIMULATED_P) - 1
    while high - low > 1:
        middle = (low + high) // 2
        too_little = shares(float(_SIMULATED_P[middle]))[0] < rate
        low, high = (middle, high) if too_little else (low, middle)
    (masked_low, drawn_low), (masked_high, drawn_high) = (shares(float(_SIMULATED_P[end])) for end in (low, high))
    return float(np.interp(rate, [masked_low, masked_high], [drawn_low, drawn_high]))


def at_thresholds(masking: Masking, k: int) -> list[tuple[float, Masking]]:
    """Return the masking at the thresholds of a grid between which its own lies, with the weight of each.

    A threshold that moves a little every step would otherwise be solved anew every step. For few k-mers it stays.
    """
    quantile = masking.min_quantile if masking.strategy is Strategy.PMI_THRESHOLD else 0.0
    if 4**k <= _FEW_KMERS or quantile > _GRID[-1]:
        return [(1.0, replace(masking, min_quantile=float(quantile)))]
    low, high = _GRID[np.searchsorted(_GRID, quantile, "right") - 1 :][:2].tolist()
    share = (quantile - low) / (high - low)
    return [(1 - share, replace(masking, min_quantile=low)), (share, replace(masking, min_quantile=high))]


class CentreProbabilities(Protocol):
    """From masking rates to centre probabilities."""

    def p(self, masking: Masking, lengths: NDArray[np.int64]) -> Floats:
        """Return the probability for rows of so many k-mers, shape of `lengths`; each depends on its length only."""
        ...


class Rates:
    """Centre probabilities for one budget mode and corpus."""

    def __init__(self, strategies: Strategies, budget: Budget, calibration_BT: torch.Tensor) -> None:
        """Keep what the probabilities are solved with.

        Args:
            strategies: What a probability masks.
            budget: Whether rates are matched over strategies.
            calibration_BT: k-mer ids of typical rows without padding, on the CPU.
        """
        self._strategies, self._budget, self._calibration_BT = strategies, budget, calibration_BT
        self._visible_at: dict[tuple[int, int, int, int], Floats] = {}
        self._fractions: dict[tuple[Strategy, int, int, int, float], tuple[float, float]] = {}

    def p(self, masking: Masking, lengths: NDArray[np.int64]) -> Floats:
        """Return the centre probability for rows of these lengths in tokens, shape of `lengths`.

        Where even p = 1 masks less than asked, p is 1: a curriculum must not be made to mask what it excluded.

        Raises:
            InputError: the strategy is simulated, and a row is longer than the rows to calibrate with.
        """
        own = self._strategies.widths(masking)
        if self._budget is Budget.PAPER:
            return published(masking, own, len(lengths))
        solve = self._windowed if masking.strategy in _WINDOWED else self._simulated
        distinct, row_of = np.unique(lengths, return_inverse=True)  # a batch has many rows of the full length
        return solve(masking, own[0], distinct)[row_of]

    def _pieces(self, length: int) -> torch.Tensor:
        """Cut the calibration rows to pieces of one length, shape (n, length)."""
        pieces = self._calibration_BT.unfold(1, length, length).reshape(-1, length)
        return pieces[: max(1, CALIBRATION_TOKENS // length)]

    def _windowed(self, masking: Masking, width: int, lengths: NDArray[np.int64]) -> Floats:
        """Solve for strategies that draw each token alone."""
        found = np.zeros(len(lengths))
        for weight, at_threshold in at_thresholds(masking, self._strategies.k):
            found += weight * self._of_threshold(at_threshold, width, lengths)
        return found

    def _of_threshold(self, masking: Masking, width: int, lengths: NDArray[np.int64]) -> Floats:
        """Solve where a token with c eligible centres in reach stays visible with probability (1 - p)^c.

        What the edges of a row take away is the same for every length from `width` up, so the masked fraction is a
        straight line over 1 / length, and two lengths tell it.
        """
        long = self._calibration_BT.shape[1]
        short = min(width, long)
        of_long, of_short = (self._visible(masking, width, length) for length in (long, short))
        slope = (1 / lengths - 1 / long) / (1 / short - 1 / long if short < long else 1)
        masked_LP = 1 - (of_long + slope[:, None] * (of_short - of_long))
        return np.array([np.interp(masking.rate, masked_P, _P) for masked_P in masked_LP])

    def _visible(self, masking: Masking, width: int, length: int) -> Floats:
        """Expected visible fraction of the calibration rows at every p of the grid, shape (P,)."""
        kmers = self._strategies.eligible_kmers(masking)
        key = (masking.placebo, kmers, width, length)
        if key not in self._visible_at:
            eligible_BT = self._strategies.among_best(self._pieces(length), kmers, masking.placebo)
            count_BT = count_in_reach(eligible_BT, width)
            share_C = np.bincount(count_BT.numpy().ravel(), minlength=width + 1) / count_BT.numel()
            self._visible_at[key] = share_C @ (1 - _P) ** np.arange(width + 1)[:, None]
        return self._visible_at[key]

    def _simulated(self, masking: Masking, widest: int, lengths: NDArray[np.int64]) -> Floats:
        """Solve for strategies that rank tokens: simulate at some lengths, draw straight lines over 1 / length."""
        longest = self._calibration_BT.shape[1]
        if lengths.max() > longest:
            raise InputError(
                f"calibration rows must be as long as the rows to mask, but have {longest} tokens, and the rows "
                f"{lengths.max()}"
            )
        grid = [longest]
        while grid[-1] > widest:
            grid.append(max(widest, int(grid[-1] / 1.5)))
        found = np.empty(len(lengths))
        for at, length in enumerate(lengths):
            upper = max(i for i, known in enumerate(grid) if known >= length)
            ends = grid[upper : upper + 2] if grid[upper] > length else [grid[upper]]
            p_of_end = [self._simulated_at(masking, widest, end) for end in ends]
            found[at] = np.interp(-1 / length, [-1 / end for end in ends[::-1]], p_of_end[::-1])
        return found

    def _simulated_at(self, masking: Masking, widest: int, length: int) -> float:
        """Solve for rows of one length."""
        return solved(masking.rate, lambda p: self._masked(masking, widest, length, p))

    def _masked(self, masking: Masking, widest: int, length: int, p: float) -> tuple[float, float]:
        """Shares of tokens that are masked and that are centres at one probability."""
        key = (masking.strategy, masking.placebo, widest, length, p)
        if key not in self._fractions:
            masked, drawn = 0, 0
            pieces_BT = self._pieces(length)
            for rows_B in torch.split(torch.arange(len(pieces_BT)), max(1, _AT_ONCE // length)):
                u_BT = uniforms(0, Stream.MASK, rows_B, length)
                drawn += int((u_BT < p).sum())
                masked += int(self._strategies.mask_at(pieces_BT[rows_B], masking, p, u_BT).sum())
            self._fractions[key] = masked / pieces_BT.numel(), drawn / pieces_BT.numel()
        return self._fractions[key]
