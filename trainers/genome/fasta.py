"""Reads FASTA files, plain or gzip-compressed."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curricula import InputError
from trainers.genome import bases


def read_fasta(path: Path) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield (contig name, base codes) for each record of a FASTA file.

    Raises:
        InputError: the file is missing, truncated, empty, or holds letters that are not nucleotides.
    """
    text = _decompressed(path).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not text.strip():
        raise InputError(f"a FASTA file must hold at least one sequence, but {path} is empty")
    if not text.startswith(b">"):
        raise InputError(f"a FASTA file must start with `>`, but {path} starts with {text[:20]!r}")
    line = 1
    seen: set[str] = set()
    for record in (b"\n" + text).split(b"\n>")[1:]:
        header, _, body = record.partition(b"\n")
        name = header.split()[0].decode(errors="replace") if header.strip() else f"unnamed_line_{line}"
        if name in seen:
            raise InputError(f"contig names must differ, but `{name}` occurs twice, the second time at {path}:{line}")
        seen.add(name)
        yield name, _codes(body, path, line + 1)
        line += record.count(b"\n") + 1


def _decompressed(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"the FASTA file {path} cannot be read: {error.strerror}") from error
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"the gzip file {path} is truncated or damaged: {error}") from error


def _codes(body: bytes, path: Path, first_line: int) -> NDArray[np.uint8]:
    codes = np.frombuffer(body.translate(bases.CODES, delete=b"\n \t"), dtype=np.uint8)
    if codes.size and codes.max() == bases.REFUSED:
        _refuse_letter(body, path, first_line)
    return codes


def _refuse_letter(body: bytes, path: Path, first_line: int) -> None:
    allowed = bytes(letter for letter in range(256) if bases.CODES[letter] != bases.REFUSED)
    for number, line in enumerate(body.split(b"\n"), start=first_line):
        wrong = line.translate(None, delete=allowed + b" \t")
        if wrong:
            letter = chr(wrong[0])
            raise InputError(f"a FASTA file may hold nucleotide letters only, but {path}:{number} has {letter!r}")
