"""From a genome to what a run reads: a mapped corpus, its difficulty table, and the two kinds of windows."""

import dataclasses
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from curricula import InputError
from trainers import embedded, storage
from trainers.files import replacing
from trainers.genome.corpus import Corpus
from trainers.genome.ingest import cached
from trainers.genome.intervals import NONE, Intervals
from trainers.genome.intervals import subtract as without
from trainers.genome.sampling import Sampler
from trainers.genome.split import Split
from trainers.genome.windows import Windows
from trainers.masking.difficulty import Difficulty
from trainers.masking.masker import Masker
from trainers.pretraining.batches import VALIDATION_MASKING, VALIDATION_SEED, masked_batch
from trainers.settings import Budget, DataSettings, NpmiFormula, Repeats
from trainers.tokens.kmers import SPECIAL_TOKENS, KmerTokenizer

EMBEDDED = "embedded"
_CORPUS, _DIFFICULTY, _EXCLUDED, _CARDS = "corpus.arrow", "difficulty.parquet", "excluded.parquet", "provenance.json"
_PREPARED = ".arrow"


@dataclass(frozen=True)
class PretrainData:
    """What a run reads: training samples, validation windows and the difficulty table of the corpus."""

    training: Sampler
    validation: Windows
    difficulty: Difficulty
    validation_rows: int


def open_genome(genome: str) -> Corpus:
    """Map the embedded genome, a prepared corpus (`.arrow`), or a FASTA or .2bit file, which is prepared on the way.

    Either may lie at s3:// or gs://; then a copy is kept on this machine.

    Raises:
        InputError: the file cannot be used; the message says why.
    """
    if genome == EMBEDDED:
        return embedded.genome()
    return Corpus.open(storage.local(genome) if _is_prepared(genome) else cached(genome))


def _is_prepared(genome: str) -> bool:
    return genome.partition("?")[0].endswith(_PREPARED)


def windows(corpus: Corpus, settings: DataSettings, excluded: Intervals = NONE) -> tuple[Sampler, Windows]:
    """Return training samples and validation windows of `length` k-mers.

    Args:
        corpus: The DNA.
        settings: How it is divided and sampled.
        excluded: Stretches that are not trained on.

    Raises:
        InputError: the corpus has no room for a window.
    """
    training, validation = divided(corpus, settings)
    sampler = Sampler(
        corpus,
        without(training, excluded),
        settings.k,
        settings.length,
        settings.sampling,
        repeats_of(corpus, settings),
    )
    return sampler, Windows(corpus, validation, settings.length + settings.k - 1, "validation")


def divided(corpus: Corpus, settings: DataSettings) -> tuple[Intervals, Intervals]:
    """Return the N-free intervals of training and of validation."""
    split = Split(
        settings.block, settings.validation_share, settings.seed, settings.margin, settings.validation_contigs
    )
    return split.intervals(corpus)


def repeats_of(corpus: Corpus, settings: DataSettings) -> Repeats:
    """Return what is done with soft-masked bases: what the settings say, or what the corpus was prepared for."""
    prepared: Repeats = corpus.card.get("repeats", "keep")
    return settings.repeats or prepared


def formula_of(corpus: Corpus, settings: DataSettings) -> NpmiFormula:
    """Return the formula of the difficulty table, with what is done with soft-masked bases."""
    return dataclasses.replace(settings.npmi, repeats=repeats_of(corpus, settings))


def difficulty_of(corpus: Corpus, settings: DataSettings) -> Difficulty:
    """Return the table that the settings name, or count the corpus.

    Raises:
        InputError: the table is of another corpus, k or formula.
    """
    formula = formula_of(corpus, settings)
    if settings.difficulty is None:
        return Difficulty.of(corpus, settings.k, formula)
    return Difficulty.open(storage.local(settings.difficulty), settings.k, corpus.card["sha256"], formula)


