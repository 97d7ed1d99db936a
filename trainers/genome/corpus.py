"""The DNA that a model reads: contigs as one memory-mapped array, and windows that never cross N or an edge."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from curricula import InputError
from trainers.files import replacing
from trainers.genome import bases
from trainers.rng import Stream, sample_bits

_CARD = b"card"
_SCAN = 1 << 18  # bases looked at together: they and what is made of them stay in the processor's cache


@dataclass(frozen=True)
class Contig:
    """One sequence of the assembly: its name and where it lies in the flat array of bases."""

    name: str
    start: int
    length: int


class Corpus:
    """Contigs laid end to end as base codes (uint8, see `trainers.genome.bases`), with a provenance card."""

    def __init__(self, codes: NDArray[np.uint8], contigs: tuple[Contig, ...], card: dict[str, Any]) -> None:
        """Use `from_records` or `open`; `card` holds source, SHA-256 of the bases, contigs and base counts."""
        self.codes = codes
        self.contigs = contigs
        self.card = card

    @classmethod
    def from_records(cls, records: Iterable[tuple[str, NDArray[np.uint8]]], source: dict[str, Any]) -> "Corpus":
        """Lay (name, base codes) records end to end.

        Raises:
            InputError: not a single A, C, G or T.
        """
        contigs, parts, start = [], [], 0
        for name, codes in records:
            contigs.append(Contig(name, start, len(codes)))
            parts.append(codes)
            start += len(codes)
        flat = np.concatenate(parts) if parts else np.empty(0, np.uint8)
        if not (flat < bases.OTHER).any():
            raise InputError(f"a corpus must hold A, C, G or T, but {source.get('source')} has none")
        counts = np.bincount(flat, minlength=5)
        card = {
            **source,
            "sha256": hashlib.sha256(flat.tobytes()).hexdigest(),
            "contigs": {contig.name: contig.length for contig in contigs},
            "counts": {letter: int(count) for letter, count in zip(bases.LETTERS, counts, strict=True)},
        }
        return cls(flat, tuple(contigs), card)

    def save(self, path: Path) -> None:
        """Write one uncompressed Arrow file, so that every worker can map the same pages."""
        card = {**self.card, "layout": [[c.name, c.start, c.length] for c in self.contigs]}
        table = pa.table({"bases": pa.array(self.codes)}).replace_schema_metadata({_CARD: json.dumps(card)})
        with replacing(path) as temporary, pa.ipc.new_file(str(temporary), table.schema) as writer:
            writer.write_table(table)

    @classmethod
    def open(cls, path: Path) -> "Corpus":
        """Map a saved corpus into memory; nothing is copied.

        Raises:
            InputError: the file is missing or was not written by `save`.
        """
        try:
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            card = json.loads(table.schema.metadata[_CARD])
        except (OSError, pa.ArrowInvalid, KeyError, TypeError) as error:
            raise InputError(f"{path} is not a saved corpus: {error}") from error
        contigs = tuple(Contig(*entry) for entry in card.pop("layout"))
        codes = table.column("bases").chunk(0).to_numpy(zero_copy_only=True)
        return cls(codes, contigs, card)

    def runs(self) -> NDArray[np.int64]:
        """Return the N-free stretches as [start, end) in the flat array, shape (runs, 2); none spans two contigs."""
        edges = [np.array([contig.start for contig in self.contigs] + [len(self.codes)], np.int64)]
        for first in range(0, len(self.codes), _SCAN):  # overlaps by one base, to see a change between two scans
            valid = self.codes[first : first + _SCAN + 1] < bases.OTHER
            edges.append(np.flatnonzero(valid[1:] != valid[:-1]) + first + 1)
        cuts = np.unique(np.concatenate(edges))
        pieces = np.stack([cuts[:-1], cuts[1:]], axis=1)
        return pieces[self.codes[pieces[:, 0]] < bases.OTHER]


@dataclass(frozen=True)
class Split:
    """Which blocks are kept for validation.

    Attributes:
        block: Length of a block in bases; a block is either all training or all validation.
        validation_share: Share of the blocks kept for validation, in (0, 1).
        seed: Chooses the blocks.
    """

    block: int
    validation_share: float
    seed: int

    def intervals(self, corpus: Corpus) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the N-free [start, end) intervals of training and of validation blocks, shapes (n, 2)."""
        pieces = _cut_at_blocks(corpus, self.block)
        blocks, owner = np.unique(pieces[:, 2], return_inverse=True)
        kept = max(1, round(self.validation_share * len(blocks)))
        chosen = np.random.default_rng(self.seed).permutation(len(blocks))[:kept]
        held_out = np.isin(owner, chosen)
        return _joined(pieces[~held_out, :2], corpus), pieces[held_out, :2]


