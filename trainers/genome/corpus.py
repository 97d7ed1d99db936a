"""The DNA that a model reads: contigs end to end in one memory-mapped Arrow file, four bases a byte.

The file is one record batch of one row. Its first column holds the packed bases, which are written before their number
is known; so the frame that Arrow puts around them is written last, into the room that was left for it.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from curricula import InputError
from trainers.files import replacing
from trainers.genome import bases
from trainers.genome.fasta import Piece
from trainers.genome.intervals import Intervals, subtract
from trainers.genome.writer import Contents, pack_all

FORMAT = 2
_EMPTY = Contents({}, np.zeros((1, 2), np.int64), np.zeros((1, 2), np.int64), "", {})


@dataclass(frozen=True)
class Contig:
    """One sequence of the assembly: its name and where it lies in the contigs laid end to end."""

    name: str
    start: int
    length: int


class Corpus:
    """Contigs laid end to end, two bits a base, with a provenance card; `open` maps it, nothing is copied.

    Attributes:
        length: Bases of all contigs, N included.
        known: Stretches of A, C, G, T as [start, end), shape (n, 2); none spans two contigs.
        repeats: Soft-masked stretches, shape (n, 2).
        card: Source, SHA-256 of the normal form, contigs, counts of letters, soft-masked share.
    """

    def __init__(
        self, packed: NDArray[np.uint8], known: Intervals, repeats: Intervals, card: dict[str, Any], path: Path | None
    ) -> None:
        self._packed, self.known, self.repeats, self.card, self.path = packed, known, repeats, card, path
        lengths = list(card["contigs"].values())
        starts = np.cumsum([0, *lengths]).tolist()
        self.contigs = tuple(
            Contig(name, start, length) for name, start, length in zip(card["contigs"], starts, lengths, strict=False)
        )
        self.length = int(starts[-1])

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as a path, where there is one."""
        if self.path is not None:
            return Corpus.open, (self.path,)
        return Corpus, (self._packed, self.known, self.repeats, self.card, None)

    @classmethod
    def of(cls, pieces: Iterable[Piece], source: dict[str, Any]) -> "Corpus":
        """Build a small corpus in memory.

        Raises:
            InputError: what the pieces hold is no genome.
        """
        packed: list[bytes] = []
        contents = pack_all(pieces, packed.append, str(source.get("source")))
        flat = np.frombuffer(b"".join(packed), np.uint8)
        card = contents.card({**source, "format": FORMAT})
        return cls(flat, contents.known, contents.repeats, card, None)

    @classmethod
    def open(cls, path: Path) -> "Corpus":
        """Map a saved corpus into memory; nothing is copied.

        Raises:
            InputError: the file is missing, is no corpus, or is of another format.
        """
        if not path.exists():
            raise InputError(f"the genome {path} does not exist; `python -m trainers.prepare genome` makes such a file")
        try:
            batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
            card = json.loads(batch.column("card")[0].as_py())
            packed = np.frombuffer(batch.column("packed").buffers()[2], np.uint8)
            known, repeats = (
                batch.column(name).flatten().to_numpy(zero_copy_only=True).reshape(-1, 2)
                for name in ("known", "repeats")
            )
        except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(f"{path} is not a saved corpus: {' '.join(str(error).split())}") from error
        if card.get("format") != FORMAT:
            raise InputError(
                f"a corpus must be of format {FORMAT}, but {path} is of format {card.get('format')}; prepare it again"
            )
        return cls(packed, known, repeats, card, Path(path))

    def save(self, path: Path) -> None:
        """Write a corpus that was built in memory."""
        contents = Contents(self.card["contigs"], self.known, self.repeats, self.card["sha256"], self.card["counts"])
        with replacing(path) as temporary, open(temporary, "wb") as file:
            file.seek(_room_in_front())
            file.write(self._packed.tobytes())
            _write_frame(file, len(self._packed), contents, self.card)

    def codes(self, start: int, end: int) -> NDArray[np.uint8]:
        """Return base codes, uint8, shape (end - start,); a place that is N holds any code."""
        first = start // 4
        return bases.unpack(self._packed[first : -(-end // 4)])[start - 4 * first : end - 4 * first]

    def codes_at(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the base codes at these positions, uint8, of the same shape."""
        shift = (6 - 2 * (positions & 3)).astype(np.uint8)
        codes: NDArray[np.uint8] = self._packed[positions >> 2] >> shift & np.uint8(3)
        return codes

    def read(self, starts: NDArray[np.int64], width: int) -> NDArray[np.uint8]:
        """Return base codes of windows, uint8, shape (len(starts), width); they must lie in known stretches.

        Whole bytes are copied row by row, unpacked, and copied again from where the window begins in its first byte.
        """
        span = (width + 6) // 4
        unpacked = bases.unpack(sliding_window_view(self._packed, span)[starts >> 2])
        begins = np.arange(len(starts)) * (4 * span) + (starts & 3)
        return sliding_window_view(unpacked.reshape(-1), width)[begins]

    def packed(self, first: int, last: int) -> NDArray[np.uint8]:
        """Return the packed bytes first .. last - 1: four bases each, the first in the highest bits."""
        return self._packed[first:last]

    def letters(self, start: int, end: int) -> bytes:
        """Return the letters in normal form: N where a base is not known, lower case where it is soft-masked."""
        codes = self.codes(start, end)
        inside = np.array([[start, end]], np.int64)
        for first, last in subtract(inside, _cut(self.known, start, end)) - start:
            codes[first:last] = bases.OTHER
        letters = np.frombuffer(bases.LETTERS.encode(), np.uint8)[codes]
        for first, last in _cut(self.repeats, start, end) - start:
            letters[first:last] |= 32
        return letters.tobytes()


def _cut(intervals: Intervals, start: int, end: int) -> Intervals:
    """Return what of the intervals lies in [start, end)."""
    low = int(np.searchsorted(intervals[:, 1], start, side="right"))
    high = int(np.searchsorted(intervals[:, 0], end, side="left"))
    return intervals[low:high].clip(start, end)


def write_corpus(path: Path, pieces: Iterable[Piece], source: dict[str, Any]) -> dict[str, Any]:
    """Stream a genome into a corpus file, which appears whole or not at all; return its card.

    Memory does not grow with the genome, but for its stretches of N and soft-masking (16 bytes each).

    Raises:
        InputError: what the pieces hold is no genome.
        OSError: the file cannot be written.
    """
    with replacing(path) as temporary, open(temporary, "wb") as file:
        room = _room_in_front()
        file.seek(room)
        contents = pack_all(pieces, file.write, str(source.get("source")))
        card = contents.card({**source, "format": FORMAT})
        _write_frame(file, file.tell() - room, contents, card)
    return card


class _Frame:
    """A sink that keeps what Arrow writes around one huge buffer, and where; the buffer itself it only counts."""

    closed = False

    def __init__(self, huge: pa.Buffer) -> None:
        self._huge, self._at = huge, 0
        self.parts: list[tuple[int, bytes]] = []
        self.huge_at = 0

    def write(self, data: Any) -> int:
        size = len(data)
        if isinstance(data, pa.Buffer) and data.address == self._huge.address:
            self.huge_at = self._at
        else:
            self.parts.append((self._at, bytes(data)))
        self._at += size
        return size

    def tell(self) -> int:
        return self._at

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False


def _frame(size: int, contents: Contents, card: dict[str, Any]) -> _Frame:
    """Let Arrow write the file around `size` packed bytes, for which untouched zero pages stand in."""
    zeros = pa.py_buffer(np.zeros(size, np.uint8))
    offsets = pa.py_buffer(np.array([0, size], np.int64))
    batch = pa.record_batch(
        {
            "packed": pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, offsets, zeros]),
            "known": _one_list(contents.known),
            "repeats": _one_list(contents.repeats),
            "card": pa.array([json.dumps(card)], pa.large_string()),
        }
    )
    frame = _Frame(zeros)
    with pa.ipc.new_file(pa.PythonFile(frame, mode="w"), batch.schema) as writer:
        writer.write_batch(batch)
    return frame


def _one_list(intervals: Intervals) -> pa.Array:
    flat = np.ascontiguousarray(intervals).ravel()
    return pa.LargeListArray.from_arrays(np.array([0, len(flat)], np.int64), pa.array(flat, pa.int64()))


def _room_in_front() -> int:
    """Return where the packed bytes begin: what stands before them has one size, whatever their number."""
    return _frame(1_234_567, _EMPTY, {}).huge_at


def _write_frame(file: BufferedWriter, size: int, contents: Contents, card: dict[str, Any]) -> None:
    frame = _frame(size, contents, card)
    assert frame.huge_at == _room_in_front()
    for at, part in frame.parts:
        file.seek(at)
        file.write(part)
