"""A pretrained model with its tokenizer, and how a checkpoint of the pretraining loop becomes one."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from curricula import InputError
from trainers.models.build import model_of
from trainers.models.presets import preset
from trainers.pretraining import checkpoint
from trainers.tokens import bpe
from trainers.tokens.named import tokenizer
from trainers.tokens.tokenizer import Tokenizer


@dataclass(frozen=True)
class Pretrained:
    """A masked language model and the tokenizer whose ids it reads."""

    model: PreTrainedModel
    tokenizer: Tokenizer


def open_checkpoint(folder: Path) -> Pretrained:
    """Return the model of a checkpoint folder (`step-...`), on the CPU, as the training left it.

    Raises:
        InputError: the checkpoint is incomplete or damaged, or its files do not fit each other.
    """
    settings = read_json(folder / checkpoint.SETTINGS)
    read_json(folder / checkpoint.STATE)  # written last: without it the checkpoint is not complete
    name, k = settings.get("preset"), settings.get("k")
    if not (isinstance(name, str) and isinstance(k, int)):
        raise InputError(f"settings of a checkpoint must name `preset` and `k`, but got {settings} in {folder}")
    reading = tokenizer(preset(name).tokens, k, folder / bpe.FILE)
    with torch.random.fork_rng(devices=[]):
        model = model_of(name, reading)
    checkpoint.load_weights(folder, model)
    return Pretrained(model.eval(), reading)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: there is none.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} must be a JSON file, but it cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold a JSON object, but it holds a {type(content).__name__}")
    return content
