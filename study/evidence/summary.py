"""What the rows of a study say: one line a curriculum, and plain sentences that claim no more than was shown."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from study import sessions, tasks
from study.costs import Costs, Speed, Usage, costs, costs_by, speed
from study.evidence.collapses import Collapse, collapses
from study.evidence.effects import effect
from study.evidence.findings import Findings, findings
from study.evidence.time_to_target import RECORDED
from study.folder import under_way
from study.provenance import Provenance
from study.spec.study import StudySpec
from study.store import PRETRAINING, Store
from trainers.files import read_json

_TOO_FEW = 2  # seeds: their interval is nine times as wide as they lie apart, and hides the picture that it is part of


@dataclass(frozen=True)
class Scored:
    """Test scores at one budget.

    Attributes:
        mean: Of the tasks' means.
        spread: One standard deviation, over seeds and repetitions, of the mean over tasks: that tasks lie apart is not
            in it. 0 of one seed and repetition.
        values: How many seeds and repetitions.
        by_seed: The mean over tasks and repetitions of each seed.
    """

    mean: float
    spread: float
    values: int
    by_seed: tuple[float, ...]

    @property
    def half_width(self) -> float | None:
        """How far the 95 % interval of the mean reaches to either side, for other seeds; None below three seeds."""
        return effect(np.array([self.by_seed])).half_width if len(self.by_seed) > _TOO_FEW else None


@dataclass(frozen=True)
class CurriculumLine:
    """The best configuration of one curriculum.

    Attributes:
        parameters: Its arguments and searched numbers.
        runs: Keys of the runs with this configuration, one a seed.
        at: Scores by budget; a budget that ASHA did not let it reach is absent.
        loss: Validation loss by budget, nats a masked token, mean over seeds.
        trials: Configurations of this curriculum that were tried.
        costs: Of all its trials.
        speed: Of its first run; None without pretraining.
        by_task: Mean test score at its largest budget, by task.
        training: What one training up to a budget took, mean over seeds: by budget, then by the name in
            `time_to_target.RECORDED`, as far as it was recorded.
    """

    curriculum: str
    parameters: dict[str, Any]
    runs: list[str]
    at: dict[int, Scored]
    loss: dict[int, float]
    trials: int
    costs: Costs
    speed: Speed | None
    by_task: dict[str, float]
    training: dict[int, dict[str, float]]

    @property
    def is_pretrained(self) -> bool:
        """Whether this study pretrained it; otherwise it is the initial model or a baseline."""
        return max(self.at) > 0


@dataclass(frozen=True)
class RunLine:
    """One run: why it ran, how far it came, and what it took."""

    run: str
    role: str
    curriculum: str
    seed: int
    budget: int
    costs: Costs


@dataclass(frozen=True)
class Summary:
    """All that table and report show.

    `stopped`: curricula without a score in full, and the budget at which the search stopped the last of their trials.
    `notes`: what of the study is not in all this since it could not be read, a line each.
    `rows`: all that it was summed up from; pictures of every trial need them.
    """

    spec: StudySpec
    lines: list[CurriculumLine]
    provenance: Provenance
    findings: Findings
    failures: dict[str, str]
    has_cooldown: bool
    collapses: list[Collapse]
    stopped: dict[str, int]
    usage: Usage
    runs: list[RunLine]
    notes: list[str]
    rows: pd.DataFrame

    @property
    def best(self) -> CurriculumLine | None:
        """The pretrained line with the best dev score at the longest budget; lines are sorted by it."""
        pretrained = [line for line in self.lines if line.is_pretrained]
        return pretrained[0] if pretrained else None


def summarise(spec: StudySpec, folder: Path) -> Summary:
    """Read the rows of a study and sum them up.

    Raises:
        InputError: a file of the study cannot be read.
    """
    return sum_up(spec, folder, Store(folder).rows(), Provenance.of(folder))


def sum_up(
    spec: StudySpec, folder: Path, rows: pd.DataFrame, provenance: Provenance, notes: Sequence[str] = ()
) -> Summary:
    """Sum up the rows of a study.

    Args:
        spec: Of the study.
        folder: Where it lives.
        rows: As `Store.rows` gives them.
        provenance: Its cards.
        notes: What could not be read.

    Raises:
        InputError: rows do not fit the spec or each other; a record of failures or sessions is damaged.
    """
    chosen, stopped, running = [], {}, set(under_way(folder))
    for curriculum, own in rows.groupby("curriculum"):
        key = _best_run(spec, own)
        line = _line(spec, str(curriculum), own, key)
        if not line.at:  # the search stopped it where it goes by cheaper scores, unless it has only begun
            if running.isdisjoint(own["run"]):
                stopped[str(curriculum)] = int(own["budget"].max())
            continue
        chosen.append(((max(line.at), _dev(spec, own[own["run"] == key])), line))
    lines = [line for _, line in sorted(chosen, key=lambda entry: entry[0], reverse=True)]
    shown = rows[rows["run"].isin([run for line in lines for run in line.runs])]
    largest = {line.curriculum: max(line.at) for line in lines if line.is_pretrained}
    return Summary(
        spec=spec,
        lines=lines,
        provenance=provenance,
        findings=findings(spec, shown, largest),
        failures=_failures(folder),
        has_cooldown=bool((rows["branch"] == "cooldown").any()),
        collapses=collapses(rows),
        stopped=stopped,
        usage=Usage(costs(spec, rows), sessions.held(folder)),
        runs=_runs(spec, rows),
        notes=list(notes),
        rows=rows,
    )


def _runs(spec: StudySpec, rows: pd.DataFrame) -> list[RunLine]:
    took = costs_by(spec, rows, "run")
    last = rows.sort_values("budget").drop_duplicates("run", keep="last").sort_values(["curriculum", "seed", "run"])
    columns = (last[name].tolist() for name in ("run", "role", "curriculum", "seed", "budget"))
    return [
        RunLine(run, role, curriculum, seed, budget, took[run])
        for run, role, curriculum, seed, budget in zip(*columns, strict=True)
    ]


def _dev(spec: StudySpec, rows: pd.DataFrame) -> float:
    """Dev score at the largest budget that these rows have."""
    return tasks.objective(spec, rows, int(rows["budget"].max()))


def _best_run(spec: StudySpec, rows: pd.DataFrame) -> str:
    """Chosen on dev scores of the first seed that has any, among the runs that came furthest."""
    first = rows[rows["seed"] == rows["seed"].min()]
    furthest = first[first["budget"] == first["budget"].max()]
    return str(max(sorted(set(furthest["run"])), key=lambda key: _dev(spec, furthest[furthest["run"] == key])))


def _line(spec: StudySpec, curriculum: str, rows: pd.DataFrame, key: str) -> CurriculumLine:
    parameters = rows[rows["run"] == key]["parameters"].iloc[0]
    same = rows[rows["parameters"] == parameters]
    test = tasks.scores(spec, same, "test")
    at = {}
    for budget, values in test.groupby("budget"):
        at[int(str(budget))] = _scored(values)
    losses = same[same["metric"] == "validation_loss"].groupby("budget")["value"].mean()
    return CurriculumLine(
        curriculum=curriculum,
        parameters=json.loads(parameters),
        runs=sorted(set(same["run"])),
        at=at,
        loss={int(str(budget)): float(value) for budget, value in losses.items()},
        trials=len(set(rows[rows["seed"] == 0]["run"])),
        costs=costs(spec, rows),
        speed=speed(rows, key),
        by_task={} if test.empty else _by_task(test[test["budget"] == test["budget"].max()]),
        training=_training(same),
    )


def _scored(test: pd.DataFrame) -> Scored:
    by_task = test.groupby("task")["value"]
    mean = float(by_task.mean().mean())
    around = test.assign(value=test["value"] - by_task.transform("mean") + mean)  # tasks may differ in repetitions
    each = around.groupby(["seed", "repetition"])["value"].mean()
    by_seed = tuple(each.groupby("seed").mean().tolist())
    return Scored(mean, float(each.std(ddof=1)) if len(each) > 1 else 0.0, len(each), by_seed)


def _by_task(test: pd.DataFrame) -> dict[str, float]:
    return {str(name): float(value) for name, value in test.groupby("task")["value"].mean().items()}


def _training(rows: pd.DataFrame) -> dict[int, dict[str, float]]:
    own = rows[(rows["task"] == PRETRAINING) & rows["metric"].isin(RECORDED)]
    found: dict[int, dict[str, float]] = {}
    for budget, at in own.groupby("budget"):
        means = at.groupby("metric")["value"].mean()
        found[int(str(budget))] = {str(name): float(value) for name, value in means.items()}
    return found


def _failures(folder: Path) -> dict[str, str]:
    found = sorted((folder / "runs").glob("*/failure.json"))
    return {path.parent.name: read_json(path)["reason"] for path in found}
