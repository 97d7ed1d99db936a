"""`python -m trainers.prepare card PATH`: what a prepared file is and where it came from."""

import argparse
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curricula import InputError
from trainers.genome.corpus import Corpus

_CARD = b"card"


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("card", help="print what a prepared file or folder is and where it came from")
    parser.add_argument("path", type=Path, help="a file made by `prepare`, or a folder with a card.json")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print the card as JSON."""
    print(json.dumps(card_of(options.path), indent=1))


def card_of(path: Path) -> dict[str, Any]:
    """Return the card of a prepared file or folder.

    Raises:
        InputError: there is none.
    """
    try:
        content: dict[str, Any] = json.loads(_raw(path))
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise InputError(f"a prepared file must carry a card, but {path} has none: {error}") from error
    return content


def _raw(path: Path) -> bytes:
    if path.is_dir():
        return (path / "card.json").read_bytes()
    if path.suffix == ".parquet":
        return bytes(pq.read_schema(path).metadata[_CARD])
    return json.dumps(Corpus.open(path).card).encode()
