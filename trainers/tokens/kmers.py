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
        length = bases_BL.shape[1] - self.k + 1
        known_BL = bases_BL & 3
        ids_BT = _grams(known_BL, self.k)[:, :length].to(torch.int64).add_(len(SPECIAL_TOKENS))
        unknown_BL = bases_BL >= bases.OTHER
        if bases_BL.device.type != "cpu" or bool(unknown_BL.any()):  # a GPU is not asked, which would wait for it
            ids_BT.masked_fill_(_any_of(unknown_BL, self.k), UNK)
        return ids_BT

    def wrap(self, ids_BT: torch.Tensor, lengths_B: torch.Tensor | None = None) -> torch.Tensor:
        """Return [CLS] + tokens + [SEP], shape (B, T + 2); with `lengths_B`, tokens from there on become [PAD]."""
        edge = ids_BT.new_empty(ids_BT.shape[0], 1)
        wrapped = torch.cat([edge.fill_(CLS), ids_BT, torch.full_like(edge, SEP)], dim=1)
        if lengths_B is not None:
            behind = torch.arange(wrapped.shape[1], device=ids_BT.device) - lengths_B[:, None]
            wrapped.masked_fill_(behind == 1, SEP).masked_fill_(behind > 1, PAD)
        return wrapped

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
        return self.wrap(self.ids(torch.from_numpy(rows)), lengths)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the tokens as text, separated by blanks."""
        vocabulary = self.vocabulary()
        return " ".join(vocabulary[token] for token in ids)


def _grams(codes_BL: torch.Tensor, n: int) -> torch.Tensor:
    """Return base-4 numbers of the n-grams at every place, shape (B, L - n + 1).

    Widths double (1, 2, 4, 8), and narrow integers are the fast ones: a gram of up to four bases fits a byte.
    """
    of = {1: codes_BL}
    for width in (2, 4, 8):
        if width <= n:
            of[width] = _joined(of[width // 2], of[width // 2], width // 2, width)
    found, done = of[max(of)], max(of)
    for width in (4, 2, 1):
        if width <= n - done:
            found = _joined(found, of[width], width, done + width)
            done += width
    return found


def _joined(left_BT: torch.Tensor, right_BT: torch.Tensor, right: int, width: int) -> torch.Tensor:
    """Put grams of `right` bases behind other grams: grams of `width` bases."""
    narrow = torch.uint8 if width <= 4 else torch.int32
    tokens = right_BT.shape[1] - (width - right)
    joined_BT: torch.Tensor = left_BT[:, :tokens].to(narrow) * 4**right
    return joined_BT.add_(right_BT[:, width - right :].to(narrow))


def _any_of(flags_BL: torch.Tensor, n: int) -> torch.Tensor:
    """Return whether any of n neighbours is True, shape (B, L - n + 1), in about log2(n) steps."""
    done = 1
    while done < n:
        step = min(done, n - done)
        flags_BL = flags_BL[:, :-step] | flags_BL[:, step:]
        done += step
    return flags_BL
