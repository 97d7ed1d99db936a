"""Little pieces of DNA for tests, written as letters."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from hypothesis import strategies as st

from trainers.genome import bases
from trainers.genome.corpus import Corpus
from trainers.genome.fasta import Piece
from trainers.masking.difficulty import Difficulty
from trainers.tokens.kmers import KmerTokenizer

acgt = st.text("ACGT", min_size=1, max_size=40)
with_gaps = st.text("ACGTACGTN", min_size=1, max_size=40)  # N in one base of nine


def pieces_of(*contigs: str) -> Iterator[Piece]:
    """Name the contigs c1, c2 ..., as a reader of files does."""
    for number, letters in enumerate(contigs, start=1):
        for part in (b"", letters.encode())[: 1 + bool(letters)]:
            yield Piece(f"c{number}", part, part, (Path("a test"), number))


def corpus_of(*contigs: str) -> Corpus:
    """Name the contigs c1, c2 ... and lay them end to end."""
    return Corpus.of(pieces_of(*contigs), {"source": "a test"})


def random_letters(length: int, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


def ids_of(k: int, *rows: str) -> torch.Tensor:
    """k-mer ids of rows of equal length, without special tokens."""
    return KmerTokenizer(k).ids(torch.stack([torch.from_numpy(bases.encode(row.encode()).copy()) for row in rows]))


def difficulty_by_hand(k: int, *best_first: str) -> Difficulty:
    """Rank these k-mers 0, 1, 2 ... and all others behind them; spread the quantiles evenly over the ranks."""
    vocabulary = KmerTokenizer(k).vocabulary()[5:]
    order = {kmer: place for place, kmer in enumerate(dict.fromkeys([*best_first, *vocabulary]))}
    rank = np.array([order[kmer] for kmer in vocabulary], dtype=np.int64)
    quantile = 1 - (rank + 1) / len(rank)
    return Difficulty(k, np.ones(4**k, np.int64), -rank.astype(np.float64), rank, quantile, card={})
