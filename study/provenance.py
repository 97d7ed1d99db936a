"""What a study read: the provenance cards that lie in its folder."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.spec.study import StudySpec
from trainers.files import read_json

LEAKS = "leaks"
TASKS = "tasks"


@dataclass(frozen=True)
class LeakLine:
    """How much of one task's test split stands in the training DNA, exactly or as its reverse complement.

    `searched` leaves out sequences that are too short (under 20 bases) or hold letters other than A, C, G, T.
    """

    task: str
    windows: int
    searched: int
    found: int


@dataclass(frozen=True)
class Dataset:
    """What a study read: its genome, or a task.

    Attributes:
        name: As the spec has it.
        sha256: Of the genome in its normal form; of the hashes of a task's splits.
        source: Path or address.
        is_training: Whether models are pretrained on it; otherwise they are scored on it.
        facts: What else its card says in few words.
    """

    name: str
    sha256: str
    source: str
    is_training: bool
    facts: dict[str, Any]

    @property
    def kind(self) -> str:
        """Where the source is: local, s3, gs or http."""
        scheme, mark, _ = self.source.partition("://")
        return {"s3": "s3", "gs": "gs", "http": "http", "https": "http"}.get(scheme, "local") if mark else "local"


@dataclass(frozen=True)
class Provenance:
    """The cards as they were written, and when, in seconds since 1970; studies of older versions lack some."""

    cards: dict[str, Any]
    written_at: float = 0.0

    @classmethod
    def of(cls, folder: Path) -> "Provenance":
        """Read the cards of a study; none where it has not come so far.

        Raises:
            InputError: they are damaged.
        """
        path = folder / "provenance.json"
        return cls(read_json(path), path.stat().st_mtime) if path.exists() else cls({})

    def datasets(self, spec: StudySpec) -> list[Dataset]:
        """Return the genome and the tasks of the cards, as far as they have a hash."""
        found = []
        corpus = self.cards.get("corpus", {})
        if "sha256" in corpus:
            facts = {"source": corpus.get("source"), "contigs": len(corpus.get("contigs", {}))}
            place = str(corpus.get("url") or spec.data.genome)
            found.append(Dataset(spec.data.genome, corpus["sha256"], place, True, facts))
        for name, card in self.cards.get(TASKS, {}).items():
            joined = hashlib.sha256(json.dumps(card["rows_sha256"], sort_keys=True).encode()).hexdigest()
            facts = {"rows": card["rows"], "rows_sha256": card["rows_sha256"]}
            found.append(Dataset(name, joined, card["source"], False, facts))
        return found

    @property
    def genome(self) -> str:
        """Where the DNA came from."""
        return str(self.cards.get("corpus", {}).get("source", "unknown"))

    @property
    def unigram_loss(self) -> float | None:
        """Loss of a guess from token frequencies, nats a masked token."""
        loss: float | None = self.cards.get("unigram_loss")
        return loss

    @property
    def excluded(self) -> bool:
        """Whether test sequences were kept out of the training samples."""
        return bool(self.cards.get(LEAKS, {}).get("excluded"))

    @property
    def leaks(self) -> list[LeakLine]:
        """The leak check, a line a task."""
        return [
            LeakLine(name, leak["windows"], leak["windows"] - leak["too_short"] - leak["ambiguous"], leak["found"])
            for name, leak in self.cards.get(LEAKS, {}).get("tasks", {}).items()
        ]

    def leak_sentence(self) -> str | None:
        """Say what the leak check showed; nothing where it was not made."""
        if not self.leaks:
            return None
        found = sum(line.found for line in self.leaks)
        searched = sum(line.searched for line in self.leaks)
        if not found:
            return f"None of the {searched:,} test sequences that were looked for stands in the training DNA."
        where = ", ".join(f"{line.found:,} of {line.task}" for line in self.leaks if line.found)
        after = (
            "they were kept out of the training samples"
            if self.excluded
            else "the model may have read them while pretraining; data.exclude_test_windows keeps them out"
        )
        return f"{found:,} of {searched:,} test sequences stand in the training DNA ({where}): {after}."
