"""Windows of DNA that lie whole inside given intervals, numbered for any width."""

import numpy as np
import torch
from numpy.typing import NDArray

from curricula import InputError
from trainers.genome.corpus import Corpus
from trainers.genome.intervals import Intervals, longest
from trainers.rng import Stream, sample_bits

_POSITIVE = 0x7FFFFFFFFFFFFFFF


class Windows:
    """All windows inside given intervals; every start is equally likely, so long stretches have more.

    The intervals are kept longest first. Those with room for a window of some width are then a prefix, the windows of
    the first i of them are counted by one subtraction, and a window is found by halving: for every width at once.
    """

    def __init__(self, corpus: Corpus, intervals: Intervals, width: int, purpose: str) -> None:
        """Index the windows.

        Args:
            corpus: The DNA.
            intervals: Stretches without N.
            width: Bases of a full window; at least one must fit.
            purpose: What the windows are for, in the words of an error.

        Raises:
            InputError: no interval is as long as one window.
        """
        if longest(intervals) < width:
            raise InputError(
                f"a {purpose} window of {width} bases must fit between N, contig edges and blocks, but the longest "
                f"stretch of {corpus.card['source']} has {longest(intervals)}"
            )
        self.corpus = corpus
        self.width = width
        lengths = intervals[:, 1] - intervals[:, 0]
        order = np.argsort(-lengths, kind="stable")
        self._first = intervals[order, 0]
        self._negative_lengths = -lengths[order]
        self._bases = np.concatenate([[0], np.cumsum(lengths[order])])

    def __len__(self) -> int:
        return int(self.counts(np.array([self.width]))[0])

    def counts(self, widths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many windows there are of each width in bases, shape of `widths`."""
        roomy = np.searchsorted(self._negative_lengths, -widths, side="right")
        number: NDArray[np.int64] = self._bases[roomy] - roomy * (widths - 1)
        return number

    def starts(self, numbers: NDArray[np.int64], widths: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Return where windows begin in the contigs laid end to end, shape (n,).

        Args:
            numbers: Window numbers, each in [0, count of its width).
            widths: Bases of each window; the full width where it is left out.
        """
        less = (np.full(len(numbers), self.width) if widths is None else widths) - 1
        low = np.zeros(len(numbers), np.int64)  # the first `low` intervals hold no more windows than the number
        high = np.searchsorted(self._negative_lengths, -(less + 1), side="right")
        while (active := high - low > 1).any():
            middle = (low + high) // 2
            behind = (self._bases[middle] - middle * less <= numbers) & active
            low = np.where(behind, middle, low)
            high = np.where(behind | ~active, high, middle)
        starts: NDArray[np.int64] = self._first[low] + numbers - (self._bases[low] - low * less)
        return starts

    def read(self, starts: NDArray[np.int64], width: int | None = None) -> torch.Tensor:
        """Return base codes of the windows at these starts: uint8, shape (len(starts), width)."""
        return torch.from_numpy(self.corpus.read(starts, self.width if width is None else width))

    def sample(self, seed: int, samples_B: torch.Tensor) -> torch.Tensor:
        """Return the base codes of full windows, uint8, shape (B, width): a pure function of (seed, sample)."""
        return self.read(self.starts(drawn(seed, Stream.WINDOW, samples_B) % len(self)))

    def spread(self, count: int, phase: float = 0.5) -> torch.Tensor:
        """Return the base codes of `count` evenly spaced windows, uint8, shape (count, width).

        A mean over them varies less than one over random windows, since every region has its share. `phase`, in
        [0, 1), is where between two neighbours' places each window begins.
        """
        return self.read(self.starts(((np.arange(count) + phase) * (len(self) / count)).astype(np.int64)))


def drawn(seed: int, stream: Stream, samples_B: torch.Tensor) -> NDArray[np.int64]:
    """Return one 63-bit random number a sample, shape (B,)."""
    return sample_bits(seed, stream, samples_B).numpy() & _POSITIVE
