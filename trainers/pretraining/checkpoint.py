"""Checkpoints: safetensors for numbers, JSON for the rest; the JSON file is written last and means "complete"."""

import json
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from curricula import Evaluation, InputError
from trainers.files import replacing

_NAME = re.compile(r"step-(\d{8})")
_STATE = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class TrainingState:
    """Where a training stood, without its tensors."""

    step: int
    fingerprint: str
    evaluations: tuple[Evaluation, ...]
    seconds: float
    tokens: int
    masked_tokens: int


def folder_of(root: Path, step: int) -> Path:
    """Return where the checkpoint after `step` optimiser steps lies."""
    return root / f"step-{step:08d}"


def save(root: Path, model: torch.nn.Module, optimiser: torch.optim.Optimizer, state: TrainingState) -> Path:
    """Write model, optimiser and state; return the folder."""
    folder = folder_of(root, state.step)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: parameter.detach().contiguous().cpu() for name, parameter in model.named_parameters()}
    moments = {
        f"{name}|{key}": optimiser.state[parameter][key].detach().contiguous().cpu()
        for name, parameter in model.named_parameters()
        if parameter in optimiser.state
        for key in _STATE
    }
    for tensors, file in ((weights, "model.safetensors"), (moments, "optimiser.safetensors")):
        with replacing(folder / file) as temporary:
            save_file(tensors, temporary)
    with replacing(folder / "state.json") as temporary:
        temporary.write_text(json.dumps(asdict(state)))
    return folder


def complete(root: Path) -> list[int]:
    """Return the steps of the complete checkpoints, ascending."""
    steps = [int(match[1]) for path in root.glob("step-*/state.json") if (match := _NAME.fullmatch(path.parent.name))]
    return sorted(steps)


def load_weights(folder: Path, model: torch.nn.Module) -> None:
    """Load model weights.

    Raises:
        InputError: the file is missing, damaged, or of another model.
    """
    try:
        tensors = load_file(folder / "model.safetensors")
    except (OSError, SafetensorError) as error:
        raise InputError(f"the checkpoint {folder} cannot be read: {error}") from error
    parameters = dict(model.named_parameters())
    shapes = {name: tuple(parameter.shape) for name, parameter in parameters.items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if shapes != found:
        name = min(set(shapes.items()) ^ set(found.items()))[0]
        raise InputError(
            f"a checkpoint must fit its model, but `{name}` has shape {found.get(name)} in {folder} "
            f"and {shapes.get(name)} in the model"
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name])


def load(folder: Path, model: torch.nn.Module, optimiser: torch.optim.Optimizer, fingerprint: str) -> TrainingState:
    """Restore model and optimiser; return the training state.

    Raises:
        InputError: the checkpoint is damaged or belongs to other settings.
    """
    try:
        raw: dict[str, Any] = json.loads((folder / "state.json").read_text())
        moments = load_file(folder / "optimiser.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"the checkpoint {folder} cannot be read: {error}") from error
    if raw["fingerprint"] != fingerprint:
        raise InputError(
            f"a checkpoint can only go on under the settings it was made with, but {folder} has fingerprint "
            f"{raw['fingerprint']} and this run {fingerprint}"
        )
    load_weights(folder, model)
    for name, parameter in model.named_parameters():
        if f"{name}|step" in moments:
            state = {key: moments[f"{name}|{key}"] for key in _STATE}
            optimiser.state[parameter] = {
                key: value if key == "step" else value.to(parameter.device) for key, value in state.items()
            }
    evaluations = tuple(Evaluation(**entry) for entry in raw.pop("evaluations"))
    return TrainingState(**raw, evaluations=evaluations)


def prune(root: Path, keep: set[int]) -> None:
    """Remove the complete checkpoints that are neither kept nor the newest."""
    for step in complete(root)[:-1]:
        if step not in keep:
            folder = folder_of(root, step)
            (folder / "state.json").unlink()  # first, so that a half-removed checkpoint is not complete
            shutil.rmtree(folder)


def evaluations(root: Path) -> tuple[Evaluation, ...]:
    """Return what was measured up to the newest complete checkpoint; nothing where there is none."""
    steps = complete(root)
    if not steps:
        return ()
    raw = json.loads((folder_of(root, steps[-1]) / "state.json").read_text())
    return tuple(Evaluation(**entry) for entry in raw["evaluations"])
