"""`python -m trainers.prepare genome`: from FASTA or .2bit to one corpus file."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from curricula import InputError
from trainers.genome import assemblies
from trainers.genome.corpus import Corpus
from trainers.genome.ingest import Progress as OnProgress
from trainers.genome.ingest import ingest, made_from
from trainers.settings import Repeats

_LEFT = TimeRemainingColumn()
_SUFFIXES = (".gz", ".bgz", ".zst", ".bz2", ".fa", ".fna", ".fasta", ".2bit")


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "genome",
        help="FASTA or .2bit to one memory-mapped corpus file",
        description="Write one Arrow file of two bits a base, with its provenance, which `data.genome` of a spec and "
        "`trainers.pretrain --genome` take. Letters other than A, C, G, T become N; no sample ever crosses N.",
    )
    parser.add_argument(
        "fasta", nargs="*", type=Path, help="FASTA (plain, gzip, bgzip, zstd, bzip2) or UCSC .2bit, read in this order"
    )
    parser.add_argument(
        "--assembly", choices=sorted(assemblies.ASSEMBLIES), help="download this assembly instead (default: none)"
    )
    parser.add_argument(
        "--mirror", metavar="URL", help="server with the same layout as the assembly's own (default: its own)"
    )
    parser.add_argument("--out", type=Path, default=Path("genomes"), metavar="DIR", help="folder (default: genomes)")
    parser.add_argument(
        "--name", help="name of the corpus file, without .arrow (default: the assembly's or first file's)"
    )
    parser.add_argument(
        "--contigs",
        nargs="+",
        default=[],
        metavar="NAME",
        help="contigs to take: names, or patterns such as 'chr?' (default: all)",
    )
    parser.add_argument(
        "--repeats",
        choices=get_args(Repeats),
        default="keep",
        help="soft-masked (lower-case) bases: read like others, never read, or at half weight, by samples and NPMI "
        "alike; a spec's data.repeats can say otherwise (default: keep)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Prepare the corpus and say where it is."""
    if bool(options.fasta) == bool(options.assembly):
        raise InputError("name either sequence files or --assembly, and not both")
    if options.assembly:
        assembly = assemblies.ASSEMBLIES[options.assembly]
        with progress("downloading") as on_progress:
            file = assemblies.fetch(options.assembly, options.out, options.mirror, on_progress)
        files, source = [file], {"source": assembly.source, "url": assembly.url}
    else:
        files, source = options.fasta, {"source": " ".join(str(file) for file in options.fasta)}
    path = options.out / f"{options.name or options.assembly or _stem(files[0])}.arrow"
    if path.exists():
        _check_same(path, made_from(files, options.contigs, options.repeats))
        print(f"{path} is there already, made of the same files")
        card = Corpus.open(path).card
    else:
        with progress("reading") as on_progress:
            card = ingest(
                files, path, source, contigs=options.contigs, repeats=options.repeats, on_progress=on_progress
            )
    print(in_words(card))
    print(f"corpus  {path}  ({path.stat().st_size / 1e6:,.1f} MB); use it: --set data.genome={path}")


def _stem(file: Path) -> str:
    name = file.name
    while (suffix := Path(name).suffix) in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def _check_same(path: Path, made_of: dict[str, Any]) -> None:
    """Refuse to write over a corpus that was made of something else."""
    card = Corpus.open(path).card
    for key in ("files", "chosen_contigs", "repeats"):
        if card.get(key) != made_of[key]:
            raise InputError(
                f"{path} is there already, with {key} {card.get(key)} instead of {made_of[key]}; "
                "give another --name or --out, or remove it"
            )


def in_words(card: dict[str, Any]) -> str:
    """Return what a corpus holds, in one line."""
    counts = card["counts"]
    known = sum(counts[letter] for letter in "ACGT")
    share = (counts["G"] + counts["C"]) / known
    masked = f"{card['soft_masked_share']:.1%} soft-masked ({card['repeats']})"
    return (
        f"{len(card['contigs']):,} contigs, {known:,} bases A C G T ({share:.1%} GC), {counts['N']:,} N, {masked}, "
        f"SHA-256 {card['sha256'][:12]}..."
    )


@contextmanager
def progress(what: str) -> Iterator[OnProgress]:
    """Show bytes done, speed and time left on a terminal; nothing elsewhere."""
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), _LEFT)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)

        def show(done: int, size: int | None) -> None:
            bar.update(task, completed=done, total=size)

        yield show
