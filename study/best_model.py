"""The model that a study ends with: its best configuration at the longest budget, for transformers to load."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.store import PRETRAINING, Store
from trainers.files import written

if TYPE_CHECKING:
    from study.evidence.summary import Summary

_CARD = "study.json"


@dataclass(frozen=True)
class BestModel:
    """What lies in the folder.

    Attributes:
        run: The run that pretrained it: of several seeds the first, lest the luckiest be picked.
        curriculum: Its curriculum.
        parameters: Arguments and searched numbers.
        budget: Optimiser steps.
        score: Mean test score of all its seeds there.
    """

    run: str
    curriculum: str
    parameters: dict[str, Any]
    budget: int
    score: float


def path(folder: Path) -> Path:
    """Return where the best model of a study lies."""
    return folder / "model"


def stored(folder: Path) -> BestModel | None:
    """Return what lies there; None where there is none."""
    card = path(folder) / _CARD
    return BestModel(**json.loads(card.read_text())) if card.exists() else None


def export_best(summary: "Summary", folder: Path) -> BestModel | None:
    """Write the model unless it is there already; None where nothing was pretrained or its checkpoint is gone."""
    from trainers.pretraining import checkpoint  # torch: what looks for a stored model does not need it

    best = summary.best
    if best is None:
        return None
    budget = max(best.at)
    found = BestModel(best.runs[0], best.curriculum, best.parameters, budget, best.at[budget].mean)
    place = _checkpoint(folder, found)
    if not (place / checkpoint.STATE).exists():
        return stored(folder)
    if stored(folder) != found:
        _export(place, path(folder), found)
    return found


def _checkpoint(folder: Path, model: BestModel) -> Path:
    from trainers.pretraining import checkpoint

    rows = Store(folder).rows(model.run, model.budget)
    trained = rows[rows["task"] == PRETRAINING].iloc[0]
    root = folder / "runs" / model.run / f"checkpoints-{trained['horizon']}"
    if trained["branch"] == "cooldown":
        root = checkpoint.branch_of(root, model.budget)
    return checkpoint.folder_of(root, model.budget)


def _export(place: Path, target: Path, model: BestModel) -> None:
    from trainers.models.exported import card_of_checkpoint, export  # torch: not needed where nothing is exported
    from trainers.models.pretrained import open_checkpoint

    pretrained = open_checkpoint(place)
    shutil.rmtree(target, ignore_errors=True)
    export(pretrained, target, card_of_checkpoint(place, pretrained))
    written(target / _CARD, json.dumps(asdict(model), indent=1))
