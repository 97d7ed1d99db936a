"""The command `python -m trainers.prepare SUBCOMMAND ...`."""

import argparse
import sys
from collections.abc import Sequence

from curricula import InputError
from trainers.prepare import card, fasta, few_shot, genome, gue, leaks, npmi

SUBCOMMANDS = (genome, gue, few_shot, npmi, leaks, fasta, card)
INTERRUPTED = 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.prepare",
        description="Bring genomes and evaluation tasks into the form that runs read, checked and with their origin.",
    )
    subparsers = parser.add_subparsers(required=True, metavar="SUBCOMMAND")
    for module in SUBCOMMANDS:
        module.add(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; return 0, 2 for refused input or a place that cannot be written, 130 when interrupted."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # disk full, no permission: what is half written has a temporary name and is removed
        print(f"error: {error.filename or 'the output'} cannot be written: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command starts or goes on again", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
