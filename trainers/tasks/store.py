"""Prepared tasks on disk: `<folder>/{train,dev,test}.parquet` and a card that is written last."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curricula import InputError
from trainers.files import replacing, sha256_of, written
from trainers.tasks import fingerprints
from trainers.tasks.facts import facts
from trainers.tasks.task import SPLITS, EvaluationTask

_CARD = "card.json"
_SOURCE = "source.json"


def write(task: EvaluationTask, folder: Path, origin: Mapping[str, Any]) -> dict[str, Any]:
    """Write a task as Parquet, then its card; return the card.

    A card of an earlier version goes first, so that a folder with a card is whole at any time.

    Args:
        task: With train, dev and test.
        folder: Made where missing.
        origin: Source, licence, whether it was verified: goes on the card.
    """
    (folder / _CARD).unlink(missing_ok=True)
    files = {}
    for split in SPLITS:
        examples = task.splits[split]
        table = pa.table({"sequence": pa.array(examples.sequences, pa.string()), "label": examples.labels})
        path = folder / f"{split}.parquet"
        with replacing(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")
        files[path.name] = sha256_of(path)
    card = {
        "task": task.name,
        **origin,
        **task.card,
        **facts(task),
        "rows_sha256": {split: fingerprints.sha256(task.splits[split]) for split in SPLITS},
        "files_sha256": files,
    }
    written(folder / _CARD, json.dumps(card, indent=1) + "\n")
    return card


def finished(folder: Path, allow_modified: bool = False) -> dict[str, Any] | None:
    """Return the card of a whole, verified task; None where it is missing, damaged or (unless allowed) modified."""
    try:
        card: dict[str, Any] = json.loads((folder / _CARD).read_text())
        whole = all(sha256_of(folder / name) == expected for name, expected in card["files_sha256"].items())
        return card if whole and (card["verified"] or allow_modified) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def pinned(out: Path) -> dict[str, str]:
    """Return the commit of each data set from which this folder was filled, by repository.

    Raises:
        InputError: the file with them is damaged.
    """
    path = out / _SOURCE
    if not path.exists():
        return {}
    try:
        content: dict[str, str] = dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} must be JSON with a commit for each repository, but it is not; remove it") from error
    return content


def pin(out: Path, repo: str, commit: str) -> None:
    """Remember the commit from which this folder is filled."""
    known = pinned(out)
    if known.get(repo) == commit:
        return
    written(out / _SOURCE, json.dumps({**known, repo: commit}, indent=1) + "\n")


def locate(name: str, folder_names: Iterable[str], paths: Iterable[str]) -> str | None:
    """Return the folder of a task in a listing: `<group>/<task>` or one of its other names, however deep.

    Args:
        name: `<group>/<task>`.
        folder_names: Other names of its folder, the best first.
        paths: Of files, with `/`.
    """
    splits: dict[PurePosixPath, set[str]] = {}
    for path in map(PurePosixPath, paths):
        if path.suffix in (".csv", ".parquet") and path.stem in SPLITS:
            splits.setdefault(path.parent, set()).add(path.stem)
    whole = [folder for folder, found in splits.items() if len(found) == len(SPLITS)]
    reference = [folder for folder in whole if "/".join(folder.parts[-2:]) == name]
    candidates = [reference] + [[folder for folder in whole if folder.name == other] for other in folder_names]
    for found in candidates:
        if found:
            return min((str(folder) for folder in found), key=lambda folder: (folder.count("/"), folder))
    return None
