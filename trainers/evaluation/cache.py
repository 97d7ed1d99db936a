"""Scores by what they are functions of, so that none is computed twice: not in another study either."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from curricula import InputError
from trainers.evaluation.metrics import TaskScores
from trainers.evaluation.protocol import Protocol
from trainers.files import written
from trainers.models.parts import encoder_of
from trainers.models.pretrained import Pretrained
from trainers.tasks import fingerprints
from trainers.tasks.task import SPLITS, EvaluationTask

_VERSION = 2  # of how scores are computed: a change that moves them needs another number
_UNREAD = frozenset({"counts", "cnn"})  # methods that read letters and no model


@dataclass(frozen=True)
class Score:
    """The result of one fine-tuning, and the seconds that it took when it was computed."""

    scores: TaskScores
    seconds: float


class ScoreCache:
    """A folder with one small JSON file a score. Several processes may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> Score | None:
        """Return the score of a key; None where there is none, or its file is damaged."""
        try:
            content = json.loads(self._path(key).read_text())
            scores = TaskScores(*({str(k): float(v) for k, v in content[split].items()} for split in ("dev", "test")))
            return Score(scores, float(content["seconds"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def put(self, key: str, score: Score) -> None:
        """Store a score.

        Raises:
            InputError: the folder cannot be written.
        """
        path = self._path(key)
        try:
            written(path, json.dumps({**asdict(score.scores), "seconds": score.seconds}))
        except OSError as error:
            raise InputError(f"the folder of scores {self._folder} cannot be written: {error.strerror}") from error

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.json"


def identity(pretrained: Pretrained) -> str:
    """Return the SHA-256 of what scores depend on in a model: its encoder's weights and shape, and its tokens."""
    digest = hashlib.sha256()
    encoder = encoder_of(pretrained.model)
    shape = {name: value for name, value in encoder.config.to_dict().items() if not name.startswith(("_", "transform"))}
    digest.update(json.dumps([shape, dict(pretrained.tokenizer.files())], sort_keys=True, default=str).encode())
    for name, tensor in sorted(encoder.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def content_of(task: EvaluationTask) -> str:
    """Return the SHA-256 of a task's rows."""
    rows = [fingerprints.sha256(task.splits[split]) for split in SPLITS]
    return hashlib.sha256(" ".join(rows).encode()).hexdigest()


def key_of(model: str, task: str, protocol: Protocol, repetition: int, device: torch.device) -> str:
    """Return the name of a score: a SHA-256.

    Args:
        model: Its `identity`.
        task: Its `content_of`.
        protocol: How it is scored.
        repetition: The seed.
        device: GPUs round otherwise than CPUs, and each version of torch in its own way.
    """
    seen = "" if protocol.method in _UNREAD else model
    parts = [_VERSION, seen, task, asdict(protocol), repetition, device.type, torch.__version__]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
