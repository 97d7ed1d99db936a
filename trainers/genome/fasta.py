"""FASTA files as a stream of pieces, none larger than a chunk; a genome never lies in memory whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from curricula import InputError
from trainers.genome import bases
from trainers.genome.streams import Stream

_BLANKS = b"\n \t"


@dataclass(frozen=True)
class Piece:
    """Some letters of one contig.

    Attributes:
        contig: Its name; a contig without letters has one empty piece.
        letters: As they stand in the file, lower case too, without line ends and blanks.
        text: The same with line ends and blanks.
        where: The file and the line on which `text` begins.
    """

    contig: str
    letters: bytes
    text: bytes
    where: tuple[Path, int]

    def refusal(self) -> InputError:
        """Return the error that names the first letter which is no nucleotide."""
        allowed = bytes(letter for letter in range(256) if bases.NORMAL[letter] != bases.NO_LETTER) + _BLANKS
        wrong = self.text.translate(None, delete=allowed)[:1]
        path, line = self.where
        line += self.text[: self.text.index(wrong)].count(b"\n")
        return InputError(
            f"a FASTA file may hold nucleotide letters only, but {path}:{line} has {wrong.decode('latin-1')!r}"
        )


def read_fasta(stream: Stream) -> Iterator[Piece]:
    """Yield the letters of a FASTA file, contig by contig.

    Raises:
        InputError: the file is empty, truncated, damaged, or does not begin with a header.
    """
    contig = None
    line = 1
    pending = b""  # a header whose line is not complete yet
    at_line_start = True
    for chunk in _from_the_first_line(stream):
        text, pending, at = pending + chunk, b"", 0
        while True:
            header = _next_header(text, at, at_line_start)
            body = text[at : header if header >= 0 else len(text)]
            if contig is not None and body:
                yield Piece(contig, _without_blanks(body), body, (stream.path, line))
            line += body.count(b"\n")
            if header < 0:
                at_line_start = text.endswith(b"\n")
                break
            end = text.find(b"\n", header)
            if end < 0:
                pending, at_line_start = text[header:], True
                break
            contig = _name(text[header:end], line)
            yield Piece(contig, b"", b"", (stream.path, line))
            at, at_line_start, line = end + 1, True, line + 1
    if pending:
        yield Piece(_name(pending, line), b"", b"", (stream.path, line))


def _next_header(text: bytes, at: int, at_line_start: bool) -> int:
    """Return where the next line that begins with `>` begins; -1 where there is none."""
    if at_line_start and text[at : at + 1] == b">":
        return at
    found = text.find(b"\n>", at)
    return found + 1 if found >= 0 else -1


def _from_the_first_line(stream: Stream) -> Iterator[bytes]:
    """Refuse what does not begin as FASTA, before anything is made of it."""
    chunks = stream.chunks()
    first = next((chunk for chunk in chunks if chunk.strip()), b"")
    if not first:
        raise InputError(f"a FASTA file must hold at least one sequence, but {stream.path} is empty")
    if not first.startswith(b">"):
        raise InputError(f"a FASTA file must start with `>`, but {stream.path} starts with {first[:20]!r}")
    yield first
    yield from chunks


def _without_blanks(text: bytes) -> bytes:
    letters = text.replace(b"\n", b"")
    return letters.translate(None, delete=b" \t") if b" " in letters or b"\t" in letters else letters


def _name(header: bytes, line: int) -> str:
    words = header[1:].split()
    return words[0].decode(errors="replace") if words else f"unnamed_line_{line}"
