"""Non-overlapping k-mers in the order of the Nucleotide Transformer, version 1 (Dalla-Torre et al. 2023, bioRxiv).

Four special tokens, all k-mers over A, T, C, G, then the single letters for what does not fill a block; with k = 6
these are 4,105 tokens. [CLS] opens a row and nothing closes it.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from curricula import InputError
from trainers.genome import bases
from trainers.tokens.kinds import Kind, most_tokens
from trainers.tokens.kmers import grams
from trainers.tokens.sequences import codes_of, framed, in_rows
from trainers.tokens.tokenizer import Specials, Tokens

UNK, PAD, MASK, CLS = range(4)
SPECIAL_TOKENS = ("<unk>", "<pad>", "<mask>", "<cls>")


@dataclass(frozen=True)
class BlockTokenizer:
    """Turns bases into blocks of k, from the start of a row; the rest of the row is single letters. A `Tokenizer`.

    Attributes:
        k: Bases of a block, 2 to 8.

    Raises:
        InputError: k outside 2..8.
    """

    k: int

    def __post_init__(self) -> None:
        if not 2 <= self.k <= 8:
            raise InputError(f"blocks must have k in 2..8 bases, but got k={self.k}")

    @property
    def kind(self) -> Kind:
        """`blocks`."""
        return "blocks"

    @property
    def specials(self) -> Specials:
        """The Nucleotide Transformer's; nothing closes a row."""
        return Specials(pad=PAD, unk=UNK, cls=CLS, mask=MASK, sep=None)

    @property
    def vocabulary_size(self) -> int:
        """Special tokens, all blocks, and A, T, C, G, N."""
        return self._first_letter + len(bases.LETTERS)

    @property
    def replacements(self) -> tuple[int, int]:
        """First id and number of the blocks; a single letter inside a row would give itself away."""
        return len(SPECIAL_TOKENS), int(4**self.k)

    @property
    def _first_letter(self) -> int:
        return len(SPECIAL_TOKENS) + int(4**self.k)

    def vocabulary(self) -> list[str]:
        """Return every token as text, in the order of the ids."""
        blocks = ("".join(block) for block in itertools.product("ATCG", repeat=self.k))
        return [*SPECIAL_TOKENS, *blocks, *bases.LETTERS]

    def tokens(self, bases_BL: torch.Tensor, widths: NDArray[np.int64] | None = None) -> Tokens:
        """Return blocks, then single letters; a block that holds an N is <unk> here, other than in `encode`.

        Windows that are trained on hold no N. Nothing waits for a GPU.
        """
        own = np.array([bases_BL.shape[1]]) if widths is None else widths
        blocks = own // self.k
        lengths = blocks + own % self.k
        tokens = int(lengths.max(initial=0))
        blocks_B1, lengths_B1, widths_B1 = (
            torch.from_numpy(count).to(bases_BL.device, non_blocking=True)[:, None] for count in (blocks, lengths, own)
        )
        at_T = torch.arange(tokens, device=bases_BL.device)
        base_BT = (at_T + blocks_B1 * (self.k - 1)).clamp_(max=bases_BL.shape[1] - 1).expand(len(bases_BL), -1)
        letters_BT = bases_BL.gather(1, base_BT).to(torch.int64) + self._first_letter
        rest_BT = torch.where(at_T < lengths_B1, letters_BT, PAD)
        ids_BT = torch.where(at_T < blocks_B1, self._blocks(bases_BL, tokens), rest_BT)
        at_L = torch.arange(bases_BL.shape[1], device=bases_BL.device)
        in_rest_BL = torch.where(at_L < widths_B1, at_L - blocks_B1 * (self.k - 1), tokens)
        of_base_BL = torch.where(at_L < blocks_B1 * self.k, at_L // self.k, in_rest_BL)
        return Tokens(ids_BT, None if widths is None else lengths, of_base_BL.expand(len(bases_BL), -1))

    def _blocks(self, bases_BL: torch.Tensor, tokens: int) -> torch.Tensor:
        """Return the ids of the blocks side by side, cut or filled up to so many tokens."""
        number = bases_BL.shape[1] // self.k
        block_BNK = bases_BL[:, : number * self.k].reshape(len(bases_BL), number, self.k)
        weights_K = 4 ** torch.arange(self.k - 1, -1, -1, device=bases_BL.device)
        ids_BN = ((block_BNK & 3) * weights_K).sum(dim=2) + len(SPECIAL_TOKENS)
        ids_BN.masked_fill_((block_BNK >= bases.OTHER).any(dim=2), UNK)
        return functional.pad(ids_BN, (0, tokens - number))

    def wrap(self, ids_BT: torch.Tensor, lengths_B: torch.Tensor | None = None) -> torch.Tensor:
        """Return <cls> + tokens, shape (B, T + 1); with `lengths_B`, tokens from there on become <pad>."""
        return framed(ids_BT, self.specials, lengths_B)

    def encode(self, sequences: Sequence[str]) -> torch.Tensor:
        """Return padded model input, int64, shape (sequences, longest + 1): <cls> tokens <pad> ...

        As in the Nucleotide Transformer, an N stands alone, and blocks begin anew behind it: with k = 5,
        ATCGAATNGG is ATCGA A T N G G.

        Raises:
            InputError: a sequence is empty or holds a letter that is no nucleotide.
        """
        codes, widths = codes_of(sequences, 1, "at least 1 nucleotide letter")
        row = np.repeat(np.arange(len(widths)), widths)
        is_other = codes == bases.OTHER
        first = np.concatenate([[True], is_other[1:] | is_other[:-1] | (row[1:] != row[:-1])])  # of a piece without N
        begins = np.flatnonzero(first)
        piece = first.cumsum() - 1
        offset = np.arange(len(codes)) - begins[piece]
        in_block = offset < (np.diff(begins, append=len(codes)) // self.k * self.k)[piece]
        kmers = grams(torch.from_numpy(np.pad(codes & 3, (0, self.k - 1)))[None], self.k)[0].numpy()
        ids = np.where(in_block, kmers + np.int64(len(SPECIAL_TOKENS)), codes + np.int64(self._first_letter))
        kept = ~in_block | (offset % self.k == 0)
        lengths = np.bincount(row[kept], minlength=len(widths))
        return self.wrap(torch.from_numpy(in_rows(ids[kept], lengths, int(lengths.max()), PAD)))

    def longest(self, bases: int) -> int:
        """Most tokens that a model reads of up to so many bases without N, <cls> included."""
        return most_tokens(self.kind, self.k, bases)

    def files(self) -> Mapping[str, str]:
        """Return the vocabulary, one token a line."""
        return {"vocab.txt": "".join(f"{token}\n" for token in self.vocabulary())}
