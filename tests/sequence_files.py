"""Sequence files in every form that people have, written by plain code of the tests' own."""

import bz2
import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa


def fasta(contigs: dict[str, str], width: int = 60, end: str = "\n") -> bytes:
    """Wrapped lines; an empty contig has none."""
    lines = []
    for name, letters in contigs.items():
        lines += [f">{name}", *(letters[at : at + width] for at in range(0, len(letters), width))]
    return (end.join(lines) + end).encode()


def bgzip(content: bytes) -> bytes:
    """Many small gzip members, the last one empty, as bgzip writes them."""
    return b"".join(gzip.compress(content[at : at + 700]) for at in range(0, len(content), 700)) + gzip.compress(b"")


def zstd(content: bytes) -> bytes:
    """Two frames, one after the other."""
    codec = pa.Codec("zstd")
    half = len(content) // 2
    return b"".join(codec.compress(part, asbytes=True) for part in (content[:half], content[half:]))


def _runs(letters: str, of: Callable[[str], bool]) -> list[tuple[int, int]]:
    """(start, size) of the stretches whose letters are of some kind."""
    found: list[tuple[int, int]] = []
    for at, letter in enumerate(letters):
        if of(letter):
            if found and sum(found[-1]) == at:
                found[-1] = (found[-1][0], found[-1][1] + 1)
            else:
                found.append((at, 1))
    return found


def two_bit(contigs: dict[str, str], order: str = "<", version: int = 0) -> bytes:
    """UCSC's format, from its description: T 0, C 1, A 2, G 3, the first base in the highest bits."""
    offset_kind = "Q" if version else "I"
    records = []
    for letters in contigs.values():
        blocks = b""
        for kind in (lambda letter: letter in "Nn", str.islower):
            runs = _runs(letters, kind)
            numbers = [len(runs), *(start for start, _ in runs), *(size for _, size in runs)]
            blocks += struct.pack(f"{order}{len(numbers)}I", *numbers)
        codes = ["TCAG".index(letter.upper()) if letter.upper() in "TCAG" else 0 for letter in letters]
        codes += [0] * (-len(codes) % 4)
        packed = bytes(
            codes[at] << 6 | codes[at + 1] << 4 | codes[at + 2] << 2 | codes[at + 3] for at in range(0, len(codes), 4)
        )
        records.append(struct.pack(f"{order}I", len(letters)) + blocks + struct.pack(f"{order}I", 0) + packed)
    index_size = sum(1 + len(name) + struct.calcsize(offset_kind) for name in contigs)
    at, index = 16 + index_size, b""
    for name, record in zip(contigs, records, strict=True):
        index += struct.pack("B", len(name)) + name.encode() + struct.pack(f"{order}{offset_kind}", at)
        at += len(record)
    return struct.pack(f"{order}4I", 0x1A412743, version, len(contigs), 0) + index + b"".join(records)


def every_form(folder: Path, contigs: dict[str, str]) -> dict[str, Path]:
    """Write the same genome in all forms; return the paths by form."""
    plain = fasta(contigs)
    contents = {
        "plain.fa": plain,
        "plain.fa.gz": gzip.compress(plain),
        "blocks.fa.gz": bgzip(plain),
        "plain.fa.zst": zstd(plain),
        "plain.fa.bz2": bz2.compress(plain),
        "little.2bit": two_bit(contigs),
        "big.2bit": two_bit(contigs, ">"),
        "long.2bit": two_bit(contigs, version=1),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}
