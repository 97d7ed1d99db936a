"""Plain or gzip text, and FASTA files of short records with the line of each header."""

import gzip
import zlib
from pathlib import Path

from curricula import InputError
from curricula.errors import one_line


def lines_of(path: Path) -> list[bytes]:
    """Return the lines of a text file, plain or gzip, with their ends.

    Raises:
        InputError: it cannot be read, or a gzip file is damaged.
    """
    return content_of(path).splitlines(keepends=True)


def content_of(path: Path) -> bytes:
    """Return the bytes of a file; those of a gzip file unpacked.

    Raises:
        InputError: it cannot be read, or a gzip file is damaged.
    """
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"a task file must be readable, but {path} is not: {one_line(error)}") from error


def fasta_records(path: Path) -> tuple[list[str], list[str], list[int]]:
    """Return headers, sequences and header lines of a FASTA file of short records.

    Raises:
        InputError: it is not text, does not start with a header, or a record is empty.
    """
    headers: list[str] = []
    pieces: list[list[str]] = []
    lines: list[int] = []
    for number, raw in enumerate(lines_of(path), start=1):
        try:
            line = raw.decode().strip()
        except UnicodeDecodeError as error:
            raise InputError(f"a FASTA file must be text, but {path}:{number} is not") from error
        if line.startswith(">"):
            headers.append(line[1:].strip())
            pieces.append([])
            lines.append(number)
        elif line and not headers:
            raise InputError(f"a FASTA file must start with `>`, but {path}:{number} is {line[:40]!r}")
        elif line:
            pieces[-1].append(line)
    sequences = ["".join(parts) for parts in pieces]
    for place, sequence in zip(lines, sequences, strict=True):
        if not sequence:
            raise InputError(f"a FASTA record must have letters, but the one at {path}:{place} has none")
    return headers, sequences, lines
