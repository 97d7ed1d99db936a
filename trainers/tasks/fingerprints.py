"""Fingerprints of published tasks, without their sequences: `python -m trainers.tasks.fingerprints FOLDER`.

A split has the SHA-256 of its rows and one check byte a row. The SHA-256 says whether anything differs; the bytes say
where. A byte is `(label + 1) + sum over positions p from 1 of letter * 6**p`, modulo the prime 251, with A C G T N as
1 .. 5. No factor is 0 modulo 251, so one changed letter or label changes the byte of its row, always.

FOLDER holds GUE's `<group>/<task>/{train,dev,test}.csv`; every GUE task in it goes into the one embedded file.
"""

import argparse
import functools
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curricula import InputError
from trainers.files import replacing
from trainers.tasks.task import SPLITS, Examples

FILE = Path(__file__).with_name("gue_fingerprints.parquet")
_PRIME = 251
_BASE = 6
_CODES = bytes(b"ACGTN".find(bytes([letter])) + 1 for letter in range(256))
_BLOCK = 4096  # rows whose products are held at once


@dataclass(frozen=True)
class Fingerprint:
    """The SHA-256 of a split's rows, as hex, and a check byte a row: shape (rows,)."""

    sha256: str
    checks: NDArray[np.uint8]


def sha256(examples: Examples) -> str:
    """Return the SHA-256 of the lines `SEQUENCE,label`, each ended by a line feed."""
    lines = (f"{sequence},{label}\n" for sequence, label in zip(examples.sequences, examples.labels, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def checks(examples: Examples) -> NDArray[np.uint8]:
    """Return a check byte for each row, shape (rows,); see the module for the sum."""
    parts = [np.zeros(0, dtype=np.uint8)]
    for start in range(0, len(examples), _BLOCK):
        sequences = examples.sequences[start : start + _BLOCK]
        lengths = np.array([len(sequence) for sequence in sequences])
        letters = np.frombuffer("".join(sequences).encode("ascii", "replace").translate(_CODES), dtype=np.uint8)
        starts = np.cumsum(lengths) - lengths
        positions = np.arange(len(letters)) - np.repeat(starts, lengths)
        powers = np.array([pow(_BASE, exponent, _PRIME) for exponent in range(1, _PRIME)], dtype=np.int64)
        sums = np.concatenate([[0], np.cumsum(letters * powers[positions % (_PRIME - 1)])])
        labels = examples.labels[start : start + _BLOCK] + 1
        parts.append(((sums[starts + lengths] - sums[starts] + labels) % _PRIME).astype(np.uint8))
    return np.concatenate(parts)


def first_difference(examples: Examples, known: Fingerprint) -> int | None:
    """Return the first row whose check byte differs, or that is missing or too many; None where none tells."""
    found = checks(examples)
    common = min(len(found), len(known.checks))
    differs = found[:common] != known.checks[:common]
    if differs.any():
        return int(differs.argmax())
    return common if len(found) != len(known.checks) else None


@functools.cache
def _embedded() -> dict[tuple[str, str], Fingerprint]:
    rows = pq.read_table(FILE).to_pylist()
    return {
        (row["task"], row["split"]): Fingerprint(row["sha256"], np.frombuffer(row["checks"], dtype=np.uint8))
        for row in rows
    }


def published(task: str, split: str) -> Fingerprint | None:
    """Return the embedded fingerprint of a split of a GUE task; None where the package has none."""
    return _embedded().get((task, split))


def build(folder: Path, target: Path = FILE) -> list[str]:
    """Write the fingerprints of every GUE task in a folder; return the tasks' names.

    Raises:
        InputError: there is none, or one is malformed or has other rows than GUE's table says.
    """
    from trainers.tasks.files import read_task
    from trainers.tasks.gue import TABLE

    names = [name for name in TABLE if (folder / name).is_dir()]
    if not names:
        raise InputError(f"the folder must hold GUE's <group>/<task>, but {folder} has none of them")
    rows = []
    for name in names:
        task = read_task(name, folder / name)
        for split, expected in zip(SPLITS, TABLE[name].rows, strict=True):
            examples = task.splits[split]
            if len(examples) != expected:
                raise InputError(f"{name} {split} must have {expected} rows, but {folder} has {len(examples)}")
            content = checks(examples).tobytes()
            rows.append({"task": name, "split": split, "sha256": sha256(examples), "checks": content})
    with replacing(target) as temporary:
        pq.write_table(pa.Table.from_pylist(rows), temporary, compression="none")
    return names


def main() -> int:
    """Write the embedded file; return 0, or 2 for refused input."""
    parser = argparse.ArgumentParser(prog="python -m trainers.tasks.fingerprints", description=__doc__)
    parser.add_argument("folder", type=Path, help="holds <group>/<task>/{train,dev,test}.csv")
    options = parser.parse_args()
    try:
        names = build(options.folder)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{FILE}: {FILE.stat().st_size:,} bytes for {', '.join(names)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
