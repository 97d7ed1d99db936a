"""Which test sequences stand in the DNA that a model is pretrained on, exactly or as their reverse complement.

A sequence that stands at some place covers one of the words that begin at every `stride`-th base of the corpus, if it
is long enough. So the words at the first `stride` offsets of each sequence are indexed, the corpus is scanned at that
stride, where whole packed bytes are the words, and what is found is compared base by base.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.genome import bases
from trainers.genome.corpus import Corpus
from trainers.genome.intervals import Intervals, covers, holding

SHORTEST = 20  # bases; shorter sequences stand in a genome by chance
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, for hashing by multiplication
_AT_ONCE = 1 << 20  # words scanned at a time
_COMPARED = 1 << 15  # places compared base by base at a time


@dataclass(frozen=True)
class _Scan:
    """How sequences of at least `least` bases are looked for: words of `word` bytes at every `step`-th byte."""

    least: int
    word: int
    step: int


_SCANS = (_Scan(63, 8, 8), _Scan(35, 8, 1), _Scan(SHORTEST, 4, 1))  # least: 4 word + 4 step - 1, or more


@dataclass(frozen=True)
class Leak:
    """What of one task's test split stands in the training DNA.

    Attributes:
        windows: Test sequences.
        too_short: Those of fewer than 20 bases, which are not looked for.
        ambiguous: Those with letters other than A, C, G, T, which cannot stand in training DNA.
        found: Those that stand there, in either direction.
    """

    windows: int
    too_short: int
    ambiguous: int
    found: int


@dataclass(frozen=True)
class Leaks:
    """The answer for all tasks.

    Attributes:
        by_task: By name.
        places: Where test sequences stand, [start, end) in the contigs laid end to end, shape (n, 2); may overlap.
    """

    by_task: dict[str, Leak]
    places: Intervals

    def card(self, excluded: bool) -> dict[str, Any]:
        """Return the part of the provenance card; says whether the places are kept out of the training samples."""
        return {"tasks": {name: vars(leak) for name, leak in self.by_task.items()}, "excluded": excluded}


def find_leaks(corpus: Corpus, training: Intervals, tests: Mapping[str, Sequence[str]]) -> Leaks:
    """Look every test sequence up in the training DNA.

    Args:
        corpus: The DNA.
        training: N-free stretches that samples are drawn from.
        tests: Test sequences by task.
    """
    distinct = sorted({letters for sequences in tests.values() for letters in sequences})
    lengths = np.array([len(letters) for letters in distinct], np.int64)
    codes = bases.encode("".join(distinct).encode("ascii", "replace"))
    first = np.cumsum(lengths) - lengths
    wrong = np.concatenate([[0], np.cumsum(codes >= bases.OTHER)])
    ambiguous = wrong[first + lengths] > wrong[first]
    searched = np.flatnonzero(~ambiguous & (lengths >= SHORTEST))
    rows, starts = _search(corpus, training, codes & np.uint8(3), first, lengths, searched)
    found = np.zeros(len(distinct), bool)
    found[rows] = True
    number = {letters: at for at, letters in enumerate(distinct)}
    by_task = {}
    for name, sequences in tests.items():
        own = np.array([number[letters] for letters in sequences], np.int64)
        unclear, short = ambiguous[own], ~ambiguous[own] & (lengths[own] < SHORTEST)
        by_task[name] = Leak(len(own), int(short.sum()), int(unclear.sum()), int(found[own].sum()))
    return Leaks(by_task, np.unique(np.stack([starts, starts + lengths[rows]], axis=1), axis=0).reshape(-1, 2))


def _search(
    corpus: Corpus,
    training: Intervals,
    codes: NDArray[np.uint8],
    first: NDArray[np.int64],
    lengths: NDArray[np.int64],
    searched: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (sequence, place) of everything found; sequences are codes[first : first + length]."""
    rows, starts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    longer = np.iinfo(np.int64).max
    for scan in _SCANS:
        own = searched[(lengths[searched] >= scan.least) & (lengths[searched] < longer)]
        longer = scan.least
        if not len(own) or not len(training):
            continue
        index = _Index(codes, first[own], lengths[own], scan)
        for found, places in index.scan(corpus, training):
            rows.append(own[found])
            starts.append(places)
    return np.concatenate(rows), np.concatenate(starts)


