"""From a genome to what a run reads: a mapped corpus, its difficulty table, and the two kinds of windows."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch

from curricula import InputError
from trainers import embedded
from trainers.batches import VALIDATION_MASKING, VALIDATION_SEED, masked_batch
from trainers.difficulty import Difficulty
from trainers.files import replacing
from trainers.genome.corpus import Corpus, Split, Windows
from trainers.genome.fasta import read_fasta
from trainers.masker import Masker
from trainers.settings import Budget, DataSettings
from trainers.tokenizer import SPECIAL_TOKENS, KmerTokenizer

EMBEDDED = "embedded"
_CORPUS, _DIFFICULTY, _CARDS = "corpus.arrow", "difficulty.parquet", "provenance.json"


@dataclass(frozen=True)
class PretrainData:
    """What a run reads: training windows, validation windows and the difficulty table of the corpus."""

    training: Windows
    validation: Windows
    difficulty: Difficulty
    validation_rows: int


def read_genome(genome: str) -> Corpus:
    """Read the embedded genome or a FASTA file.

    Raises:
        InputError: the file cannot be used; the message says why.
    """
    if genome == EMBEDDED:
        return embedded.genome()
    path = Path(genome).expanduser()
    return Corpus.from_records(read_fasta(path), {"source": str(path)})


def windows(corpus: Corpus, settings: DataSettings) -> tuple[Windows, Windows]:
    """Return training and validation windows of `length` k-mers.

    Raises:
        InputError: the corpus has no room for one.
    """
    width = settings.length + settings.k - 1
    training, validation = Split(settings.block, settings.validation_share, settings.seed).intervals(corpus)
    return Windows(corpus, training, width, "training"), Windows(corpus, validation, width, "validation")


def prepare(corpus: Corpus, settings: DataSettings, folder: Path) -> None:
    """Write corpus and difficulty table to `folder`, once; workers map and load them from there.

    Raises:
        InputError: the folder holds another corpus, or a table of another k or formula; or a window does not fit.
    """
    if not (folder / _CORPUS).exists():
        corpus.save(folder / _CORPUS)
    elif Corpus.open(folder / _CORPUS).card["sha256"] != corpus.card["sha256"]:
        raise InputError(f"{folder} holds the corpus of another genome than {settings.genome}; use another folder")
    if not (folder / _DIFFICULTY).exists():
        Difficulty.of(corpus, settings.k, settings.npmi).save(folder / _DIFFICULTY)
    difficulty = Difficulty.open(folder / _DIFFICULTY, settings.k, corpus.card["sha256"], settings.npmi)
    guess = unigram_loss(load(settings, folder)[0], settings.k)
    with replacing(folder / _CARDS) as temporary:
        cards = {"corpus": corpus.card, "difficulty": difficulty.card, "unigram_loss": guess}
        temporary.write_text(json.dumps(cards, indent=1))


def load(settings: DataSettings, folder: Path) -> tuple[PretrainData, str]:
    """Load what `prepare` wrote; return it with a SHA-256 of the corpus and of its division into training and rest."""
    corpus = Corpus.open(folder / _CORPUS)
    sha256 = str(corpus.card["sha256"])
    training, validation = windows(corpus, settings)
    difficulty = Difficulty.open(folder / _DIFFICULTY, settings.k, sha256, settings.npmi)
    division = [sha256, settings.block, settings.validation_share, settings.validation_rows, settings.seed]
    identity = hashlib.sha256(json.dumps(division).encode()).hexdigest()
    return PretrainData(training, validation, difficulty, settings.validation_rows), identity


def unigram_loss(data: PretrainData, k: int) -> float:
    """Cross-entropy on the fixed validation masks of a guess from k-mer frequencies alone, in nats a token."""
    tokenizer = KmerTokenizer(k)
    samples_B = torch.arange(data.validation_rows)
    ids_BT = tokenizer.ids(data.validation.sample(VALIDATION_SEED, samples_B))
    masker = Masker(data.difficulty, Budget.MATCHED, VALIDATION_SEED, ids_BT)
    batch = masked_batch(tokenizer, masker, ids_BT, VALIDATION_MASKING, samples_B)
    return data.difficulty.unigram_loss((batch.labels_M - len(SPECIAL_TOKENS)).numpy())
