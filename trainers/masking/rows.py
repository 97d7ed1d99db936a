"""From base codes to masked tokens, whatever the tokens are."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from curricula import Masking
from trainers.genome.windows import Windows
from trainers.masking.difficulty import Difficulty
from trainers.masking.masker import Masker, Rows
from trainers.masking.rates import calibration_rows
from trainers.masking.whole_tokens import WholeTokenMasker
from trainers.settings import Budget
from trainers.tokens.kmers import KmerTokenizer
from trainers.tokens.tokenizer import Tokenizer

__all__ = ["RowMasker", "Rows", "row_masker"]


class RowMasker(Protocol):
    """Masks rows of DNA: a pure function of (bases, masking, seed, sample)."""

    def __call__(
        self, bases_BL: torch.Tensor, masking: Masking, samples_B: torch.Tensor, widths: NDArray[np.int64] | None
    ) -> Rows:
        """Mask rows; nothing waits for a GPU, unless BPE is given bases that lie on one.

        Args:
            bases_BL: Base codes, shape (B, L), on the host or where `samples_B` are.
            masking: What the curriculum asks for.
            samples_B: Sample numbers; the mask of a row depends on its DNA and its number only.
            widths: Bases of each row, on the host, where rows end in padding, which is never masked; None where all
                have L.

        Returns:
            Rows on the device of `samples_B`.

        Raises:
            InputError: a span is wider than all rows, which have one width.
        """
        ...


def row_masker(tokenizer: Tokenizer, difficulty: Difficulty, budget: Budget, seed: int, windows: Windows) -> RowMasker:
    """Return what masks the rows that a tokenizer reads.

    Args:
        tokenizer: Of the model.
        difficulty: Ranks and quantiles of the overlapping k-mers.
        budget: Whether rates are matched over strategies.
        seed: All draws follow from it and from the sample numbers.
        windows: Typical rows are taken from here; centre probabilities are solved on them.
    """
    if tokenizer.kind == "overlapping":
        return _Overlapping(difficulty, budget, seed, windows)
    return WholeTokenMasker(tokenizer, difficulty, budget, seed, windows)


class _Overlapping:
    """Rows of overlapping k-mers: the tokens that curricula speak of are those that the model reads."""

    def __init__(self, difficulty: Difficulty, budget: Budget, seed: int, windows: Windows) -> None:
        self._tokenizer = KmerTokenizer(difficulty.k)
        self._masker = Masker(difficulty, budget, seed, calibration_rows(windows, difficulty.k))

    def __call__(
        self, bases_BL: torch.Tensor, masking: Masking, samples_B: torch.Tensor, widths: NDArray[np.int64] | None
    ) -> Rows:
        tokens = self._tokenizer.tokens(bases_BL.to(samples_B.device, non_blocking=True), widths)
        masked = self._masker(tokens.ids_BT, masking, samples_B, tokens.lengths)
        return Rows(tokens.ids_BT, masked.inputs_BT, masked.mask_BT, tokens.lengths)
