"""`python -m trainers.prepare card PATH`: what a prepared file is and where it came from."""

import argparse
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curricula import InputError
from curricula.errors import one_line
from trainers import storage
from trainers.genome.corpus import Corpus

_CARD = b"card"
_FOLDER_CARDS = ("card.json", "provenance.json")  # of a task, of a study


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("card", help="print what a prepared file or folder is and where it came from")
    parser.add_argument(
        "path", help="a corpus, an NPMI table, a folder of tasks or of one task, a study; at s3:// or gs:// too"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print the card as JSON."""
    print(json.dumps(card_of(storage.local(options.path)), indent=1))


def card_of(path: Path) -> dict[str, Any]:
    """Return the card of a prepared file or folder; of a folder of tasks, all their cards by name.

    Raises:
        InputError: there is none.
    """
    try:
        if path.is_dir() and not any((path / name).exists() for name in _FOLDER_CARDS):
            return _cards_below(path)
        content: dict[str, Any] = json.loads(_raw(path))
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise InputError(f"a prepared file must carry a card, but {path} has none: {one_line(error)}") from error
    return content


def _cards_below(folder: Path) -> dict[str, Any]:
    found = {str(card.parent.relative_to(folder)): json.loads(card.read_bytes()) for card in folder.rglob("card.json")}
    if not found:
        raise InputError(f"a folder must hold a card.json, or tasks that do, but {folder} does not")
    return dict(sorted(found.items()))


def _raw(path: Path) -> bytes:
    if path.is_dir():
        return next(path / name for name in _FOLDER_CARDS if (path / name).exists()).read_bytes()
    if path.suffix == ".parquet":
        return bytes(pq.read_schema(path).metadata[_CARD])
    return json.dumps(Corpus.open(path).card).encode()
