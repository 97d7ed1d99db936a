"""Centre probabilities for tokens that are no overlapping k-mers: a share of the model's tokens is asked for.

Centres, spans and strategies are those of the overlapping k-mers of the same bases; whole tokens are then masked, so
what is realised follows from both. It is simulated, on rows of the corpus cut to a few widths, always on the CPU.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from curricula import InputError, Masking, Strategy
from trainers.masking.rates import Floats, at_thresholds, published, solved
from trainers.masking.spans import hidden_bases
from trainers.masking.strategies import Strategies
from trainers.rng import Stream, uniforms
from trainers.settings import Budget
from trainers.tokens.kmers import KmerTokenizer
from trainers.tokens.tokenizer import Tokenizer

_EVERY = 3  # of the rows are enough where samples of many widths, each met within 0.4 points, add up
_AT_ONCE = 1 << 15  # bases whose masks stay in a core's cache


@dataclass(frozen=True)
class _Cut:
    """Calibration rows cut to one width, and their tokens."""

    bases_BL: torch.Tensor
    of_base_BL: torch.Tensor
    longest: int
    tokens: int


class TokenRates:
    """Centre probabilities for one budget mode, corpus and tokenizer."""

    def __init__(
        self, strategies: Strategies, budget: Budget, tokenizer: Tokenizer, calibration_BL: torch.Tensor
    ) -> None:
        """Keep what the probabilities are solved with.

        Args:
            strategies: What a probability masks.
            budget: Whether rates are matched over strategies.
            tokenizer: Of the model.
            calibration_BL: Base codes of typical rows without padding, on the CPU.
        """
        self._strategies, self._budget, self._tokenizer = strategies, budget, tokenizer
        self._calibration_BL = calibration_BL
        self._kmers = KmerTokenizer(strategies.k)
        # how many tokens a row has jumps with what its last block lacks; rows that lack the same are alike
        self._period = strategies.k if tokenizer.kind == "blocks" else 1
        self._cuts: dict[int, _Cut] = {}
        self._shares: dict[tuple[Strategy, int, int, int, int, float], tuple[float, float]] = {}

    def p(self, masking: Masking, lengths: NDArray[np.int64]) -> Floats:
        """Return the centre probability for rows of so many k-mers, shape of `lengths`.

        Where even p = 1 masks less than asked, p is 1: a curriculum must not be made to mask what it excluded.

        Raises:
            InputError: a row is longer than the rows to calibrate with.
        """
        spans = self._strategies.widths(masking)
        if self._budget is Budget.PAPER:
            return published(masking, spans, len(lengths))
        distinct, row_of = np.unique(lengths, return_inverse=True)
        found = np.zeros(len(distinct))
        for weight, at_threshold in at_thresholds(masking, self._strategies.k):
            found += weight * np.array([self._at(at_threshold, spans[0], int(length)) for length in distinct])
        return found[row_of]

    def _at(self, masking: Masking, widest: int, length: int) -> float:
        """Draw a straight line, over 1 / width, between the two widths that are simulated and next to this one."""
        beyond = self._strategies.k - 1
        width, longest = length + beyond, self._calibration_BL.shape[1]
        if width > longest:
            raise InputError(
                f"calibration rows must be as wide as the rows to mask, but have {longest} bases, and the rows {width}"
            )
        upper = longest - (longest - width) % self._period
        least = widest + beyond + (width - widest - beyond) % self._period
        while (lower := self._next(upper, least)) > width:
            upper = lower
        ends = [lower, upper] if upper > width else [upper]
        at_end = [solved(masking.rate, partial(self._masked, masking, widest, end)) for end in ends]
        return float(np.interp(-1 / width, [-1 / end for end in ends], at_end))

    def _next(self, width: int, least: int) -> int:
        """Return the next smaller width that is simulated, of those that are alike."""
        smaller = width // 2
        return max(least, smaller - (smaller - width) % self._period)

    def _masked(self, masking: Masking, widest: int, width: int, p: float) -> tuple[float, float]:
        """Shares of model tokens that are masked and of k-mers that are centres, in rows of one width."""
        kmers = self._strategies.eligible_kmers(masking)
        key = (masking.strategy, masking.placebo, kmers, widest, width, p)
        if key not in self._shares:
            cut = self._cut(width)
            masked, drawn, number = 0, 0, width - self._strategies.k + 1
            for rows_B in torch.split(torch.arange(len(cut.bases_BL)), max(1, _AT_ONCE // width)):
                u_BT = uniforms(0, Stream.MASK, rows_B, number)
                drawn += int((u_BT < p).sum())
                kmers_BT = self._strategies.mask_at(self._kmers.ids(cut.bases_BL[rows_B]), masking, p, u_BT)
                hidden_BL = hidden_bases(kmers_BT, self._strategies.k)
                masked += int(whole_tokens(hidden_BL, cut.of_base_BL[rows_B].long(), cut.longest).sum())
            self._shares[key] = masked / cut.tokens, drawn / (len(cut.bases_BL) * number)
        return self._shares[key]

    def _cut(self, width: int) -> _Cut:
        if width not in self._cuts:
            bases_BL = self._calibration_BL.unfold(1, width, width).reshape(-1, width)
            if self._period > 1 and width < self._calibration_BL.shape[1]:
                bases_BL = bases_BL[::_EVERY]
            found = self._tokenizer.tokens(bases_BL)
            assert found.of_base_BL is not None
            rows, longest = found.ids_BT.shape
            tokens = rows * longest if found.lengths is None else int(found.lengths.sum())
            self._cuts[width] = _Cut(bases_BL, found.of_base_BL.to(torch.int32), longest, tokens)
        return self._cuts[width]


def whole_tokens(hidden_BL: torch.Tensor, of_base_BL: torch.Tensor, tokens: int) -> torch.Tensor:
    """Return which tokens hold a hidden base, bool, shape (B, tokens); `of_base_BL` is as in `Tokens`."""
    target_BL = torch.where(hidden_BL, of_base_BL, tokens)  # one column more, for the bases that are not hidden
    mask_BT = torch.zeros(len(hidden_BL), tokens + 1, dtype=torch.bool, device=hidden_BL.device)
    return mask_BT.scatter_(1, target_BL, True)[:, :-1]