class _Index:
    """The words of some sequences and of their reverse complements."""

    def __init__(
        self, codes: NDArray[np.uint8], first: NDArray[np.int64], lengths: NDArray[np.int64], scan: _Scan
    ) -> None:
        self._scan, self._sequences = scan, len(first)
        row = np.repeat(np.arange(len(first)), lengths)
        within = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        forward = codes[first[row] + within]
        mirrored = codes[first[row] + lengths[row] - 1 - within] ^ np.uint8(1)  # a complement differs in the low bit
        self._codes = np.concatenate([forward, mirrored])
        self._lengths = np.concatenate([lengths, lengths])
        self._first = np.cumsum(self._lengths) - self._lengths
        words = _words(self._codes, 4 * scan.word)
        places = self._first[:, None] + np.arange(4 * scan.step)
        order = np.argsort(words[places].ravel(), kind="stable")
        self._words = words[places].ravel()[order]
        self._owner = order // (4 * scan.step)
        self._offset = order % (4 * scan.step)
        bits = min(28, max(16, int(np.ceil(np.log2(32 * len(self._words))))))
        self._shift = np.uint64(64 - bits)
        self._seen = np.zeros(1 << bits, bool)
        self._seen[self._hashed(self._words)] = True

    def _hashed(self, words: NDArray[np.uint64]) -> NDArray[np.uint64]:
        return (words * _MIX) >> self._shift

    def scan(self, corpus: Corpus, training: Intervals) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield (sequence, place) pairs."""
        word = self._scan.word
        size = -(-corpus.length // 4)
        for begin in range(0, size, _AT_ONCE * word):
            for shift in range(0, word, self._scan.step):
                count = min(_AT_ONCE, (size - begin - shift) // word)
                if count <= 0:
                    continue
                packed = corpus.packed(begin + shift, begin + shift + count * word)
                words = packed.view(f">u{word}").astype(np.uint64)
                hits = np.flatnonzero(self._seen[self._hashed(words)])
                positions = 4 * (begin + shift + hits * word)
                inside = covers(training, positions)
                yield from self._compared(corpus, training, words[hits[inside]], positions[inside])

    def _compared(
        self, corpus: Corpus, training: Intervals, words: NDArray[np.uint64], positions: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Look words up, and compare the sequences that they may belong to with the corpus."""
        low = np.searchsorted(self._words, words, side="left")
        owners = np.searchsorted(self._words, words, side="right") - low
        for part in _parts(owners):
            of = np.repeat(np.arange(part.start, part.stop), owners[part])
            entry = low[of] + np.arange(len(of)) - np.repeat(np.cumsum(owners[part]) - owners[part], owners[part])
            owner = self._owner[entry]
            starts = positions[of] - self._offset[entry]
            kept = np.flatnonzero(holding(training, starts, starts + self._lengths[owner]))
            for length in np.unique(self._lengths[owner[kept]]):
                own = kept[self._lengths[owner[kept]] == length]
                for at in range(0, len(own), _COMPARED):
                    some = own[at : at + _COMPARED]
                    wanted = self._codes[self._first[owner[some]][:, None] + np.arange(length)]
                    equal = some[(corpus.read(starts[some], int(length)) == wanted).all(axis=1)]
                    yield owner[equal] % self._sequences, starts[equal]


def _words(codes: NDArray[np.uint8], width: int) -> NDArray[np.uint64]:
    """Return the base-4 number of the `width` (16 or 32) codes from each place on, shape (n - width + 1,)."""
    numbers, done = codes.astype(np.uint64), 1
    while done < width:
        numbers = (numbers[:-done] << np.uint64(2 * done)) | numbers[done:]
        done *= 2
    return numbers


def _parts(owners: NDArray[np.int64]) -> Iterator[slice]:
    """Cut a list of numbers where their sum passes a bound: poly-A has many owners at many places."""
    group = (np.cumsum(owners) - 1) // (1 << 20) if len(owners) else owners
    edges = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), len(owners)]
    for start, stop in itertools.pairwise(edges):
        if stop > start:
            yield slice(start, stop)
