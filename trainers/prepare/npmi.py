"""`python -m trainers.prepare npmi`: the difficulty table of a corpus."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from trainers.settings import PUBLISHED, NpmiFormula, Parts, Repeats, Strands

if TYPE_CHECKING:
    from trainers.masking.difficulty import Difficulty


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "npmi",
        help="count the k-mers of a corpus and rank them by NPMI",
        description="Write one Parquet table with count, NPMI, rank and quantile of every k-mer, which "
        "`data.difficulty` of a spec takes. Studies make their own where they name none.",
    )
    add_argument = parser.add_argument
    add_argument("genome", help="a corpus, FASTA or .2bit file, at s3:// or gs:// too, or `embedded`")
    add_argument("--out", type=Path, required=True, metavar="FILE", help="the Parquet table to write")
    add_argument("--k", type=int, default=6, help="nucleotides in a k-mer, 1 to 8 (default: 6)")
    add_argument(
        "--parts", choices=get_args(Parts), default=PUBLISHED.parts, help="what a k-mer is compared with (default: all)"
    )
    add_argument(
        "--strands", choices=get_args(Strands), default=PUBLISHED.strands, help="strands counted (default: forward)"
    )
    add_argument(
        "--minimum-count", type=int, default=PUBLISHED.minimum_count, help="rarer k-mers rank last (default: 101)"
    )
    add_argument(
        "--repeats", choices=get_args(Repeats), help="soft-masked bases (default: what the corpus was prepared for)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write the table and show its ends."""
    from trainers import data  # which loads torch
    from trainers.masking.difficulty import Difficulty

    corpus = data.open_genome(options.genome)
    repeats = options.repeats or corpus.card["repeats"]
    formula = NpmiFormula(options.parts, options.strands, options.minimum_count, repeats)
    table = Difficulty.of(corpus, options.k, formula)
    table.save(options.out)
    print(f"{table.card['tokens']:,} k-mers counted; best {_named(table, 0)}; worst {_named(table, -1)}")
    print(f"NPMI table  {options.out}")


def _named(table: "Difficulty", end: int) -> str:
    from trainers.tokens.kmers import KmerTokenizer

    vocabulary = KmerTokenizer(table.k).vocabulary()[5:]
    order = table.rank.argsort()
    order = order[table.counts[order] >= table.card["minimum_count"]]
    if not len(order):
        return "none that is frequent"
    return f"{vocabulary[order[end]]} {table.npmi[order[end]]:.3f}"
