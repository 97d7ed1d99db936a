"""Small models of every architecture, with tokenizers, and DNA for them to read."""

from functools import cache

from trainers import embedded
from trainers.models.build import initial_model
from trainers.models.presets import preset
from trainers.models.pretrained import Pretrained
from trainers.tokens.blocks import BlockTokenizer
from trainers.tokens.bpe import BpeTokenizer
from trainers.tokens.kmers import KmerTokenizer
from trainers.tokens.tokenizer import Tokenizer

SMALL = ["tiny", "nt_tiny", "dnabert2_tiny", "modern_tiny"]  # bert, esm, alibi_bert, modernbert


@cache
def dna(length: int, start: int = 400_000) -> str:
    """A stretch of human chromosome 22 in upper case."""
    return embedded.genome().letters(start, start + length).decode().upper()


@cache
def tokenizer_of(name: str) -> Tokenizer:
    """3-mers, or merges learnt from some thousand bases."""
    kind = preset(name).tokens
    if kind == "bpe":
        return BpeTokenizer.trained([dna(4000, start) for start in range(0, 20_000, 4000)], 128)
    return KmerTokenizer(3) if kind == "overlapping" else BlockTokenizer(3)


def small(name: str, seed: int = 0) -> Pretrained:
    """A model as it starts."""
    return Pretrained(initial_model(name, tokenizer_of(name), seed).eval(), tokenizer_of(name))
