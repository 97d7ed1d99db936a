"""What a masker, a model and a loop must know of a tokenizer, whatever its tokens are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from trainers.tokens.kinds import Kind

__all__ = ["Kind", "Specials", "Tokenizer", "Tokens"]


@dataclass(frozen=True)
class Specials:
    """Ids of the special tokens; `sep` is None where nothing closes a row."""

    pad: int
    unk: int
    cls: int
    mask: int
    sep: int | None


@dataclass(frozen=True)
class Tokens:
    """Token ids of rows of DNA.

    Attributes:
        ids_BT: Ids without [CLS] and [SEP], int64, shape (B, T); [PAD] behind the end of a shorter row.
        lengths: Tokens of each row, shape (B,), on the host; None where all rows have T.
        of_base_BL: The token that a base lies in, int64, shape (B, L); T for a base behind the end of its row. None
            where tokens overlap.
    """

    ids_BT: torch.Tensor
    lengths: NDArray[np.int64] | None
    of_base_BL: torch.Tensor | None = None


class Tokenizer(Protocol):
    """Turns DNA into token ids. Frozen data; equal tokenizers give equal ids."""

    @property
    def kind(self) -> Kind:
        """How tokens lie in the DNA."""
        ...

    @property
    def specials(self) -> Specials:
        """Ids of the special tokens."""
        ...

    @property
    def vocabulary_size(self) -> int:
        """All tokens, special ones included."""
        ...

    @property
    def replacements(self) -> tuple[int, int]:
        """First id and number of the tokens that may stand in for a masked one: no special token."""
        ...

    def tokens(self, bases_BL: torch.Tensor, widths: NDArray[np.int64] | None = None) -> Tokens:
        """Return the tokens of base codes, shape (B, L); `widths` are the bases of each row, where they differ."""
        ...

    def wrap(self, ids_BT: torch.Tensor, lengths_B: torch.Tensor | None = None) -> torch.Tensor:
        """Return what a model reads: [CLS] tokens [SEP], [PAD] behind it."""
        ...

    def encode(self, sequences: Sequence[str]) -> torch.Tensor:
        """Return padded model input, int64, shape (sequences, longest).

        Raises:
            InputError: a sequence is too short or holds a letter that is no nucleotide.
        """
        ...

    def longest(self, bases: int) -> int:
        """Most tokens that a model reads of up to so many bases without N, special ones included."""
        ...

    def files(self) -> Mapping[str, str]:
        """Return the texts that tell other programs of these tokens, by file name."""
        ...