def _cut_at_blocks(corpus: Corpus, block: int) -> NDArray[np.int64]:
    """Cut N-free runs at block edges: rows (start, end, number of the block over the whole corpus)."""
    rows = []
    first_block = 0
    runs = corpus.runs()
    for contig in corpus.contigs:
        inside = runs[(runs[:, 0] >= contig.start) & (runs[:, 1] <= contig.start + contig.length)] - contig.start
        for start, end in inside:
            edges = np.arange(start // block * block, end + block, block).clip(start, end)
            edges = np.unique(edges)
            numbers = edges[:-1] // block + first_block
            rows.append(np.stack([edges[:-1] + contig.start, edges[1:] + contig.start, numbers], axis=1))
        first_block += -(-contig.length // block)
    return np.concatenate(rows)


def _joined(pieces: NDArray[np.int64], corpus: Corpus) -> NDArray[np.int64]:
    """Join neighbouring pieces of one contig, so that windows may lie across two training blocks."""
    if not len(pieces):
        return pieces
    contig_starts = np.array([contig.start for contig in corpus.contigs])
    opens = np.ones(len(pieces), dtype=bool)
    opens[1:] = (pieces[1:, 0] != pieces[:-1, 1]) | np.isin(pieces[1:, 0], contig_starts)
    first = np.flatnonzero(opens)
    last = np.append(first[1:], len(pieces)) - 1
    return np.stack([pieces[first, 0], pieces[last, 1]], axis=1)


class Windows:
    """All windows of one width inside given intervals; each start is equally likely."""

    def __init__(self, corpus: Corpus, intervals: NDArray[np.int64], width: int, purpose: str) -> None:
        """Index the windows.

        Raises:
            InputError: no interval is as long as one window.
        """
        usable = intervals[intervals[:, 1] - intervals[:, 0] >= width] if len(intervals) else intervals
        if not len(usable):
            raise InputError(
                f"a {purpose} window of {width} bases must fit between N, contig edges and blocks, but the longest "
                f"stretch of {corpus.card['source']} has {_longest(intervals)}"
            )
        self._codes = corpus.codes
        self.width = width
        self._first = usable[:, 0]
        self._cumulative = np.cumsum(usable[:, 1] - usable[:, 0] - width + 1)

    def __len__(self) -> int:
        return int(self._cumulative[-1])

    def starts(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where the windows of these numbers, in [0, len(self)), begin in the flat array."""
        interval = np.searchsorted(self._cumulative, numbers, side="right")
        before = np.where(interval > 0, self._cumulative[interval - 1], 0)
        return self._first[interval] + numbers - before

    def read(self, starts: NDArray[np.int64]) -> torch.Tensor:
        """Return base codes of the windows at these starts: uint8, shape (len(starts), width)."""
        return torch.from_numpy(self._codes[starts[:, None] + np.arange(self.width)])

    def sample(self, seed: int, samples_B: torch.Tensor) -> torch.Tensor:
        """Return the base codes of these samples, uint8, shape (B, width): a pure function of (seed, sample)."""
        bits = sample_bits(seed, Stream.WINDOW, samples_B).numpy() & 0x7FFFFFFFFFFFFFFF
        return self.read(self.starts(bits % len(self)))

    def spread(self, count: int, phase: float = 0.5) -> torch.Tensor:
        """Return the base codes of `count` evenly spaced windows, uint8, shape (count, width).

        A mean over them varies less than one over random windows, since every region has its share. `phase`, in
        [0, 1), is where between two neighbours' places each window begins.
        """
        return self.read(self.starts(((np.arange(count) + phase) * (len(self) / count)).astype(np.int64)))


def _longest(intervals: NDArray[np.int64]) -> int:
    return int((intervals[:, 1] - intervals[:, 0]).max()) if len(intervals) else 0
