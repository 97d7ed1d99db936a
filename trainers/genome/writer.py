"""From letters to a corpus: normal form, four bases a byte, the stretches without N, soft-masking, counts, hash."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curricula import InputError
from trainers.genome import bases
from trainers.genome.fasta import Piece
from trainers.genome.intervals import Intervals, total

PADDING = 8  # bytes behind the packed bases, so that a window at the end can be read like any other
_BUFFER = 1 << 20  # codes packed together; a multiple of 4


@dataclass(frozen=True)
class Contents:
    """What a genome turned out to hold, but for its bases.

    Attributes:
        contigs: Lengths in bases by name, in the order of the file.
        known: Stretches of A, C, G and T over the contigs laid end to end; none spans two contigs.
        repeats: Soft-masked (lower-case) stretches of known bases.
        sha256: Of the normal form: for each contig `>name`, a newline, its letters in upper case, a newline.
        counts: Of A, T, C, G and N.
    """

    contigs: dict[str, int]
    known: Intervals
    repeats: Intervals
    sha256: str
    counts: dict[str, int]

    def card(self, source: dict[str, Any]) -> dict[str, Any]:
        """Return the provenance card: the source, and what it holds."""
        known = total(self.known)
        return {
            **source,
            "sha256": self.sha256,
            "contigs": self.contigs,
            "counts": self.counts,
            "soft_masked_share": round(total(self.repeats) / known, 6) if known else 0.0,
            "soft_masked_sha256": hashlib.sha256(self.repeats.tobytes()).hexdigest(),
        }


class _Flips:
    """Where a property of the bases begins and ends, chunk by chunk."""

    def __init__(self) -> None:
        self._edges: list[NDArray[np.int64]] = []
        self._inside = False

    def constant(self, value: bool, at: int) -> None:
        """Note that the property is the same from position `at` on."""
        if value != self._inside:
            self._edges.append(np.array([at], np.int64))
            self._inside = value

    def add(self, values: NDArray[np.uint8], at: int) -> None:
        """Note the property (0 or not) of the bases from position `at` on."""
        self.constant(bool(values[0]), at)
        edges = np.flatnonzero(values[1:] != values[:-1])
        if len(edges):
            self._edges.append(edges + (at + 1))
            self._inside = bool(values[-1])

    def intervals(self) -> Intervals:
        """Return what was noted; the property must have ended."""
        return np.concatenate(self._edges or [np.empty(0, np.int64)]).reshape(-1, 2)


class Packer:
    """Takes pieces of contigs in order, and passes packed bases on as they fill a buffer."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._sha256 = hashlib.sha256()
        self._contigs: dict[str, int] = {}
        self._known, self._repeats = _Flips(), _Flips()
        self._buffer = np.empty(_BUFFER, np.uint8)
        self._filled = 0
        self._histogram = np.zeros(256, np.int64)
        self._length = 0

    def add(self, piece: Piece) -> None:
        """Take the next letters of the open contig, or open one.

        Raises:
            InputError: a letter is no nucleotide, or the contig's name was seen before.
        """
        if not piece.text:  # the reader announces each contig by a piece without text
            self._begin(piece)
        letters = piece.letters
        if not letters:
            return
        normal = letters.translate(bases.NORMAL)
        if bases.NO_LETTER in normal:
            raise piece.refusal()
        self._sha256.update(normal)
        self._note_masks(letters, normal)
        self._pack(bases.codes_of_normal(normal))
        self._contigs[piece.contig] += len(normal)
        self._length += len(normal)

    def _begin(self, piece: Piece) -> None:
        if piece.contig in self._contigs:
            path, line = piece.where
            raise InputError(
                f"contig names must differ, but `{piece.contig}` occurs twice, the second time at {path}:{line}"
            )
        self._end()
        self._contigs[piece.contig] = 0
        self._sha256.update(f">{piece.contig}\n".encode())

    def _end(self) -> None:
        """Close the open contig: nothing reaches over its edge."""
        self._known.constant(False, self._length)
        self._repeats.constant(False, self._length)
        if self._contigs:
            self._sha256.update(b"\n")

    def _note_masks(self, letters: bytes, normal: bytes) -> None:
        soft = np.frombuffer(letters, np.uint8) & np.uint8(32)
        if b"N" in normal:
            known = (np.frombuffer(normal, np.uint8) != ord("N")).view(np.uint8)
            self._known.add(known, self._length)
            soft *= known
        else:
            self._known.constant(True, self._length)
        self._repeats.add(soft, self._length)

    def _pack(self, codes: NDArray[np.uint8]) -> None:
        while len(codes):
            taken = codes[: _BUFFER - self._filled]
            self._buffer[self._filled : self._filled + len(taken)] = taken
            self._filled += len(taken)
            codes = codes[len(taken) :]
            if self._filled == _BUFFER:
                self._flush()

    def _flush(self) -> None:
        packed = bases.pack(self._buffer[: self._filled])
        self._histogram += np.bincount(packed, minlength=256)
        self._write(packed.tobytes())
        self._filled = 0

    def finish(self) -> Contents:
        """Write the last bases and return what the genome holds."""
        self._end()
        filled = -self._length % 4
        self._pack(np.zeros(filled, np.uint8))
        if self._filled:
            self._flush()
        self._write(bytes(PADDING))
        known = self._known.intervals()
        codes_in_byte = bases.unpack(np.arange(256, dtype=np.uint8)).reshape(256, 4)
        counts = [int(self._histogram @ (codes_in_byte == code).sum(axis=1)) for code in range(4)]
        unknown = self._length - total(known)
        counts[bases.encode(b"A")[0]] -= filled
        counts[bases.encode(b"G")[0]] -= unknown  # as which N was packed
        counts.append(unknown)
        named = dict(zip(bases.LETTERS, counts, strict=True))
        return Contents(self._contigs, known, self._repeats.intervals(), self._sha256.hexdigest(), named)


def pack_all(pieces: Iterable[Piece], write: Callable[[bytes], object], source: str) -> Contents:
    """Pack a whole genome; packed bytes go to `write` as they are made.

    Raises:
        InputError: a letter is no nucleotide, a contig name occurs twice, or there is not a single known base.
    """
    packer = Packer(write)
    for piece in pieces:
        packer.add(piece)
    contents = packer.finish()
    if not len(contents.known):
        raise InputError(f"a corpus must hold A, C, G or T, but {source} has none")
    return contents
