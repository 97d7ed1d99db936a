"""Writes a checkpoint or a published model as a folder that transformers loads: `python -m trainers.convert`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from curricula import InputError
from trainers.models.exported import card_of_checkpoint, card_of_published, export, loading
from trainers.models.opened import is_checkpoint, opened


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.convert",
        description="Write a model as a folder that transformers' AutoModelForMaskedLM and AutoTokenizer load.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("checkpoint", help="a checkpoint folder (step-...); or a published model: a folder, or a name on the hub")
    add("out", type=Path, help="folder to write; new or empty")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert and return the exit code: 0 done, 2 refused input."""
    options = _parser().parse_args(arguments)
    try:
        _convert(options.checkpoint, options.out)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _convert(place: str, out: Path) -> None:
    pretrained = opened(place)
    card = card_of_checkpoint(Path(place), pretrained) if is_checkpoint(place) else card_of_published(place, pretrained)
    export(pretrained, out, card)
    lines = (line.partition("  #")[0] for line in loading(pretrained, str(out)).splitlines())
    print(f"load it with: {'; '.join(lines)}")


if __name__ == "__main__":
    sys.exit(main())
