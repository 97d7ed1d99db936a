"""Overlapping k-mers in DNABERT's vocabulary order: five special tokens, then all k-mers over A, T, C, G."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from curricula import InputError
from trainers.genome import bases
from trainers.tokens.kinds import Kind, most_tokens
from trainers.tokens.sequences import codes_of, framed, in_rows
from trainers.tokens.tokenizer import Specials, Tokens

PAD, UNK, CLS, SEP, MASK = range(5)
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class KmerTokenizer:
    """Turns bases into overlapping k-mer ids; token i starts at base i. A `Tokenizer`.

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
    def kind(self) -> Kind:
        """`overlapping`."""
        return "overlapping"

    @property
    def specials(self) -> Specials:
        """DNABERT's."""
        return Specials(pad=PAD, unk=UNK, cls=CLS, mask=MASK, sep=SEP)

    @property
    def vocabulary_size(self) -> int:
        """Special tokens and all k-mers."""
        return len(SPECIAL_TOKENS) + int(4**self.k)

    @property
    def replacements(self) -> tuple[int, int]:
        """First id and number of the k-mers."""
        return len(SPECIAL_TOKENS), int(4**self.k)

    def vocabulary(self) -> list[str]:
        """Return every token as text, in the order of the ids (DNABERT's vocab.txt)."""
        return [*SPECIAL_TOKENS, *("".join(kmer) for kmer in itertools.product("ATCG", repeat=self.k))]

    def ids(self, bases_BL: torch.Tensor) -> torch.Tensor:
        """Return k-mer ids, int64, shape (B, L - k + 1), of base codes of shape (B, L); [UNK] where a base is N."""
        length = bases_BL.shape[1] - self.k + 1
        ids_BT = grams(bases_BL & 3, self.k)[:, :length].to(torch.int64).add_(len(SPECIAL_TOKENS))
        unknown_BL = bases_BL >= bases.OTHER
        if bases_BL.device.type != "cpu" or bool(unknown_BL.any()):  # a GPU is not asked, which would wait for it
            ids_BT.masked_fill_(any_of(unknown_BL, self.k), UNK)
        return ids_BT

    def tokens(self, bases_BL: torch.Tensor, widths: NDArray[np.int64] | None = None) -> Tokens:
        """Return k-mer ids of rows of `widths` bases, each at least k; without them all rows have L."""
        ids_BT = self.ids(bases_BL)
        if widths is None:
            return Tokens(ids_BT, None)
        lengths = widths - self.k + 1
        lengths_B = torch.from_numpy(lengths).to(ids_BT.device, non_blocking=True)
        behind_BT = torch.arange(ids_BT.shape[1], device=ids_BT.device) >= lengths_B[:, None]
        return Tokens(ids_BT.masked_fill_(behind_BT, PAD), lengths)

    def wrap(self, ids_BT: torch.Tensor, lengths_B: torch.Tensor | None = None) -> torch.Tensor:
        """Return [CLS] + tokens + [SEP], shape (B, T + 2); with `lengths_B`, tokens from there on become [PAD]."""
        return framed(ids_BT, self.specials, lengths_B)

    def encode(self, sequences: Sequence[str]) -> torch.Tensor:
        """Return padded model input, int64, shape (sequences, longest + 2): [CLS] k-mers [SEP] [PAD] ...

        Raises:
            InputError: a sequence is shorter than k or holds a letter that is no nucleotide.
        """
        codes, widths = codes_of(sequences, self.k, f"at least k={self.k} nucleotide letters")
        rows_BL = in_rows(codes, widths, int(widths.max()), bases.OTHER).astype(np.uint8)
        return self.wrap(self.ids(torch.from_numpy(rows_BL)), torch.from_numpy(widths - self.k + 1))

    def longest(self, bases: int) -> int:
        """Most tokens that a model reads of so many bases, [CLS] and [SEP] included."""
        return most_tokens(self.kind, self.k, bases)

    def files(self) -> Mapping[str, str]:
        """Return the vocabulary, one token a line."""
        return {"vocab.txt": "".join(f"{token}\n" for token in self.vocabulary())}

    def decode(self, ids: Sequence[int]) -> str:
        """Return the tokens as text, separated by blanks."""
        vocabulary = self.vocabulary()
        return " ".join(vocabulary[token] for token in ids)


def grams(codes_BL: torch.Tensor, n: int) -> torch.Tensor:
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


def any_of(flags_BL: torch.Tensor, n: int) -> torch.Tensor:
    """Return whether any of n neighbours is True, shape (B, L - n + 1), in about log2(n) steps."""
    done = 1
    while done < n:
        step = min(done, n - done)
        flags_BL = flags_BL[:, :-step] | flags_BL[:, step:]
        done += step
    return flags_BL
