"""`python -m trainers.prepare leaks`: which test sequences stand in the training DNA."""

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from trainers import storage
from trainers.files import written
from trainers.genome.leaks import SHORTEST, Leaks, find_leaks
from trainers.genome.split import Split
from trainers.tasks.folder import tasks_under
from trainers.tasks.task import tests_of


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "leaks",
        help="count the test sequences that stand in the training DNA",
        description="Look every test sequence up in the training DNA, exactly and as its reverse complement. Studies "
        "do it by themselves, and keep them out of the samples with data.exclude_test_windows.",
    )
    add_argument = parser.add_argument
    add_argument("genome", help="a corpus, FASTA or .2bit file, at s3:// or gs:// too, or `embedded`")
    add_argument("--tasks", default="embedded", metavar="ROOT", help="folder of tasks (default: the embedded ones)")
    add_argument(
        "--validation-share", type=float, default=0.0, help="share of blocks that are not training DNA (default: 0)"
    )
    add_argument("--block", type=int, default=1_000_000, help="bases in a block (default: 1000000)")
    add_argument("--margin", type=int, default=1_000, help="bases beside validation blocks left out (default: 1000)")
    add_argument("--seed", type=int, default=0, help="chooses the blocks, as the seed of a study does (default: 0)")
    add_argument("--out", type=Path, metavar="FILE", help="also write the numbers as JSON (default: no file)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print one line a task."""
    from trainers import data, embedded  # which load torch

    corpus = data.open_genome(options.genome)
    if options.tasks == data.EMBEDDED:
        tasks = [embedded.task(name) for name in embedded.TASKS]
    else:
        tasks = tasks_under(storage.local(options.tasks))
    training = corpus.known
    if options.validation_share:
        split = Split(options.block, options.validation_share, options.seed, options.margin)
        training = split.intervals(corpus)[0]
    leaks = find_leaks(corpus, training, tests_of(tasks))
    Console().print(table(leaks))
    if options.out is not None:
        written(options.out, json.dumps({"corpus": corpus.card, "leaks": leaks.card(excluded=False)}, indent=1))
        print(options.out)


def table(leaks: Leaks) -> Table:
    """Return the counts as a table."""
    shown = Table(title="test sequences that stand in the training DNA", title_justify="left")
    shown.add_column("task")
    for name in ("test", f"under {SHORTEST} bases", "with N", "found"):
        shown.add_column(name, justify="right")
    for name, leak in leaks.by_task.items():
        shown.add_row(name, *(f"{count:,}" for count in (leak.windows, leak.too_short, leak.ambiguous, leak.found)))
    return shown
