"""Counts n-grams of DNA; the loops are over chunks of the genome, never over its bases."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from curricula import InputError
from trainers.genome.corpus import Corpus
from trainers.genome.intervals import Intervals
from trainers.settings import Strands

_CHUNK = 1 << 18  # bases counted at a time: their codes, 0.7 MB at k = 6, stay in a core's cache
_WIDTH = 8  # bases of a counted window; its 65,536 counts stay in the cache, those of 9 bases would not


def count_ngrams(
    corpus: Corpus, k: int, strands: Strands = "forward", runs: Intervals | None = None, *, chunk: int = _CHUNK
) -> list[NDArray[np.int64]]:
    """Count all n-grams, n = 1..k, at stride 1 inside N-free runs.

    Only the k-grams are counted base by base. Every (n-1)-gram is the prefix of one n-gram except the last
    one of a run, so the shorter counts are sums plus one correction a run.

    Args:
        corpus: The DNA.
        k: Longest n, 1..10.
        strands: `both` adds the counts of each n-gram's reverse complement, so that totals double and a
            palindrome counts twice where it stands once.
        runs: N-free stretches to count in; all of the corpus where they are left out.
        chunk: Bases counted at a time; bounds the memory and changes nothing else.

    Returns:
        k arrays; the one at n - 1 has shape (4^n,) and is indexed by base-4 codes in A, T, C, G order.

    Raises:
        InputError: k is out of range.
    """
    if not 1 <= k <= 10:
        raise InputError(f"n-grams can be counted for k in 1..10, but got k={k}")
    runs = corpus.known if runs is None else runs
    counts: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * k
    counts[k - 1] = _count_kmers(corpus, runs, k, chunk)
    for n in range(k - 1, 0, -1):
        counts[n - 1] = counts[n].reshape(-1, 4).sum(axis=1)
        ends = runs[runs[:, 1] - runs[:, 0] >= n, 1]
        np.add.at(counts[n - 1], _codes_at(corpus, ends - n, n), 1)
    return counts if strands == "forward" else [found + found[reverse_complements(len(found))] for found in counts]


def reverse_complements(size: int) -> NDArray[np.int64]:
    """Return the code of each n-gram's reverse complement, shape (size,), size = 4^n."""
    n = (size.bit_length() - 1) // 2
    reversed_digits = np.arange(size).reshape((4,) * n).transpose().ravel()
    return reversed_digits ^ ((size - 1) // 3)  # A 0, T 1, C 2, G 3: a complement differs in the last bit


def _count_kmers(corpus: Corpus, runs: Intervals, k: int, chunk: int) -> NDArray[np.int64]:
    """Count k-mers by windows of 8 bases, or k if that is more, which hold 9 - k of them; the rest one by one.

    Windows at every (9 - k)-th base hold every k-mer once, so there are fewer of them to count; the counts
    of the k-mers are marginal sums. What is left at the end of a run, and runs too short to gain, are looked
    up base by base, many runs at once.
    """
    width = max(k, _WIDTH)
    stride = width - k + 1
    runs = runs[runs[:, 1] - runs[:, 0] >= k]
    kmers = runs[:, 1] - runs[:, 0] - k + 1
    short = max(chunk // 64, stride)
    in_windows = np.where(kmers < short, 0, kmers // stride * stride)
    windows = np.zeros(4**width, np.int64)
    step = max(chunk // stride, 1) * stride
    for start, number in zip(runs[:, 0].tolist(), in_windows.tolist(), strict=True):
        for at in range(start, start + number, step):
            end = min(at + step, start + number) + k - 1
            np.add.at(windows, _window_codes(corpus.codes(at, end), width, stride), 1)
    counts = np.zeros(4**k, np.int64)
    for offset in range(stride):
        counts += windows.reshape(4**offset, 4**k, -1).sum(axis=(0, 2))
    firsts, lengths = runs[:, 0] + in_windows, kmers - in_windows
    for group in _groups(lengths, chunk):
        first, length = firsts[group], lengths[group]
        starts = np.repeat(first - length.cumsum() + length, length) + np.arange(length.sum())
        counts += np.bincount(_codes_at(corpus, starts, k), minlength=4**k)
    return counts


def _groups(lengths: NDArray[np.int64], chunk: int) -> Iterator[slice]:
    """Cut runs into groups of about `chunk` k-mers: a genome without its repeats has millions of short runs."""
    if len(lengths):
        number = (np.cumsum(lengths) - 1) // chunk
        edges = np.flatnonzero(np.diff(number)) + 1
        for first, last in zip([0, *edges], [*edges, len(lengths)], strict=True):
            yield slice(int(first), int(last))


def _window_codes(piece: NDArray[np.uint8], width: int, stride: int) -> NDArray[np.intp]:
    """Return base-4 codes of the windows of 8, 9 or 10 bases at every `stride`-th base of the piece.

    Codes are doubled in width (1, 2, 4, 8 bases) because narrow integers are the fast ones.
    """
    of_2 = piece[:-1] * 4
    of_2 += piece[1:]
    of_4 = of_2[:-2] * 16
    of_4 += of_2[2:]
    number = len(piece) - width + 1
    codes = of_4[:number:stride].astype(np.intp)
    codes *= 256
    codes += of_4[4 : 4 + number : stride]
    if width > _WIDTH:
        codes *= 4 ** (width - _WIDTH)
        codes += (piece if width == _WIDTH + 1 else of_2)[_WIDTH : _WIDTH + number : stride]
    return codes


def _codes_at(corpus: Corpus, starts: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return base-4 codes of the n-grams at these places of the contigs laid end to end, shape (len(starts),)."""
    found = np.zeros(len(starts), np.int64)
    for offset in range(n):
        found *= 4
        found += corpus.codes_at(starts + offset)
    return found
