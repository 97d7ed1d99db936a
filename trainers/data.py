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

from curricula import InputError, Masking, Strategy
from trainers import embedded, storage
from trainers.files import replacing, sha256_of
from trainers.genome import bases
from trainers.genome.corpus import Corpus
from trainers.genome.ingest import cached
from trainers.genome.intervals import NONE, Intervals
from trainers.genome.intervals import subtract as without
from trainers.genome.sampling import Sampler
from trainers.genome.split import Split
from trainers.genome.windows import Windows
from trainers.masking.difficulty import Difficulty
from trainers.masking.rates import calibration_bases
from trainers.masking.rows import row_masker
from trainers.settings import VALIDATION_RATE, VALIDATION_SEED, Budget, DataSettings, NpmiFormula, Repeats
from trainers.tokens import bpe
from trainers.tokens.bpe import BpeTokenizer
from trainers.tokens.named import tokenizer
from trainers.tokens.tokenizer import Tokenizer

EMBEDDED = "embedded"
_CORPUS, _DIFFICULTY, _EXCLUDED, _CARDS = "corpus.arrow", "difficulty.parquet", "excluded.parquet", "provenance.json"
_PREPARED = ".arrow"
_BPE_BASES = 1 << 22  # that merges are learnt from: some seconds


@dataclass(frozen=True)
class PretrainData:
    """What a run reads: training samples, validation windows, the difficulty table of the corpus, and the tokenizer."""

    training: Sampler
    validation: Windows
    difficulty: Difficulty
    validation_rows: int
    tokenizer: Tokenizer


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


def trained_on(training: Windows) -> BpeTokenizer:
    """Return byte-pair encoding as learnt from evenly spaced windows, `_BPE_BASES` in all or what there is."""
    rows_BL = training.spread(max(1, min(_BPE_BASES, len(training)) // training.width))
    return BpeTokenizer.trained(bases.decode(row) for row in rows_BL.numpy())


def prepare(
    corpus: Corpus,
    settings: DataSettings,
    folder: Path,
    excluded: Intervals = NONE,
    cards: dict[str, Any] | None = None,
) -> None:
    """Write to `folder`, once, what workers load from there: corpus, difficulty table, excluded stretches, cards.

    For tokens of kind bpe also a tokenizer.json, learnt from training windows; one that lies there already is kept.
    A corpus that a file name or address leads to is not copied.

    Raises:
        InputError: the folder holds another corpus, a table of another k or formula, or a tokenizer that is no BPE of
            DNA; or a window does not fit.
    """
    corpus = _kept(corpus, settings, folder)
    with replacing(folder / _EXCLUDED) as temporary:
        pq.write_table(pa.table({"start": excluded[:, 0], "end": excluded[:, 1]}), temporary)
    if not (folder / _DIFFICULTY).exists():
        difficulty_of(corpus, settings).save(folder / _DIFFICULTY)
    if settings.tokens == "bpe" and not (folder / bpe.FILE).exists():
        trained_on(windows(corpus, settings, excluded)[0].windows).save(folder / bpe.FILE)
    prepared = _assembled(corpus, settings, folder)
    guess = unigram_loss(prepared)
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
        The data, and a SHA-256 of the corpus, its division into training and rest, and how it is sampled and, unless
        tokens are overlapping k-mers, tokenised.

    Raises:
        InputError: the corpus is no longer the one that the folder was prepared for; or a file there is damaged.
    """
    corpus = _corpus_of(settings, folder)
    prepared = json.loads((folder / _CARDS).read_text())["corpus"]["sha256"]
    if corpus.card["sha256"] != prepared:
        raise InputError(
            f"a study goes on with the genome it began with, but {settings.genome} has SHA-256 "
            f"{corpus.card['sha256'][:12]}... and {folder} was prepared for {prepared[:12]}..."
        )
    excluded = _excluded(folder)
    identity: list[Any] = [
        corpus.card["sha256"],
        corpus.card["soft_masked_sha256"],
        repeats_of(corpus, settings),
        hashlib.sha256(excluded.tobytes()).hexdigest(),
        [settings.block, settings.validation_share, settings.validation_rows, settings.seed, settings.margin],
        settings.validation_contigs,
        dataclasses.asdict(settings.sampling),
    ]
    if settings.tokens != "overlapping":
        identity.append(settings.tokens)
    if settings.tokens == "bpe":
        identity.append(sha256_of(folder / bpe.FILE))
    return _assembled(corpus, settings, folder), hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def _assembled(corpus: Corpus, settings: DataSettings, folder: Path) -> PretrainData:
    training, validation = windows(corpus, settings, _excluded(folder))
    formula = formula_of(corpus, settings)
    difficulty = Difficulty.open(folder / _DIFFICULTY, settings.k, corpus.card["sha256"], formula)
    reading = tokenizer(settings.tokens, settings.k, folder / bpe.FILE)
    return PretrainData(training, validation, difficulty, settings.validation_rows, reading)


def _excluded(folder: Path) -> Intervals:
    table = pq.read_table(folder / _EXCLUDED)
    return np.stack([table["start"].to_numpy(), table["end"].to_numpy()], axis=1).astype(np.int64)


def unigram_loss(data: PretrainData) -> float:
    """Cross-entropy on the fixed validation masks of a guess from token frequencies alone, in nats a masked token.

    Frequencies of overlapping k-mers are those of the difficulty table, those of other tokens are of evenly spaced
    training rows; one is added to every count.
    """
    windows, samples_B = data.training.windows, torch.arange(data.validation_rows)
    masker = row_masker(data.tokenizer, data.difficulty, Budget.MATCHED, VALIDATION_SEED, windows)
    masking = Masking(Strategy.RANDOM, rate=VALIDATION_RATE)
    rows = masker(data.validation.sample(VALIDATION_SEED, samples_B), masking, samples_B, None)
    first = data.tokenizer.replacements[0]
    labels = (rows.ids_BT[rows.mask_BT] - first).numpy()
    if data.tokenizer.kind == "overlapping":
        return data.difficulty.unigram_loss(labels)
    known_BT = data.tokenizer.tokens(calibration_bases(windows, data.difficulty.k)).ids_BT
    counts = torch.bincount(known_BT.ravel(), minlength=data.tokenizer.vocabulary_size)[first:].double() + 1
    return float(-(counts / counts.sum()).log()[labels].mean())
