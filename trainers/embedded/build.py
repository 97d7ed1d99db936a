"""Makes the embedded files from their originals: `python -m trainers.embedded.build FOLDER_WITH_ORIGINALS`."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from trainers.embedded import FOLDER, GENOME
from trainers.files import sha256_of
from trainers.genome.ingest import ingest
from trainers.tasks.task import SPLITS

_SPLIT_SEED = 20240807
_SHARES = {"train": 0.6, "dev": 0.2, "test": 0.2}
_SOURCES: dict[str, dict[str, str]] = {
    GENOME: {
        "source": "Human chromosome 22, bases 20,000,001-21,000,000, as in Debian package hisat2, examples/reference",
        "licence": "public domain sequence",
    },
    "splice_junctions": {
        "source": "UCI Molecular Biology (Splice-junction Gene Sequences), as in Debian package r-cran-mlbench (DNA)",
        "licence": "CC BY 4.0",
        "labels": "0 neither, 1 exon/intron donor (GT at 30), 2 intron/exon acceptor (AG at 28)",
    },
    "promoters_ecoli": {
        "source": "UCI Molecular Biology (Promoter Gene Sequences), as in Debian package r-cran-kernlab",
        "licence": "CC BY 4.0",
        "labels": "0 no promoter, 1 promoter",
    },
}


def build_genome(original: Path, folder: Path) -> None:
    """Prepare the corpus as a user would."""
    path = folder / f"{GENOME}.arrow"
    source = {**_SOURCES[GENOME], "source": f"embedded {GENOME}", "origin": _SOURCES[GENOME]["source"]}
    found = ingest([original], path, source)
    facts = {"contigs": found["contigs"], "counts": found["counts"], "sequence_sha256": found["sha256"]}
    _write_card(GENOME, path, facts, folder)


def build_task(name: str, original: Path, folder: Path) -> None:
    """Remove duplicate sequences, then split every class by a seeded permutation."""
    rows = pd.read_csv(original)
    labels_of = rows.groupby("sequence")["label"].nunique()
    contradictory = set(labels_of.index[labels_of > 1])
    kept = rows[~rows["sequence"].isin(contradictory)].drop_duplicates("sequence").reset_index(drop=True)
    generator = np.random.default_rng(_SPLIT_SEED)
    split = np.empty(len(kept), dtype=object)
    for label in sorted(kept["label"].unique()):
        members = generator.permutation(np.flatnonzero(kept["label"] == label))
        ends = np.round(np.cumsum(list(_SHARES.values())) * len(members)).astype(int)
        for part, chosen in zip(SPLITS, np.split(members, ends[:-1]), strict=True):
            split[chosen] = part
    table = pa.table({"sequence": kept["sequence"].tolist(), "label": kept["label"].tolist(), "split": split.tolist()})
    counts: dict[str, Any] = {part: int((split == part).sum()) for part in SPLITS}
    counts |= {"original_rows": len(rows), "distinct_sequences": int(rows["sequence"].nunique())}
    counts["sequences_with_two_labels_removed"] = len(contradictory)
    _write(name, table, {"counts": counts, "split_seed": _SPLIT_SEED, "split_shares": _SHARES}, folder)


def _write(name: str, table: pa.Table, facts: dict[str, Any], folder: Path) -> None:
    path = folder / f"{name}.parquet"
    pq.write_table(table, path, compression="zstd", compression_level=19, use_dictionary=["label", "split"])
    _write_card(name, path, facts, folder)


def _write_card(name: str, path: Path, facts: dict[str, Any], folder: Path) -> None:
    card = {"name": name, **_SOURCES[name], "sha256": sha256_of(path), **facts}
    (folder / f"{name}.json").write_text(json.dumps(card, indent=1) + "\n")


def main() -> None:
    """Build all three files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("originals", type=Path, help="folder with chr22_20-21M.fa.gz and the two CSV files")
    parser.add_argument("--out", type=Path, default=FOLDER, help="where to write (default: into the package)")
    arguments = parser.parse_args()
    build_genome(arguments.originals / f"{GENOME}.fa.gz", arguments.out)
    for name in ("splice_junctions", "promoters_ecoli"):
        build_task(name, arguments.originals / f"{name}.csv", arguments.out)


if __name__ == "__main__":
    main()
