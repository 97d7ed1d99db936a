"""`python -m trainers.prepare fasta`: from a corpus file back to FASTA, in normal form."""

import argparse
from pathlib import Path

from trainers.files import replacing
from trainers.genome.corpus import Corpus


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "fasta",
        help="a corpus file back to FASTA",
        description="Write the normal form of what a corpus was made of: A C G T N, lower case where soft-masked.",
    )
    parser.add_argument("corpus", type=Path, help="a corpus file made by `prepare genome`")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the FASTA file to write")
    parser.add_argument("--width", type=int, default=60, help="letters a line; 0 for one line a contig (default: 60)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write the file."""
    corpus = Corpus.open(options.corpus)
    with replacing(options.out) as temporary, open(temporary, "wb") as file:
        for contig in corpus.contigs:
            file.write(f">{contig.name}\n".encode())
            width = options.width or max(contig.length, 1)
            step = max(1, (1 << 20) // width) * width
            for first in range(contig.start, contig.start + contig.length, step):
                letters = corpus.letters(first, min(first + step, contig.start + contig.length))
                lines = (letters[at : at + width] for at in range(0, len(letters), width))
                file.write(b"\n".join(lines) + b"\n")
    print(options.out)
