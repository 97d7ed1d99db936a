"""The tables of a report, as text: what every format of it shows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study import best_model
from study.costs import Costs
from study.evidence.published import Group, PublishedLine, mean_of, published_for
from study.evidence.summary import CurriculumLine, RunLine, Summary
from study.folder import search_path
from study.progress import duration, in_words
from study.tracking import address

REPORT = "report.html"


@dataclass(frozen=True)
class Cell:
    """A score as text; empty where the budget was not reached, without spread where there is one value."""

    mean: str
    spread: str


def budgets_shown(summary: Summary) -> list[int]:
    """Return the columns of the score table: no pretraining, then each budget."""
    return [0, *summary.spec.pretraining.budgets]


def cells(summary: Summary, line: CurriculumLine) -> list[Cell]:
    """Return the scores of a line, one cell a column."""
    shown = []
    for budget in budgets_shown(summary):
        score = line.at.get(budget)
        spread = f"{score.spread:.3f}" if score and score.values > 1 else ""
        shown.append(Cell(f"{score.mean:.3f}" if score else "", spread))
    return shown


def arguments_in_words(summary: Summary, line: CurriculumLine) -> str:
    """Return the arguments and numbers that the study fixes or searches, three digits each."""
    named = summary.spec.chosen(line.curriculum, line.parameters).items()
    return ", ".join(f"{key}={in_words(value)}" for key, value in named) or "none"


def cost_in_words(line: CurriculumLine) -> str:
    """Return the wall time that all trials of a curriculum took."""
    return duration(line.costs.seconds)


def places(folder: Path) -> list[str]:
    """Return where report, rows, models and logs are, and how to look at them."""
    model = best_model.path(folder)
    return [
        f"report       {folder / REPORT}",
        f"scores       {folder / 'scores'} (Parquet)",
        f"checkpoints  {folder / 'runs'}",
        *([f"best model   {model} (transformers)"] if model.exists() else []),
        f"log          {folder / 'study.log'}",
        f"search       {search_path(folder)} (Optuna)",
        f"MLflow       {address.command(folder.parent)}",
    ]


def by_task(summary: Summary) -> dict[str, list[str]]:
    """Return a table: a header, then for each task the score of every line at its largest budget, then means.

    Means as the paper of the published figures takes them, of all 27 tasks of GUE without virus/covid, and of those of
    human DNA and others alone, stand there where their tasks do.
    """
    table = {"task": [line.curriculum for line in summary.lines]}
    for task in summary.spec.evaluation.tasks:
        table[task.name] = [_score(line.by_task.get(task.name)) for line in summary.lines]
    groups: tuple[tuple[Group, str], ...] = (
        ("all", "mean of 27 GUE tasks"),
        ("human", "mean of human tasks"),
        ("non_human", "mean of non-human tasks"),
    )
    for group, name in groups:
        means = [mean_of(line.by_task, group) for line in summary.lines]
        if any(mean is not None for mean in means):
            table[name] = [_score(mean) for mean in means]
    return table


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def published_lines(summary: Summary) -> list[PublishedLine]:
    """Return published figures, unless this study compares another metric than they have."""
    evaluation = summary.spec.evaluation
    names = [task.name for task in evaluation.tasks]
    return published_for(names) if all(evaluation.metric_of(name) == "mcc" for name in names) else []


def row(summary: Summary, line: CurriculumLine) -> dict[str, Any]:
    """Return one line of the table of curricula."""
    return {
        "name": line.curriculum,
        "arguments": arguments_in_words(summary, line),
        "cells": cells(summary, line),
        "seeds": len(line.runs),
        "tried": line.trials,
        "cost": cost_in_words(line),
    }


def cost_row(summary: Summary, line: CurriculumLine) -> dict[str, str]:
    """Return what all trials of a curriculum took and how fast its best run was, by column."""
    speed = line.speed
    return {
        **_spent(summary, line.costs),
        "tokens/s": f"{speed.tokens_per_second:,.0f}" if speed else "",
        "MFU": f"{speed.mfu:.1%}" if speed else "",
        "communication": f"{speed.communication / sum(speed.parts.values()):.0%}" if speed else "",
    }


def run_row(summary: Summary, line: RunLine) -> dict[str, str]:
    """Return one trial, by column."""
    return {
        "curriculum": line.curriculum,
        "seed": str(line.seed),
        "role": line.role,
        "steps": f"{line.budget:,}",
        **_spent(summary, line.costs),
        "run": line.run,
    }


def _spent(summary: Summary, costs: Costs) -> dict[str, str]:
    has_gpus = summary.spec.cluster.gpus_per_worker > 0
    hours = {"GPU-hours": costs.gpu_hours} if has_gpus else {"worker-hours": costs.worker_hours}
    return {
        **{name: f"{value:.3g}" for name, value in hours.items()},
        "model FLOPs": f"{costs.flops:.1e}" if costs.flops else "0",
        **({} if costs.money is None else {"money": f"{costs.money:,.2f}"}),
    }
