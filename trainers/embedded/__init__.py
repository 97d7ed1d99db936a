"""Real DNA inside the package: small, redistributable, each file with a provenance card and checked by hash."""

import json
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from curricula import InputError
from curricula.errors import nearest
from trainers.files import sha256_of
from trainers.genome.corpus import Corpus
from trainers.tasks.task import SPLITS, EvaluationTask, make_task

FOLDER = Path(__file__).parent
GENOME = "chr22_20-21M"
TASKS = ("splice_junctions", "promoters_ecoli")


def card(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Return the provenance card of an embedded file."""
    content: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return content


def _checked(name: str, suffix: str, folder: Path) -> Path:
    """Return the path of an embedded file that is the one its card describes."""
    path = folder / f"{name}{suffix}"
    found = sha256_of(path)
    expected = card(name, folder)["sha256"]
    if found != expected:
        raise InputError(
            f"an embedded file must be the one that its card describes, but {path.name} has SHA-256 {found} "
            f"and its card expects {expected}; install the package again"
        )
    return path


def genome(folder: Path = FOLDER) -> Corpus:
    """Return the embedded stretch of human chromosome 22.

    Raises:
        InputError: a byte of the file was changed.
    """
    return Corpus.open(_checked(GENOME, ".arrow", folder))


def task(name: str, folder: Path = FOLDER) -> EvaluationTask:
    """Return an embedded evaluation task.

    Raises:
        InputError: there is no such task, or a byte of its file was changed.
    """
    if name not in TASKS:
        raise InputError(f"there is no embedded task `{name}`{nearest(name, TASKS)}")
    table = pq.read_table(_checked(name, ".parquet", folder))
    parts = {split: table.filter(pc.equal(table["split"], split)).drop_columns("split") for split in SPLITS}
    return make_task(name, parts, {split: f"embedded {name} ({split})" for split in SPLITS})
