"""Recorded learning curves, and trials that play them back: real scores without the training that took them."""

import csv
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from study import tasks
from study.runs import Run, run_of
from study.spec.evaluation import FULL
from study.spec.study import StudySpec
from study.store import PRETRAINING, Row, Store
from study.trials.messages import IN_WORDS

FILE = Path(__file__).parent / "curves.csv"
_COLUMNS = ("curriculum", "parameters", "budget", "score", "loss", "flops")


@dataclass(frozen=True)
class Curve:
    """What one configuration reached at each budget.

    Attributes:
        scores: Few-shot MCC on dev by budget, steps: high is good, and noisy.
        losses: Validation loss by budget, nats a masked token.
        flops: Up to there, by budget.
    """

    curriculum: str
    parameters: Mapping[str, Any]
    scores: Mapping[int, float]
    losses: Mapping[int, float]
    flops: Mapping[int, float]


def recorded(file: Path = FILE) -> list[Curve]:
    """Read the curves of a file, in its order."""
    found: dict[tuple[str, str], list[dict[str, str]]] = {}
    with file.open() as lines:
        for line in csv.DictReader(lines):
            found.setdefault((line["curriculum"], line["parameters"]), []).append(line)
    return [
        Curve(
            curriculum,
            json.loads(parameters),
            *({int(line["budget"]): float(line[column]) for line in lines_of} for column in _COLUMNS[3:]),
        )
        for (curriculum, parameters), lines_of in found.items()
    ]


def by_loss(curves: list[Curve]) -> list[Curve]:
    """Return the curves as if loss, turned round, had been their score."""
    return [replace(curve, scores={budget: -loss for budget, loss in curve.losses.items()}) for curve in curves]


def record(spec: StudySpec, file: Path = FILE) -> int:
    """Write the curves of a stored study, those with all budgets, and return their number."""
    rows = Store(spec.folder()).rows()
    rows = rows[(rows["seed"] == 0) & (rows["budget"] > 0)]
    complete = [own for _, own in rows.groupby("run") if set(own["budget"]) == set(spec.pretraining.budgets)]
    with file.open("w", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for own in complete:
            first = own.iloc[0]
            for budget in spec.pretraining.budgets:
                at = own[(own["budget"] == budget) & (own["task"] == PRETRAINING)].set_index("metric")["value"]
                score = tasks.objective(spec, own, budget)
                numbers = [f"{value:.6g}" for value in (score, at["validation_loss"], at["flops"])]
                writer.writerow([first["curriculum"], first["parameters"], budget, *numbers])
    return len(complete)


def play(config: dict[str, Any], spec_json: str, folder: str) -> None:
    """Report, as a trial of Tune, a recorded curve: any, but always the same of one run; store rows as a real one does.

    The first budgets of the study stand for the first of the curve, however many steps they are.
    """
    from ray import tune

    spec = StudySpec.model_validate_json(spec_json)
    run = run_of(config, spec)
    curves = recorded()
    curve = curves[int(hashlib.sha256(run.key.encode()).hexdigest(), 16) % len(curves)]
    for budget, known in zip(run.budgets(spec), curve.scores, strict=False):
        time.sleep(0.01)
        store(spec, run, budget, curve.scores[known], curve.flops[known])
        rows = Store(Path(folder)).rows(run.key, budget)
        words = tasks.in_words(spec, rows, budget)
        tune.report({**tasks.reported(spec, rows, budget), IN_WORDS: words, "budget": budget, "run": run.key})


def store(spec: StudySpec, run: Run, budget: int, score: float, flops: float = 1e9) -> None:
    """Store the rows of a scored budget, the same score for every task, repetition and split."""
    target = Store(spec.folder())
    for part, rows in _rows(spec, run, budget, score, flops).items():
        target.write_part(run.key, budget, part, part, rows)
        target.finish(run.key, budget, part)


def _rows(spec: StudySpec, run: Run, budget: int, score: float, flops: float) -> dict[str, list[Row]]:
    def row(task: str, fidelity: str, repetition: int, split: str, metric: str, value: float) -> Row:
        parameters = json.dumps(run.parameters(), sort_keys=True)
        common = (spec.name, run.key, run.role, run.curriculum, parameters, run.seed, budget, 6, "trunk")
        return Row(*common, fidelity, task, repetition, split, metric, value, 0.01)

    costs = {"validation_loss": 2.0 - score, "flops": flops, "train_seconds": 0.01, "worker_hours": 1e-5}
    scored = [
        row(task.name, FULL, repetition, split, spec.evaluation.metric_of(task.name), score)
        for task in spec.evaluation.tasks
        for repetition in range(task.repetitions)
        for split in ("dev", "test")
    ]
    pretraining = [
        row(PRETRAINING, PRETRAINING, 0, "validation", metric, value)
        for metric, value in costs.items()
        if run.role != "baseline"
    ]
    return {FULL: scored, PRETRAINING: pretraining} if pretraining else {FULL: scored}
