"""Overlapping k-mers in DNABERT's vocabulary order: five special tokens, then all k-mers over A, T, C, G."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from curricula import InputError
from trainers.genome import bases

PAD, UNK, CLS, SEP, MASK = range(5)
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class KmerTokenizer:
    """Turns bases into overlapping k-mer ids; token i starts at base i.

    Attributes:
        k: Length of a k-mer, 1 to 8.

    Raises:
        InputError: k outside 1..8.
    """

    k: int

    def __post_init__(self) -> None:
        if not 1 <= self.k <= 8:
            raise InputError(f"k must lie in 1..8, but got k={self.k}")

    @property
    def vocabulary_size(self) -> int:
        """Special tokens and all k-mers."""
        return len(SPECIAL_TOKENS) + int(4**self.k)

    def vocabulary(self) -> list[str]:
        """Return every token as text, in the order of the ids (DNABERT's vocab.txt)."""
        return [*SPECIAL_TOKENS, *("".join(kmer) for kmer in itertools.product("ATCG", repeat=self.k))]

    def ids(self, bases_BL: torch.Tensor) -> torch.Tensor:
        """Return k-mer ids, int64, shape (B, L - k + 1), of base codes of shape (B, L); [UNK] where a base is N."""
        codes = bases_BL.to(torch.int64)
        length = codes.shape[1] - self.k + 1
        ids_BT = torch.zeros(codes.shape[0], length, dtype=torch.int64, device=codes.device)
        unknown = torch.zeros_like(ids_BT, dtype=torch.bool)
        for offset in range(self.k):
            column = codes[:, offset : offset + length]
            ids_BT = ids_BT * 4 + column
            unknown |= column >= bases.OTHER
        return torch.where(unknown, UNK, ids_BT + len(SPECIAL_TOKENS))

    def wrap(self, ids_BT: torch.Tensor) -> torch.Tensor:
        """Return [CLS] + tokens + [SEP], shape (B, T + 2); rows must not be padded."""
        edge = ids_BT.new_empty(ids_BT.shape[0], 1)
        return torch.cat([edge.fill_(CLS), ids_BT, torch.full_like(edge, SEP)], dim=1)

    def encode(self, sequences: Sequence[str]) -> torch.Tensor:
        """Return padded model input, int64, shape (sequences, longest + 2): [CLS] k-mers [SEP] [PAD] ...

        Raises:
            InputError: a sequence is shorter than k or holds a letter that is no nucleotide.
        """
        letters = np.array([len(sequence) for sequence in sequences])
        codes = bases.encode("".join(sequences).encode("ascii", "replace"))
        wrong = letters < self.k
        wrong[np.repeat(np.arange(len(letters)), letters)[codes == bases.REFUSED]] = True
        if wrong.any():
            row = int(wrong.argmax())
            raise InputError(
                f"a sequence must be at least k={self.k} nucleotide letters, but row {row + 1} is {sequences[row]!r}"
            )
        rows = np.full((len(sequences), letters.max()), bases.OTHER, dtype=np.uint8)
        rows[np.arange(letters.max()) < letters[:, None]] = codes
        lengths = torch.from_numpy(letters - self.k + 1)
        wrapped = self.wrap(self.ids(torch.from_numpy(rows)))
        position = torch.arange(wrapped.shape[1])
        wrapped[position == lengths[:, None] + 1] = SEP
        wrapped[position > lengths[:, None] + 1] = PAD
        return wrapped

    def decode(self, ids: Sequence[int]) -> str:
        """Return the tokens as text, separated by blanks."""
        vocabulary = self.vocabulary()
        return " ".join(vocabulary[token] for token in ids)
