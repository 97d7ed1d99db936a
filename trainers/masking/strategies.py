"""Which tokens each strategy hides, given the probability that a token is a centre; vectorised, on any device.

Strategies: arXiv 2408.07180 section 3 and arXiv 2307.15933 section 3. Nothing here waits for a GPU.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from curricula import Masking, Strategy
from trainers.masking.difficulty import Difficulty
from trainers.masking.spans import FAR, dilate, reach, window_min
from trainers.tokens.kmers import SPECIAL_TOKENS

OUTSIDE = 2.0  # in the place of a uniform number: this token is padding, never a centre
GLOBALS = (Strategy.GLOBAL, Strategy.GLOBAL_AS_RELEASED)
_AS_RELEASED = (Strategy.GLOBAL_AS_RELEASED, Strategy.GENEMASK_AS_RELEASED)
_POSITION_BITS = 16  # of an order key; the rank is above them
_POSITION = (1 << _POSITION_BITS) - 1
_SPECIALS = len(SPECIAL_TOKENS)


@dataclass(frozen=True)
class _Lookup:
    """What is looked up by token id.

    Attributes:
        order_V: Rank, special tokens behind all, with room for a position in the low bits, int64, shape (V,).
        quantiles: NPMI quantiles of the k-mers, ascending, shape (4^k,).
    """

    order_V: torch.Tensor
    quantiles: NDArray[np.float64]

    @classmethod
    def of(cls, difficulty: Difficulty, device: torch.device) -> "_Lookup":
        specials = np.full(_SPECIALS, len(difficulty.rank))
        order_V = torch.from_numpy(np.concatenate([specials, difficulty.rank]) << _POSITION_BITS).to(device)
        return cls(order_V, np.sort(difficulty.quantile))


class Strategies:
    """The strategies for the k-mers of one difficulty table, and for its placebos."""

    def __init__(self, difficulty: Difficulty) -> None:
        self.k = difficulty.k
        self._difficulty = difficulty
        self._lookups: dict[tuple[int, torch.device], _Lookup] = {}

    def widths(self, masking: Masking) -> tuple[int, ...]:
        """Return the widths in tokens of the spans that a masking uses, the widest first."""
        return (2 * self.k - 1, self.k) if masking.strategy.has_own_widths else (self.k + masking.span - 1,)

    def _lookup(self, placebo: int, device: torch.device) -> _Lookup:
        if (placebo, device) not in self._lookups:
            table = self._difficulty.shuffled(placebo) if placebo else self._difficulty
            self._lookups[placebo, device] = _Lookup.of(table, device)
        return self._lookups[placebo, device]

    def mask_at(
        self,
        ids_BT: torch.Tensor,
        masking: Masking,
        p: float | torch.Tensor,
        u_BT: torch.Tensor,
        highest_p: float | None = None,
    ) -> torch.Tensor:
        """Return which tokens are masked where a token is a centre with probability p.

        Args:
            ids_BT: k-mer ids, shape (B, T).
            masking: What the curriculum asks for; its rate is not looked at.
            p: A number, or one a row, shape (B, 1).
            u_BT: One uniform number a token, `OUTSIDE` where the row has ended.
            highest_p: The largest p, if there is one a row.

        Returns:
            bool, shape (B, T); the end of a row may mask padding after it.
        """
        drawn_BT = u_BT < p
        width = self.widths(masking)[-1]
        if masking.strategy is Strategy.RANDOM:
            return dilate(drawn_BT, width)
        if masking.strategy is Strategy.PMI_THRESHOLD:
            return dilate(drawn_BT & self.among_best(ids_BT, self.eligible_kmers(masking), masking.placebo), width)
        highest_p = p if isinstance(p, float) else highest_p
        assert highest_p is not None
        most = _most_drawn(ids_BT.shape[1], highest_p)
        keys_BT = self._order_keys(ids_BT, masking)
        if not isinstance(p, float):  # rows of their own lengths: padding ranks behind every token
            keys_BT = torch.where(u_BT < OUTSIDE, keys_BT, FAR)
        if masking.strategy in GLOBALS:
            return _global(keys_BT, drawn_BT, width, most)
        return self._genemask(keys_BT, drawn_BT, most, masking.strategy is Strategy.GENEMASK_AS_RELEASED)

    def eligible_kmers(self, masking: Masking) -> int:
        """Return how many k-mers may be centres: the best-ranked ones, since quantiles fall with rank."""
        if masking.strategy is Strategy.RANDOM:
            return int(4**self.k)
        quantiles = self._lookup(masking.placebo, torch.device("cpu")).quantiles
        return len(quantiles) - int(np.searchsorted(quantiles, masking.min_quantile, side="left"))

    def among_best(self, ids_BT: torch.Tensor, kmers: int, placebo: int) -> torch.Tensor:
        """Return which tokens are one of the best-ranked k-mers, bool, shape (B, T)."""
        best_V = self._lookup(placebo, ids_BT.device).order_V < kmers << _POSITION_BITS
        return best_V.index_select(0, ids_BT.reshape(-1)).view_as(ids_BT)

    def _order_keys(self, ids_BT: torch.Tensor, masking: Masking) -> torch.Tensor:
        """Keys that sort tokens by rank, ties by position; all keys of a row differ.

        The released code looks up the rank of a token's place in the model's input ([CLS] is place 0) as if it were
        a token id.
        """
        order_V = self._lookup(masking.placebo, ids_BT.device).order_V
        positions_T = torch.arange(ids_BT.shape[1], device=ids_BT.device)
        if masking.strategy in _AS_RELEASED:
            ids_BT = (positions_T + 1).clamp(max=len(order_V) - 1).expand_as(ids_BT)
        return order_V.index_select(0, ids_BT.reshape(-1)).view_as(ids_BT) + positions_T

    def _genemask(self, keys_BT: torch.Tensor, centres_BT: torch.Tensor, most: int, as_released: bool) -> torch.Tensor:
        """Half of the centres, those near the best-ranked tokens, hide k nucleotides there; the others hide one."""
        tokens = keys_BT.shape[1]
        positions_T = torch.arange(tokens, device=keys_BT.device)
        best_key_BT = window_min(keys_BT, *reach(self.k))  # of the tokens that a narrow span around a centre covers
        half_B1 = (centres_BT.sum(dim=1, keepdim=True) + 1) // 2
        if as_released:  # sliced before it is sorted: the first half of the row's centres
            in_best_half_BT = centres_BT & (centres_BT.cumsum(dim=1) <= half_B1)
        else:
            place_BT = torch.where(
                centres_BT, (best_key_BT << _POSITION_BITS) + positions_T, FAR
            )  # ties by the centre's position
            in_best_half_BT = place_BT <= _nth_smallest(place_BT, half_B1, most)
        target_BT = torch.where(in_best_half_BT, best_key_BT & _POSITION, tokens)  # one column more, for the others
        wide_BT = torch.zeros(len(keys_BT), tokens + 1, dtype=torch.bool, device=keys_BT.device)
        wide_BT.scatter_(1, target_BT, True)
        return dilate(wide_BT[:, :-1], 2 * self.k - 1) | dilate(centres_BT ^ in_best_half_BT, self.k)


def _global(keys_BT: torch.Tensor, drawn_BT: torch.Tensor, width: int, most: int) -> torch.Tensor:
    """Mask around the m best-ranked tokens of a row; m is binomial: as many as were drawn."""
    left, right = reach(width)
    covered_by_BT = window_min(keys_BT, right, left)  # the best centre that would cover this token
    return covered_by_BT <= _nth_smallest(keys_BT, drawn_BT.sum(dim=1, keepdim=True), most)


def _nth_smallest(values_BT: torch.Tensor, n_B1: torch.Tensor, most: int) -> torch.Tensor:
    """Return the n-th smallest value of each row, n from 1; -1 where n is 0; n is at most `most`."""
    smallest_BN = values_BT.topk(most, dim=1, largest=False, sorted=True).values
    return functional.pad(smallest_BN, (1, 0), value=-1).gather(1, n_B1.clamp(max=most))


def _most_drawn(tokens: int, p: float) -> int:
    """Return a number of tokens that is drawn less than once in 1e18 rows; sorting no more than that is fast."""
    mean = tokens * p
    return min(tokens, math.ceil(mean + 9 * math.sqrt(mean) + 40))
