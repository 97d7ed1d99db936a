"""Training samples: which stretch of DNA, how long, which strand; a pure function of (seed, sample)."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from curricula import InputError
from trainers.genome import bases
from trainers.genome.corpus import Corpus
from trainers.genome.intervals import Intervals, subtract
from trainers.genome.windows import Windows, drawn
from trainers.rng import Stream, derived_seed
from trainers.settings import Repeats, Sampling

Widths = NDArray[np.int64]


@dataclass(frozen=True)
class Samples:
    """Samples of one batch.

    Attributes:
        bases_BL: Base codes, uint8, shape (B, longest); 4 behind the end of a shorter sample.
        tokens: k-mers of each sample, shape (B,), on the host; None where all have the full length.
    """

    bases_BL: torch.Tensor
    tokens: Widths | None


class Sampler:
    """Draws samples from the training intervals of a corpus."""

    def __init__(
        self, corpus: Corpus, intervals: Intervals, k: int, length: int, sampling: Sampling, repeats: Repeats
    ) -> None:
        """Index the windows.

        Args:
            corpus: The DNA.
            intervals: N-free stretches that may be trained on.
            k: Bases of a k-mer.
            length: k-mers of a full sample.
            sampling: How to draw.
            repeats: What soft-masked bases are: `keep`, DNA like any other; `exclude`, never in a sample;
                `downweight`, half of the samples lie in stretches without them, half anywhere.

        Raises:
            InputError: no stretch is as long as a full sample, or the shortest sample is longer than a full one; or
                tiles are to be weighted.
        """
        if sampling.lengths == "mixed" and sampling.shortest > length:
            raise InputError(
                f"shortest <= length must hold, but got (shortest={sampling.shortest}, length={length}) tokens"
            )
        if sampling.lengths == "tiled" and repeats == "downweight":
            raise InputError("tiled samples cover every base once and cannot be weighted: keep or exclude the repeats")
        self._k, self._length, self._sampling = k, length, sampling
        width = length + k - 1
        plain = intervals if repeats == "keep" else subtract(intervals, corpus.repeats)
        own = plain if repeats == "exclude" else intervals
        self.windows = Windows(corpus, own, width, "training")
        self._plain = Windows(corpus, plain, width, "repeat-free training") if repeats == "downweight" else None
        self._tiles = _Tiles(own, width) if sampling.lengths == "tiled" else None

    def sample(self, seed: int, samples_B: torch.Tensor) -> Samples:
        """Return the samples of these numbers, whatever worker or order they are asked for in."""
        tokens = self._mixed(seed, samples_B) if self._sampling.lengths == "mixed" else None
        widths = np.full(len(samples_B), self.windows.width) if tokens is None else tokens + self._k - 1
        tiles = self._tiles
        starts = tiles.starts(seed, samples_B) if tiles else self._starts(seed, samples_B, widths)
        read_BL = self._read(starts, widths)
        if self._sampling.reverse_complement:
            turned = drawn(seed, Stream.STRAND, samples_B) % 2 == 1
            read_BL[turned] = reverse_complemented(read_BL[turned], widths[turned])
        if tokens is not None:
            np.copyto(read_BL, bases.OTHER, where=np.arange(read_BL.shape[1]) >= widths[:, None])
        return Samples(torch.from_numpy(read_BL), tokens)

    def _mixed(self, seed: int, samples_B: torch.Tensor) -> Widths:
        bits = drawn(seed, Stream.LENGTH, samples_B)
        uniform = self._sampling.shortest + (bits >> 1) % (self._length - self._sampling.shortest + 1)
        return np.where(bits % 2 == 1, uniform, self._length)

    def _starts(self, seed: int, samples_B: torch.Tensor, widths: Widths) -> NDArray[np.int64]:
        bits = drawn(seed, Stream.WINDOW, samples_B)
        starts = self.windows.starts(bits % self.windows.counts(widths), widths)
        if self._plain is not None:
            elsewhere = self._plain.starts(bits % self._plain.counts(widths), widths)
            starts = np.where(drawn(seed, Stream.REPEATS, samples_B) % 2 == 1, elsewhere, starts)
        return starts

    def _read(self, starts: NDArray[np.int64], widths: Widths) -> NDArray[np.uint8]:
        """Return base codes as wide as the widest sample, shape (B, widest); behind a shorter one stands anything.

        At the end of the corpus there is less to read, so those rows are read from further left and moved.
        """
        widest = int(widths.max())
        corpus = self.windows.corpus
        shift = np.maximum(starts - (corpus.length - widest), 0)
        read_BL = corpus.read(starts - shift, widest)
        for row in np.flatnonzero(shift):
            read_BL[row, : widths[row]] = read_BL[row, shift[row] : shift[row] + widths[row]].copy()
        return read_BL


def reverse_complemented(bases_BL: NDArray[np.uint8], widths: Widths) -> NDArray[np.uint8]:
    """Return the other strand of each row's first `widths` codes; behind them stands anything.

    A complement differs from its base in the low bit of the code (A 0, T 1, C 2, G 3). Rows are turned whole, and
    copied again from where the sample then begins.
    """
    widest = bases_BL.shape[1]
    turned = np.concatenate([np.ascontiguousarray(bases_BL[:, ::-1]).ravel(), np.zeros(widest, np.uint8)])
    turned ^= np.uint8(1)
    begins = np.arange(len(bases_BL)) * widest + widest - widths
    rows: NDArray[np.uint8] = sliding_window_view(turned, widest)[begins]
    return rows


class _Tiles:
    """Windows side by side: every tile once an epoch."""

    def __init__(self, intervals: Intervals, width: int) -> None:
        lengths = intervals[:, 1] - intervals[:, 0]
        roomy = lengths >= width
        self._width = width
        self._first = intervals[roomy, 0]
        self._slack = lengths[roomy] % width
        tiles = lengths[roomy] // width
        self._before = np.concatenate([[0], np.cumsum(tiles)])
        self._epochs: dict[tuple[int, int], NDArray[np.int64]] = {}

    def starts(self, seed: int, samples_B: torch.Tensor) -> NDArray[np.int64]:
        """Return where the tiles of these samples begin; epoch e has the samples e n .. (e + 1) n - 1."""
        samples = samples_B.numpy()
        found = np.empty(len(samples), np.int64)
        for epoch in np.unique(samples // self._before[-1]):
            own = samples // self._before[-1] == epoch
            found[own] = self._of_epoch(seed, int(epoch))[samples[own] % self._before[-1]]
        return found

    def _of_epoch(self, seed: int, epoch: int) -> NDArray[np.int64]:
        if (seed, epoch) not in self._epochs:
            generator = np.random.default_rng(derived_seed(seed, Stream.EPOCH, epoch))
            shift = (generator.random() * (self._slack + 1)).astype(np.int64)
            tiles = np.diff(self._before)
            interval = np.repeat(np.arange(len(tiles)), tiles)
            tile = np.arange(len(interval)) - self._before[interval]
            starts = (self._first + shift)[interval] + tile * self._width
            while len(self._epochs) > 1:  # a batch reads from two epochs at most
                self._epochs.pop(next(iter(self._epochs)))
            self._epochs[seed, epoch] = generator.permutation(starts)
        return self._epochs[seed, epoch]
