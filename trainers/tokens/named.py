"""Tokenizers by kind."""

from pathlib import Path

from curricula import InputError
from trainers.tokens.blocks import BlockTokenizer
from trainers.tokens.bpe import BpeTokenizer
from trainers.tokens.kinds import Kind
from trainers.tokens.kmers import KmerTokenizer
from trainers.tokens.tokenizer import Tokenizer


def tokenizer(kind: Kind, k: int, file: Path | None = None) -> Tokenizer:
    """Return the tokenizer of a kind.

    Args:
        kind: How tokens lie in the DNA.
        k: Bases of a k-mer; BPE has none.
        file: The tokenizer.json of BPE; other kinds need none.

    Raises:
        InputError: k is out of range, or the file is missing or no BPE of DNA.
    """
    if kind == "overlapping":
        return KmerTokenizer(k)
    if kind == "blocks":
        return BlockTokenizer(k)
    if file is None:
        raise InputError("tokens of kind bpe must have a tokenizer.json, but got none")
    return BpeTokenizer.open(file)
