"""The DNA inside the package is what its cards say, and what can be made again from the originals."""

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from curricula import InputError
from trainers import embedded
from trainers.embedded import FOLDER, GENOME, TASKS
from trainers.genome.corpus import Corpus

NAMES = (GENOME, *TASKS)


def file_of(name: str, folder: Path = FOLDER) -> Path:
    return folder / f"{name}{'.arrow' if name == GENOME else '.parquet'}"


@pytest.mark.parametrize("name", NAMES)
def test_every_file_has_a_card_with_source_licence_and_its_hash(name):
    card = embedded.card(name)
    assert card["name"] == name
    assert card["source"]
    assert card["licence"]
    assert card["sha256"] == hashlib.sha256(file_of(name).read_bytes()).hexdigest()


def test_nothing_else_is_embedded_and_all_of_it_is_small():
    files = [path for path in FOLDER.iterdir() if path.suffix in (".arrow", ".parquet", ".json")]
    assert {path.name for path in files} == {name for each in NAMES for name in (file_of(each).name, f"{each}.json")}
    assert sum(path.stat().st_size for path in files) < 600_000


def test_the_genome_is_as_its_card_counts(genome):
    card = embedded.card(GENOME)
    assert genome.card["counts"] == card["counts"]
    assert genome.card["contigs"] == card["contigs"] == {"22:20000001-21000000": 1_000_000}
    assert genome.card["counts"]["N"] == 100_000
    assert genome.card["sha256"] == card["sequence_sha256"]
    assert genome.card["origin"] == card["source"]


@pytest.mark.parametrize(("name", "classes", "length"), [("splice_junctions", 3, 60), ("promoters_ecoli", 2, 57)])
def test_tasks_are_as_their_cards_count(name, classes, length):
    task, card = embedded.task(name), embedded.card(name)
    assert (task.name, task.classes) == (name, classes)
    assert {split: len(examples) for split, examples in task.splits.items()} == {
        split: card["counts"][split] for split in ("train", "dev", "test")
    }
    assert {len(sequence) for examples in task.splits.values() for sequence in examples.sequences} == {length}


@pytest.mark.parametrize("name", TASKS)
def test_no_sequence_occurs_twice_within_or_across_splits(name):
    sequences = [sequence for examples in embedded.task(name).splits.values() for sequence in examples.sequences]
    assert len(sequences) == len(set(sequences))


@pytest.mark.parametrize("name", TASKS)
def test_every_split_has_the_classes_in_nearly_the_same_shares(name):
    splits = embedded.task(name).splits
    shares = {split: pd.Series(examples.labels).value_counts(normalize=True) for split, examples in splits.items()}
    for label, share in shares["train"].items():
        assert shares["dev"][label] == pytest.approx(share, abs=0.02)
        assert shares["test"][label] == pytest.approx(share, abs=0.02)


def test_splice_junctions_have_their_signals():
    train = embedded.task("splice_junctions").splits["train"]
    for label, place, signal in ((1, 30, "GT"), (2, 28, "AG")):
        found = [
            sequence[place : place + 2] == signal
            for sequence, of in zip(train.sequences, train.labels, strict=True)
            if of == label
        ]
        assert sum(found) / len(found) > 0.95


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_byte_is_refused_with_both_hashes(name, tmp_path):
    shutil.copy(FOLDER / f"{name}.json", tmp_path)
    changed = bytearray(file_of(name).read_bytes())
    changed[len(changed) // 2] ^= 1
    file_of(name, tmp_path).write_bytes(changed)
    found, expected = hashlib.sha256(changed).hexdigest(), embedded.card(name)["sha256"]
    with pytest.raises(InputError, match=rf"{name}\.\w+ has SHA-256 {found} and its card expects {expected}"):
        embedded.genome(tmp_path) if name == GENOME else embedded.task(name, tmp_path)


def test_an_unknown_task_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"no embedded task `splice` \(did you mean `splice_junctions`\?\)"):
        embedded.task("splice")


def test_the_genome_equals_its_original(shared, genome):
    lines = gzip.decompress((shared / "data/demo" / f"{GENOME}.fa.gz").read_bytes()).decode().splitlines()
    assert lines[0].split()[0] == f">{genome.contigs[0].name}"
    assert genome.letters(0, genome.length).decode() == "".join(lines[1:])


@pytest.mark.parametrize("name", TASKS)
def test_tasks_equal_their_originals(name, shared):
    original = pd.read_csv(shared / "data/demo" / f"{name}.csv")
    labels = original.groupby("sequence")["label"].agg(set)
    embedded_rows = {
        sequence: {int(label)}
        for examples in embedded.task(name).splits.values()
        for sequence, label in zip(examples.sequences, examples.labels, strict=True)
    }
    assert embedded_rows == {sequence: of for sequence, of in labels.items() if len(of) == 1}


def test_build_makes_the_same_files_again(shared, tmp_path):
    command = [sys.executable, "-m", "trainers.embedded.build", str(shared / "data/demo"), "--out", str(tmp_path)]
    subprocess.run(command, cwd=FOLDER.parents[1], check=True, timeout=300)
    for name in NAMES:
        made, kept = file_of(name, tmp_path), file_of(name)
        if name == GENOME:
            found, expected = Corpus.open(made), embedded.genome()
            assert found.card == {**expected.card, "tool": found.card["tool"]}
            assert found.letters(0, found.length) == expected.letters(0, expected.length)
            continue
        assert pq.read_table(made).equals(pq.read_table(kept))
        if pq.read_metadata(made).created_by == pq.read_metadata(kept).created_by:  # the bytes name their writer
            assert made.read_bytes() == kept.read_bytes()
            assert json.loads((tmp_path / f"{name}.json").read_text()) == embedded.card(name)
