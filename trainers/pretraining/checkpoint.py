"""Checkpoints: safetensors for numbers, JSON for the rest; `state.json` is written last and means "complete"."""

import json
import re
import shutil
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from curricula import Evaluation, InputError
from trainers.files import replacing, written

_NAME = re.compile(r"step-(\d{8})")
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")
WEIGHTS, _OPTIMISER, SETTINGS, STATE = "model.safetensors", "optimiser.safetensors", "settings.json", "state.json"
Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class TrainingState:
    """Where a training stood, without its tensors.

    Attributes:
        step: Optimiser steps done.
        fingerprint: Of the settings.
        evaluations: Perplexities on the fixed masks so far.
        seconds: Wall time of the training.
        tokens: Read by all workers, without [CLS], [SEP] and padding.
        masked_tokens: Of these, the ones to answer.
        flops: Operations that the model needs for them, forward and backward; see `trainers.pretraining.flops`.
        parts: Where the first worker's seconds went; see `trainers.pretraining.clock`.
        worker_seconds: The wall time times the workers, whose number may have changed on the way.
    """

    step: int
    fingerprint: str
    evaluations: tuple[Evaluation, ...]
    seconds: float
    tokens: int
    masked_tokens: int
    flops: float = 0.0
    parts: Mapping[str, float] = field(default_factory=dict)
    worker_seconds: float = 0.0


def folder_of(root: Path, step: int) -> Path:
    """Return where the checkpoint after `step` optimiser steps lies."""
    return root / f"step-{step:08d}"


def branch_of(root: Path, budget: int) -> Path:
    """Return where the checkpoints of the branch lie that ends at a budget, in optimiser steps."""
    return root / f"cooldown-{budget:08d}"


class Writer:
    """Writes checkpoints while the training goes on: only the copy to the host's memory holds it up."""

    def __init__(self, settings: Mapping[str, Any], files: Mapping[str, str], keep_last: int = 1) -> None:
        """Prepare.

        Args:
            settings: Of the run, as plain data; they lie beside the weights, so that a checkpoint explains itself.
            files: Further texts to put there, by file name.
            keep_last: Checkpoints to keep besides those that `save` is told to.
        """
        self._texts = {SETTINGS: json.dumps(settings, indent=1), **files}
        self._keep_last = keep_last
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def save(
        self,
        root: Path,
        model: torch.nn.Module,
        optimiser: torch.optim.Optimizer,
        state: TrainingState,
        keep: set[int],
    ) -> None:
        """Copy model and optimiser, and start to write them; one that is still being written is waited for first.

        Raises:
            OSError: the one before could not be written.
        """
        self.wait()
        numbers = {WEIGHTS: _weights(model), _OPTIMISER: _moments(model, optimiser)}
        thread = threading.Thread(target=self._write, args=(root, numbers, state, keep), name="checkpoint")
        thread.start()
        self._thread = thread

    def wait(self) -> None:
        """Wait until the last checkpoint lies there.

        Raises:
            OSError: it could not be written.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _write(self, root: Path, numbers: dict[str, Tensors], state: TrainingState, keep: set[int]) -> None:
        try:
            folder = folder_of(root, state.step)
            folder.mkdir(parents=True, exist_ok=True)
            for name, tensors in numbers.items():
                with replacing(folder / name) as temporary:
                    save_file(tensors, temporary)
            for name, text in self._texts.items():
                written(folder / name, text)
            written(folder / STATE, json.dumps(asdict(state)))
            prune(root, keep, self._keep_last)
        except BaseException as error:  # raised by the next call, in the thread that can do something about it
            self._error = error


def _weights(model: torch.nn.Module) -> Tensors:
    return {name: _on_host(parameter) for name, parameter in model.named_parameters()}


def _moments(model: torch.nn.Module, optimiser: torch.optim.Optimizer) -> Tensors:
    return {
        f"{name}|{key}": _on_host(optimiser.state[parameter][key])
        for name, parameter in model.named_parameters()
        if parameter in optimiser.state
        for key in _MOMENTS
    }


def _on_host(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor.detach())


def complete(root: Path) -> list[int]:
    """Return the steps of the complete checkpoints, ascending."""
    steps = [int(match[1]) for path in root.glob(f"step-*/{STATE}") if (match := _NAME.fullmatch(path.parent.name))]
    return sorted(steps)


def load_weights(folder: Path, model: torch.nn.Module) -> None:
    """Load model weights.

    Raises:
        InputError: the file is missing, damaged, or of another model.
    """
    try:
        tensors = load_file(folder / WEIGHTS)
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
        raw: dict[str, Any] = json.loads((folder / STATE).read_text())
        moments = load_file(folder / _OPTIMISER)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"the checkpoint {folder} cannot be read: {error}") from error
    if raw["fingerprint"] != fingerprint:
        raise InputError(
            f"a checkpoint can only go on under the settings it was made with, but {folder} has fingerprint "
            f"{raw['fingerprint']} and this run {fingerprint}"
        )
    load_weights(folder, model)
    optimiser.state.clear()
    for name, parameter in model.named_parameters():
        if f"{name}|step" in moments:
            optimiser.state[parameter] = {key: moments[f"{name}|{key}"].to(parameter.device) for key in _MOMENTS}
    evaluations = tuple(Evaluation(**entry) for entry in raw.pop("evaluations"))
    raw.setdefault("worker_seconds", raw["seconds"])  # one written before the number of workers could change
    return TrainingState(**raw, evaluations=evaluations)


def prune(root: Path, keep: set[int], last: int = 1) -> None:
    """Remove the complete checkpoints that are neither kept nor among the newest."""
    for step in complete(root)[:-last]:
        if step not in keep:
            folder = folder_of(root, step)
            (folder / STATE).unlink()  # first, so that a half-removed checkpoint is not complete
            shutil.rmtree(folder)


def evaluations(root: Path) -> tuple[Evaluation, ...]:
    """Return what was measured up to the newest complete checkpoint; nothing where there is none."""
    steps = complete(root)
    if not steps:
        return ()
    raw = json.loads((folder_of(root, steps[-1]) / STATE).read_text())
    return tuple(Evaluation(**entry) for entry in raw["evaluations"])
