"""Real DNA inside the package: small, redistributable, each file with a provenance card and checked by hash."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curricula import InputError
from curricula.errors import nearest
from trainers.genome import bases
from trainers.genome.corpus import Corpus
from trainers.tasks.task import SPLITS, EvaluationTask, make_task

FOLDER = Path(__file__).parent
GENOME = "chr22_20-21M"
TASKS = ("splice_junctions", "promoters_ecoli")


def card(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Return the provenance card of an embedded file."""
    content: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return content


def _read(name: str, folder: Path) -> pa.Table:
    raw = (folder / f"{name}.parquet").read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    expected = card(name, folder)["sha256"]
    if found != expected:
        raise InputError(
            f"an embedded file must be the one that its card describes, but {name}.parquet has SHA-256 {found} "
            f"and its card expects {expected}; install the package again"
        )
    return pq.read_table(pa.BufferReader(raw))


def genome(folder: Path = FOLDER) -> Corpus:
    """Return the embedded stretch of human chromosome 22.

    Raises:
        InputError: a byte of the file was changed.
    """
    row = _read(GENOME, folder).to_pylist()[0]
    packed = np.frombuffer(row["packed"], dtype=np.uint8)
    letters = np.stack([packed >> shift & 3 for shift in (6, 4, 2, 0)], axis=1).ravel()
    codes = np.full(row["length"], bases.OTHER, dtype=np.uint8)
    known = np.ones(row["length"], dtype=bool)
    for start, end in row["gaps"]:
        known[start:end] = False
    codes[known] = letters[: int(known.sum())]
    return Corpus.from_records([(row["contig"], codes)], {"source": f"embedded {GENOME}", "card": card(GENOME, folder)})


def task(name: str, folder: Path = FOLDER) -> EvaluationTask:
    """Return an embedded evaluation task.

    Raises:
        InputError: there is no such task, or a byte of its file was changed.
    """
    if name not in TASKS:
        raise InputError(f"there is no embedded task `{name}`{nearest(name, TASKS)}")
    table = _read(name, folder)
    parts = {split: table.filter(pc.equal(table["split"], split)).drop_columns("split") for split in SPLITS}
    return make_task(name, parts, {split: f"embedded {name} ({split})" for split in SPLITS})
