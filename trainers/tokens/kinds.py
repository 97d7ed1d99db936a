"""Kinds of tokens by name, and how many of them DNA can take; plain data, loads no torch."""

from typing import Literal

Kind = Literal["overlapping", "blocks", "bpe"]
BPE_VOCABULARY = 4096  # of DNABERT-2


def most_tokens(kind: Kind, k: int, bases: int) -> int:
    """Return the most tokens that a model reads of up to so many bases A, C, G and T, special tokens included.

    Overlapping: one a base but for the last k - 1, and two special ones. Blocks: what does not fill a block at the end
    is one token a base, so k - 1 bases there take more tokens than a block; one special token. BPE: a base may stand
    alone, so one a base, and two special ones.
    """
    if kind == "overlapping":
        return bases - k + 3
    if kind == "bpe":
        return bases + 2
    blocks, rest = divmod(bases, k)
    shorter = blocks - 1 + k - 1 if blocks else 0  # a row that lacks one base to its last block
    return 1 + max(blocks + rest, shorter)


def bases_a_token(kind: Kind, k: int) -> float:
    """Return how many more bases one more token takes; byte pairs about five (arXiv 2306.15006, section 3.1)."""
    return {"overlapping": 1.0, "blocks": float(k), "bpe": 5.0}[kind]
