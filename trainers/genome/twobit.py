"""UCSC .2bit files: https://genome.ucsc.edu/FAQ/FAQformat.html#format7."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curricula import InputError
from trainers.genome.fasta import Piece

_SIGNATURE = 0x1A412743
_AT_ONCE = 1 << 19  # bases; a multiple of 4
_LETTERS = np.frombuffer(b"TCAG", np.uint8)  # in the order of the codes 0..3
_FOUR_LETTERS = _LETTERS[np.arange(256)[:, None] >> np.array([6, 4, 2, 0]) & 3].copy().view(np.uint32).ravel()


def is_twobit(path: Path) -> bool:
    """Whether a file begins as a .2bit file does, in either byte order."""
    with open(path, "rb") as file:
        start = file.read(4)
    return start in (struct.pack("<I", _SIGNATURE), struct.pack(">I", _SIGNATURE))


class TwoBit:
    """One .2bit file, mapped."""

    def __init__(self, path: Path) -> None:
        """Read the index.

        Raises:
            InputError: the file is truncated, or of a version that is not known.
        """
        self.path = path
        self._bytes: NDArray[np.uint8] = np.memmap(path, np.uint8, mode="r")
        self._order = "<" if int.from_bytes(self._bytes[:4].tobytes(), "little") == _SIGNATURE else ">"
        version, sequences, _ = self._numbers(4, 3)
        if version > 1:
            raise InputError(f"a .2bit file must be of version 0 or 1, but {path} is of version {version}")
        self._offset_kind = "u8" if version else "u4"
        self._index = self._read_index(int(sequences))
        self.size = len(self._bytes)
        self.read_bytes = 0

    def _slice(self, at: int, size: int) -> NDArray[np.uint8]:
        if at + size > len(self._bytes):
            raise InputError(f"the .2bit file {self.path} is truncated: it ends at byte {len(self._bytes)}")
        return self._bytes[at : at + size]

    def _numbers(self, at: int, count: int, kind: str = "u4") -> NDArray[np.int64]:
        width = int(kind[1])
        return self._slice(at, width * count).view(f"{self._order}{kind}").astype(np.int64)

    def _read_index(self, sequences: int) -> list[tuple[str, int]]:
        index, at = [], 16
        width = int(self._offset_kind[1])
        for _ in range(sequences):
            length = int(self._slice(at, 1)[0])
            name = self._slice(at + 1, length).tobytes().decode(errors="replace")
            index.append((name, int(self._numbers(at + 1 + length, 1, self._offset_kind)[0])))
            at += 1 + length + width
        return index

    def pieces(self) -> Iterator[Piece]:
        """Yield the letters, contig by contig: N where the file marks blocks of N, lower case where it masks.

        Raises:
            InputError: the file is truncated.
        """
        for name, record in self._index:
            (length,) = self._numbers(record, 1)
            unknown, masks_at = self._blocks(record + 4)
            masked, reserved_at = self._blocks(masks_at)
            at = reserved_at + 4
            self._slice(at, -(-int(length) // 4))
            yield Piece(name, b"", b"", (self.path, 0))
            for first in range(0, int(length), _AT_ONCE):
                last = min(first + _AT_ONCE, int(length))
                packed = self._bytes[at + first // 4 : at + -(-last // 4)]
                letters = np.take(_FOUR_LETTERS, packed).view(np.uint8)[: last - first]
                for start, end in _within(unknown, first, last):
                    letters[start:end] = ord("N")
                for start, end in _within(masked, first, last):
                    letters[start:end] |= 32
                raw = letters.tobytes()
                self.read_bytes = at + -(-last // 4)
                yield Piece(name, raw, raw, (self.path, 0))

    def _blocks(self, at: int) -> tuple[NDArray[np.int64], int]:
        """Return [start, end) of the blocks that are listed here, shape (n, 2), and where the list ends."""
        (count,) = self._numbers(at, 1)
        starts = self._numbers(at + 4, int(count))
        sizes = self._numbers(at + 4 + 4 * int(count), int(count))
        return np.stack([starts, starts + sizes], axis=1), at + 4 + 8 * int(count)

    def close(self) -> None:
        """Forget the mapping."""
        self._bytes = np.empty(0, np.uint8)


def _within(blocks: NDArray[np.int64], first: int, last: int) -> list[list[int]]:
    """Return the blocks that reach into [first, last), cut to it and counted from `first`."""
    low = int(np.searchsorted(blocks[:, 1], first, side="right"))
    high = int(np.searchsorted(blocks[:, 0], last, side="left"))
    found: list[list[int]] = (blocks[low:high].clip(first, last) - first).tolist()
    return found
