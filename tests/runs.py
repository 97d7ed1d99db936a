"""One small pretraining on the embedded genome, as several test files need it."""

from pathlib import Path
from typing import Any

import torch

from trainers import data
from trainers.settings import Budget, DataSettings, PretrainSettings
from trainers.workers import Workers

DATA = DataSettings(
    genome=data.EMBEDDED, k=2, length=24, block=20_000, validation_share=0.1, validation_rows=32, seed=0
)
ALONE = Workers(rank=0, count=1, device=torch.device("cpu"))


def settings(folder: Path, **changes: Any) -> PretrainSettings:
    """Ten steps of the tiny preset on the corpus in the folder."""
    return settings_of(data.load(DATA, folder)[1], **changes)


def settings_of(data_sha256: str, **changes: Any) -> PretrainSettings:
    """Ten steps of the tiny preset on data of this identity."""
    chosen: dict[str, Any] = {
        "preset": "tiny",
        "k": DATA.k,
        "length": DATA.length,
        "batch": 8,
        "curriculum": "linear",
        "arguments": {},
        "learning_rate": 0.006,
        "warmup": 2,
        "weight_decay": 0.01,
        "clip": 1.0,
        "horizon": 10,
        "budget": Budget.MATCHED,
        "seed": 0,
        "validate_every": 2,
        "data_sha256": data_sha256,
    }
    return PretrainSettings(**chosen | changes)