def prepare(
    corpus: Corpus,
    settings: DataSettings,
    folder: Path,
    excluded: Intervals = NONE,
    cards: dict[str, Any] | None = None,
) -> None:
    """Write to `folder`, once, what workers load from there: corpus, difficulty table, excluded stretches, cards.

    A corpus that a file name or address leads to is not copied.

    Raises:
        InputError: the folder holds another corpus, or a table of another k or formula; or a window does not fit.
    """
    corpus = _kept(corpus, settings, folder)
    with replacing(folder / _EXCLUDED) as temporary:
        pq.write_table(pa.table({"start": excluded[:, 0], "end": excluded[:, 1]}), temporary)
    if not (folder / _DIFFICULTY).exists():
        difficulty_of(corpus, settings).save(folder / _DIFFICULTY)
    prepared = _assembled(corpus, settings, folder)
    guess = unigram_loss(prepared, settings.k)
    with replacing(folder / _CARDS) as temporary:
        every = {"corpus": corpus.card, "difficulty": prepared.difficulty.card, "unigram_loss": guess, **(cards or {})}
        temporary.write_text(json.dumps(every, indent=1))


def _kept(corpus: Corpus, settings: DataSettings, folder: Path) -> Corpus:
    """Return the corpus that the folder keeps or names; a genome given as sequence is kept in it."""
    own = folder / _CORPUS
    if not own.exists() and settings.genome != EMBEDDED and not _is_prepared(settings.genome):
        if corpus.path is None:
            corpus.save(own)
        else:
            with replacing(own) as temporary:
                _link_or_copy(corpus.path, temporary)
    known = _corpus_of(settings, folder)
    if known.card["sha256"] != corpus.card["sha256"]:
        raise InputError(f"{folder} holds the corpus of another genome than {settings.genome}; use another folder")
    return known


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _corpus_of(settings: DataSettings, folder: Path) -> Corpus:
    own = folder / _CORPUS
    return Corpus.open(own) if own.exists() else open_genome(settings.genome)


def load(settings: DataSettings, folder: Path) -> tuple[PretrainData, str]:
    """Load what `prepare` wrote.

    Returns:
        The data, and a SHA-256 of the corpus, its division into training and rest, and how it is sampled.

    Raises:
        InputError: the corpus is no longer the one that the folder was prepared for.
    """
    corpus = _corpus_of(settings, folder)
    prepared = json.loads((folder / _CARDS).read_text())["corpus"]["sha256"]
    if corpus.card["sha256"] != prepared:
        raise InputError(
            f"a study goes on with the genome it began with, but {settings.genome} has SHA-256 "
            f"{corpus.card['sha256'][:12]}... and {folder} was prepared for {prepared[:12]}..."
        )
    excluded = _excluded(folder)
    identity = [
        corpus.card["sha256"],
        corpus.card["soft_masked_sha256"],
        repeats_of(corpus, settings),
        hashlib.sha256(excluded.tobytes()).hexdigest(),
        [settings.block, settings.validation_share, settings.validation_rows, settings.seed, settings.margin],
        settings.validation_contigs,
        dataclasses.asdict(settings.sampling),
    ]
    return _assembled(corpus, settings, folder), hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def _assembled(corpus: Corpus, settings: DataSettings, folder: Path) -> PretrainData:
    training, validation = windows(corpus, settings, _excluded(folder))
    formula = formula_of(corpus, settings)
    difficulty = Difficulty.open(folder / _DIFFICULTY, settings.k, corpus.card["sha256"], formula)
    return PretrainData(training, validation, difficulty, settings.validation_rows)


def _excluded(folder: Path) -> Intervals:
    table = pq.read_table(folder / _EXCLUDED)
    return np.stack([table["start"].to_numpy(), table["end"].to_numpy()], axis=1).astype(np.int64)


def unigram_loss(data: PretrainData, k: int) -> float:
    """Cross-entropy on the fixed validation masks of a guess from k-mer frequencies alone, in nats a token."""
    tokenizer = KmerTokenizer(k)
    samples_B = torch.arange(data.validation_rows)
    ids_BT = tokenizer.ids(data.validation.sample(VALIDATION_SEED, samples_B))
    masker = Masker(data.difficulty, Budget.MATCHED, VALIDATION_SEED, ids_BT)
    batch = masked_batch(tokenizer, masker, ids_BT, VALIDATION_MASKING, samples_B)
    return data.difficulty.unigram_loss((batch.labels_M - len(SPECIAL_TOKENS)).numpy())
