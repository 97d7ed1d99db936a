"""Opens sequence files as streams, whatever they are compressed with."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from curricula import InputError

CHUNK = 1 << 19  # bytes of text looked at together: they and what is made of them stay in a core's cache
_COMPRESSIONS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}  # bgzip is gzip in many members


class Stream:
    """Decompressed bytes of one file; `read_bytes` of `size` bytes of the file itself are read so far."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            InputError: it is missing or cannot be read.
        """
        self.path = path
        try:
            with open(path, "rb") as file:
                start = file.read(4)
            self.size = path.stat().st_size
            self._file = pa.OSFile(str(path))
        except OSError as error:
            raise InputError(f"the sequence file {path} cannot be read: {error.strerror or error}") from error
        self._kind = next((name for magic, name in _COMPRESSIONS.items() if start.startswith(magic)), None)
        self._stream = pa.CompressedInputStream(self._file, self._kind) if self._kind else self._file

    @property
    def read_bytes(self) -> int:
        """How much of the file is read, in its own (compressed) bytes."""
        return int(self._file.tell())

    def chunks(self) -> Iterator[bytes]:
        """Yield the content in pieces of about `CHUNK` bytes, with every line end as one newline.

        Raises:
            InputError: the file is truncated or damaged.
        """
        held = b""  # a carriage return at the end of a piece, whose newline may come with the next
        while chunk := self.read(CHUNK):
            chunk, held = held + chunk, b""
            if b"\r" in chunk:
                if chunk.endswith(b"\r"):
                    chunk, held = chunk[:-1], b"\r"
                chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            if chunk:
                yield chunk
        if held:
            yield b"\n"

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer only at the end.

        Raises:
            InputError: the file is truncated or damaged.
        """
        try:
            return bytes(self._stream.read(size))
        except OSError as error:
            kind = f"{self._kind} file" if self._kind else "sequence file"
            raise InputError(f"the {kind} {self.path} is truncated or damaged: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self._file.close()
