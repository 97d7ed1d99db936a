"""Hides tokens as a curriculum asks: centres, spans, 80/10/10; vectorised, on the tokens' device.

Three kinds of position: a token position (0..T-1, without specials), a base position (token i covers bases
i..i+k-1) and a k-mer id. Masks are computed over token positions before [CLS] and [SEP] are added, so
special tokens cannot be masked. 80/10/10 is BERT's corruption (arXiv 1810.04805, section 3.1).
Nothing here waits for a GPU.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from curricula import InputError, Masking
from trainers.masking.difficulty import Difficulty
from trainers.masking.rates import CentreProbabilities, Rates
from trainers.masking.strategies import OUTSIDE, Strategies
from trainers.rng import Stream, field, random_bits, uniform
from trainers.settings import Budget
from trainers.tokens.kmers import MASK, SPECIAL_TOKENS

_SPECIALS = len(SPECIAL_TOKENS)
_FATES = 1 << 24  # bits 0..23 of a token's random number; 24..39 are its replacement, 40..63 its centre
Lengths = NDArray[np.int64]


@dataclass(frozen=True)
class Masked:
    """One masked batch: `inputs_BT` replaces the tokens, `mask_BT` is True where the model must answer."""

    inputs_BT: torch.Tensor
    mask_BT: torch.Tensor


@dataclass(frozen=True)
class Rows:
    """Masked rows of DNA, before special tokens are added.

    Attributes:
        ids_BT: The tokens, int64, shape (B, T).
        inputs_BT: What the model sees in their place.
        mask_BT: True where it must answer.
        lengths: Tokens of each row, on the host; None where all have T.
        track_BT: Which overlapping k-mers of the same bases the curriculum masks, shape (B, L - k + 1); None where
            these are the tokens.
    """

    ids_BT: torch.Tensor
    inputs_BT: torch.Tensor
    mask_BT: torch.Tensor
    lengths: Lengths | None
    track_BT: torch.Tensor | None = None


class Masker:
    """Masks batches of k-mer ids: a pure function of (ids, masking, seed, sample)."""

    def __init__(self, difficulty: Difficulty, budget: Budget, seed: int, calibration_BT: torch.Tensor) -> None:
        """Prepare lookups.

        Args:
            difficulty: Ranks and quantiles of the k-mers.
            budget: Whether rates are matched over strategies.
            seed: All draws follow from it and from the sample numbers.
            calibration_BT: k-mer ids of typical rows; centre probabilities are solved on them.
        """
        self.k = difficulty.k
        self._seed = seed
        self._strategies = Strategies(difficulty)
        self._rates = Rates(self._strategies, budget, calibration_BT.cpu())

    def __call__(
        self, ids_BT: torch.Tensor, masking: Masking, samples_B: torch.Tensor, lengths: Lengths | None = None
    ) -> Masked:
        """Mask a batch.

        Args:
            ids_BT: k-mer ids without special tokens, shape (B, T).
            masking: What the curriculum asks for.
            samples_B: Sample numbers, shape (B,); the mask of a row depends on its DNA and its number only.
            lengths: Tokens of each row, shape (B,), where rows end in padding, which is never masked; on the host,
                so that nothing waits for a GPU. A row shorter than a span has the centre probability of one as long.

        Raises:
            InputError: a span is wider than all rows, which have one length.
        """
        bits_BT = random_bits(self._seed, Stream.MASK, samples_B, ids_BT.shape[1])
        mask_BT = self.choose(ids_BT, masking, uniform(bits_BT), lengths)
        return Masked(self._corrupt(ids_BT, mask_BT, bits_BT), mask_BT)

    def choose(
        self, ids_BT: torch.Tensor, masking: Masking, u_BT: torch.Tensor, lengths: Lengths | None = None
    ) -> torch.Tensor:
        """Return which tokens are masked, bool, shape (B, T), given one uniform number a token."""
        return chosen(self._strategies, self._rates, ids_BT, masking, u_BT, lengths)

    def _corrupt(self, ids_BT: torch.Tensor, mask_BT: torch.Tensor, bits_BT: torch.Tensor) -> torch.Tensor:
        """Corrupt with k-mers, all equally likely: 4^k is a power of two."""
        random_BT = field(bits_BT, 24, 2 * self.k).add_(_SPECIALS)
        return corrupted(ids_BT, mask_BT, bits_BT, random_BT, MASK)


def chosen(
    strategies: Strategies,
    rates: CentreProbabilities,
    ids_BT: torch.Tensor,
    masking: Masking,
    u_BT: torch.Tensor,
    lengths: Lengths | None,
) -> torch.Tensor:
    """Return which k-mers are masked, bool, shape (B, T).

    Args:
        strategies: What a centre probability masks.
        rates: From rates to centre probabilities.
        ids_BT: k-mer ids.
        masking: What the curriculum asks for.
        u_BT: One uniform number a k-mer.
        lengths: k-mers of each row; see `Masker`.

    Raises:
        InputError: a span is wider than all rows, which have one length.
    """
    tokens = ids_BT.shape[1]
    widest = strategies.widths(masking)[0]
    if lengths is None and widest > tokens:
        raise InputError(f"a span of {widest} tokens must fit into a row, but rows have {tokens} tokens")
    own = np.array([tokens]) if lengths is None else np.maximum(lengths, widest)
    p = rates.p(masking, own).astype(np.float32)
    if lengths is None:
        return strategies.mask_at(ids_BT, masking, float(p[0]), u_BT)
    positions_T = torch.arange(tokens, device=ids_BT.device)
    inside_BT = positions_T < torch.from_numpy(lengths).to(ids_BT.device, non_blocking=True)[:, None]
    u_BT = torch.where(inside_BT, u_BT, OUTSIDE)
    p_B1 = torch.from_numpy(p).to(ids_BT.device, non_blocking=True)[:, None]
    return strategies.mask_at(ids_BT, masking, p_B1, u_BT, float(p.max())) & inside_BT


def corrupted(
    ids_BT: torch.Tensor, mask_BT: torch.Tensor, bits_BT: torch.Tensor, random_BT: torch.Tensor, mask_id: int
) -> torch.Tensor:
    """80 % of the masked tokens become [MASK], 10 % a random one of `random_BT`, 10 % stay as they are.

    Bits 0..23 of a token's random number decide.
    """
    fate_BT = field(bits_BT, 0, 24)
    changed_BT = torch.where(fate_BT < int(0.8 * _FATES), mask_id, random_BT)
    changes_BT = mask_BT & (fate_BT < int(0.9 * _FATES))
    return torch.where(changes_BT, changed_BT, ids_BT)
