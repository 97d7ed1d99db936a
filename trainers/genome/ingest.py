"""From sequence files to a corpus file."""

import fnmatch
import hashlib
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from curricula import InputError
from curricula.errors import nearest
from trainers import storage
from trainers.genome.corpus import FORMAT, write_corpus
from trainers.genome.fasta import Piece, read_fasta
from trainers.genome.streams import Stream
from trainers.genome.twobit import TwoBit, is_twobit
from trainers.settings import Repeats

Progress = Callable[[int, int | None], None]  # bytes read and bytes in all, of the files as they are on disk


def ingest(
    files: Sequence[Path],
    path: Path,
    source: dict[str, Any],
    *,
    contigs: Sequence[str] = (),
    repeats: Repeats = "keep",
    on_progress: Progress = lambda done, size: None,
) -> dict[str, Any]:
    """Write one corpus file from FASTA (plain, gzip, bgzip, zstd, bzip2) and .2bit files; return its card.

    Args:
        files: Read in this order; contig names must differ over all of them.
        path: The corpus; it appears whole or not at all.
        source: Goes on the card: where the files came from.
        contigs: Names or shell patterns of the contigs to take; all where there are none.
        repeats: What studies do with soft-masked bases, unless they say otherwise.
        on_progress: Called now and then.

    Raises:
        InputError: a file cannot be read or is no DNA; or a pattern fits no contig.
        OSError: the corpus cannot be written.
    """
    made_of = made_from(files, contigs, repeats)
    return write_corpus(path, pieces_of(files, contigs, on_progress), {**source, **made_of})


def made_from(files: Sequence[Path], contigs: Sequence[str], repeats: Repeats) -> dict[str, Any]:
    """Return the part of a card by which a corpus that is there already is recognised.

    Raises:
        InputError: a file is missing.
    """
    try:
        sizes = {file.name: file.stat().st_size for file in files}
    except OSError as error:
        raise InputError(f"the sequence file {error.filename} cannot be read: {error.strerror}") from error
    tool = f"curriculum-study {version('curriculum-study')}"
    return {"files": sizes, "chosen_contigs": list(contigs), "repeats": repeats, "tool": tool}


def pieces_of(files: Sequence[Path], contigs: Sequence[str], on_progress: Progress) -> Iterator[Piece]:
    """Yield the letters of the chosen contigs of all files.

    Raises:
        InputError: a file cannot be read or is no DNA; or a pattern fits no contig.
    """
    fitted: set[str] = set()
    names: list[str] = []
    size = sum(file.stat().st_size for file in files)
    before = 0
    for file in files:
        opened, pieces = _opened(file)
        try:
            is_chosen = True
            for piece in pieces:
                if not piece.text:
                    found = [pattern for pattern in contigs if fnmatch.fnmatchcase(piece.contig, pattern)]
                    is_chosen = bool(found) or not contigs
                    fitted.update(found)
                    names.append(piece.contig)
                if is_chosen:
                    yield piece
                on_progress(before + opened.read_bytes, size)
        finally:
            opened.close()
        before += file.stat().st_size
    for pattern in contigs:
        if pattern not in fitted:
            raise InputError(f"`--contigs {pattern}` must fit a contig, but none does{nearest(pattern, names[:50])}")


def _opened(file: Path) -> tuple[Stream | TwoBit, Iterator[Piece]]:
    stream = Stream(file)
    if is_twobit(file):
        stream.close()
        twobit = TwoBit(file)
        return twobit, twobit.pieces()
    return stream, read_fasta(stream)


def cached(genome: str) -> Path:
    """Return the corpus of a sequence file, made anew only where the file has changed since; it lies in the cache.

    Raises:
        InputError: the file cannot be read or is no DNA.
    """
    file = storage.local(genome)
    try:
        stat = file.stat()
    except OSError as error:
        raise InputError(f"the sequence file {file} cannot be read: {error.strerror}") from error
    key = hashlib.sha256(f"{FORMAT} {file.resolve()} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:16]
    path = storage.cache_folder() / "genomes" / f"{file.name}-{key}.arrow"
    if not path.exists():
        ingest([file], path, {"source": genome})
    return path
