"""Masks whole tokens, blocks or BPE, where a curriculum hides nucleotides.

A curriculum speaks of overlapping k-mers, whatever the model reads. So the k-mers of a row are masked as ever; the
bases that no visible k-mer covers are hidden; and a token is masked if it holds a hidden base.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from curricula import Masking
from trainers.genome.windows import Windows
from trainers.masking.difficulty import Difficulty
from trainers.masking.masker import Rows, chosen, corrupted
from trainers.masking.rates import calibration_bases
from trainers.masking.spans import hidden_bases
from trainers.masking.strategies import Strategies
from trainers.masking.token_rates import TokenRates, whole_tokens
from trainers.rng import Stream, field, random_bits, uniforms
from trainers.settings import Budget
from trainers.tokens.kmers import KmerTokenizer
from trainers.tokens.tokenizer import Tokenizer

_LOWEST, _BITS = 24, 32  # of a token's random number, for its replacement; those below decide its fate


class WholeTokenMasker:
    """Masks rows of DNA token by token; a `RowMasker`."""

    def __init__(
        self, tokenizer: Tokenizer, difficulty: Difficulty, budget: Budget, seed: int, windows: Windows
    ) -> None:
        """Prepare lookups.

        Args:
            tokenizer: Of the model.
            difficulty: Ranks and quantiles of the k-mers that centres are chosen from.
            budget: `matched` masks the asked share of the model's tokens; `paper` draws as many centres as ever.
            seed: All draws follow from it and from the sample numbers.
            windows: Typical rows are taken from here; centre probabilities are solved on them.
        """
        self._tokenizer, self._kmers, self._seed = tokenizer, KmerTokenizer(difficulty.k), seed
        self._strategies = Strategies(difficulty)
        self._rates = TokenRates(self._strategies, budget, tokenizer, calibration_bases(windows, difficulty.k))

    def __call__(
        self, bases_BL: torch.Tensor, masking: Masking, samples_B: torch.Tensor, widths: NDArray[np.int64] | None
    ) -> Rows:
        """Mask rows; see `RowMasker`. Bases of BPE are best on the host, where they are encoded."""
        tokens, device = self._tokenizer.tokens(bases_BL, widths), samples_B.device
        assert tokens.of_base_BL is not None
        ids_BT = tokens.ids_BT.to(device, non_blocking=True)
        track_BT, hidden_BL = self._hidden(bases_BL.to(device, non_blocking=True), masking, samples_B, widths)
        of_base_BL = tokens.of_base_BL.to(device, non_blocking=True)
        mask_BT = whole_tokens(hidden_BL, of_base_BL, ids_BT.shape[1])
        bits_BT = random_bits(self._seed, Stream.FATE, samples_B, ids_BT.shape[1])
        first, number = self._tokenizer.replacements
        random_BT = (field(bits_BT, _LOWEST, _BITS) * number >> _BITS) + first
        inputs_BT = corrupted(ids_BT, mask_BT, bits_BT, random_BT, self._tokenizer.specials.mask)
        return Rows(ids_BT, inputs_BT, mask_BT, tokens.lengths, track_BT)

    def _hidden(
        self, bases_BL: torch.Tensor, masking: Masking, samples_B: torch.Tensor, widths: NDArray[np.int64] | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the masked k-mers, shape (B, L - k + 1), and the hidden bases, shape (B, L)."""
        kmers_BT = self._kmers.ids(bases_BL)
        u_BT = uniforms(self._seed, Stream.MASK, samples_B, kmers_BT.shape[1])
        lengths = None if widths is None else widths - self._kmers.k + 1
        track_BT = chosen(self._strategies, self._rates, kmers_BT, masking, u_BT, lengths)
        if lengths is None:
            return track_BT, hidden_bases(track_BT, self._kmers.k)
        lengths_B = torch.from_numpy(lengths).to(bases_BL.device, non_blocking=True)
        inside_BT = torch.arange(kmers_BT.shape[1], device=bases_BL.device) < lengths_B[:, None]
        return track_BT, hidden_bases(track_BT, self._kmers.k, inside_BT)
