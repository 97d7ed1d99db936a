"""All studies of a results folder side by side, in groups whose scores can be compared."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from curricula import InputError
from study.evidence.summary import CurriculumLine, Summary
from study.provenance import TASKS
from study.report.reading import opened, same_studies, study_folders
from study.spec.evaluation import TaskSpec

NO_CLAIM = "no claim"
_TITLE = 4  # tasks that a title names
_FILES = {"train", "dev", "test", "sequence_column", "label_column"}
_NO_PROTOCOL = {"name", "repetitions", *_FILES}  # more repetitions make a score surer, not another one


@dataclass(frozen=True)
class Entry:
    """One curriculum, control or baseline of one study, at the largest budget that it was scored at.

    Attributes:
        study: Name of the study.
        curriculum: As the study names it.
        budget: Optimiser steps; 0 without pretraining.
        score: Mean test score over tasks.
        spread: Standard deviation over tasks, seeds and repetitions; not a number of one value.
        seeds: Runs behind the score.
        worker_hours: Of all trials of the curriculum, training and scoring.
        gpu_hours: The same; 0 on CPUs.
        masked_tokens: Of one training up to the budget, mean over seeds; not a number where it was not recorded.
        flops: The same, model FLOPs.
        claim: What the study may claim of it, in one sentence.
    """

    study: str
    curriculum: str
    budget: int
    score: float
    spread: float
    seeds: int
    worker_hours: float
    gpu_hours: float
    masked_tokens: float
    flops: float
    claim: str


@dataclass(frozen=True)
class Group:
    """Studies that were scored in one way.

    Attributes:
        title: Tasks and metric, and what sets the group apart from others with the same.
        metric: By the name that a reader knows.
        tasks: Names.
        entries: Best score first.
    """

    title: str
    metric: str
    tasks: list[str]
    entries: list[Entry]


@dataclass(frozen=True)
class Leaderboard:
    """All of it.

    Attributes:
        groups: In the order of their titles.
        notes: What is not in it and why, and what of a study that is in it could not be read: a line each.
    """

    groups: list[Group]
    notes: list[str]


def leaderboard(results: Path) -> Leaderboard:
    """Read all studies of a results folder.

    Raises:
        InputError: none of them has scores that can be read.
    """
    summaries, notes = [], []
    copies = {name: first for first, *others in same_studies(results) for name in others}
    for name in study_folders(results):
        if name in copies:
            notes.append(f"{name} is left out: it is the same study as {copies[name]}, by its study_id")
            continue
        try:
            study = opened(name, results)
        except InputError as error:
            notes.append(f"{name} is left out: {error}")
            continue
        if study.summary is None or not study.summary.lines:
            why = "; ".join(study.notes) or "it has no test scores in full"
            notes.append(f"{name} is left out: {why}; `python -m study.report {name}` shows its rows")
            continue
        summaries.append(study.summary)
        notes += [f"{name}: {note}" for note in study.notes]
    if not summaries:
        raise InputError("; ".join([f"no study in {results} has scores that can be read", *notes]))
    return Leaderboard(grouped(summaries), notes)


Protocol = Mapping[str, Mapping[str, Any]]  # by task: everything on which its score depends but the model


def grouped(summaries: Iterable[Summary]) -> list[Group]:
    """Return the lines of studies, together where tasks, their data, metric and fine-tuning are the same."""
    protocols: list[Protocol] = []
    groups: list[Group] = []
    for summary in summaries:
        protocol, own = _protocol(summary), [_entry(summary, line) for line in summary.lines]
        if protocol in protocols:
            groups[protocols.index(protocol)].entries.extend(own)
            continue
        evaluation = summary.spec.evaluation
        tasks, metric = sorted(protocol), evaluation.metric_in_words()
        protocols.append(protocol)
        groups.append(Group(_title(tasks, metric), metric, tasks, own))
    named = [replace(group, title=title) for group, title in zip(groups, _told_apart(groups, protocols), strict=True)]
    for group in named:
        group.entries.sort(key=lambda entry: (-entry.score, entry.study, entry.curriculum))
    return sorted(named, key=lambda group: group.title)


def _entry(summary: Summary, line: CurriculumLine) -> Entry:
    budget = max(line.at)
    score, took = line.at[budget], line.training.get(budget, {})
    claims = {claim.arm.curriculum: claim.sentence for claim in summary.findings.claims}
    return Entry(
        study=summary.spec.name,
        curriculum=line.curriculum,
        budget=budget,
        score=score.mean,
        spread=score.spread if score.values > 1 else math.nan,
        seeds=len(line.runs),
        worker_hours=line.costs.worker_hours,
        gpu_hours=line.costs.gpu_hours,
        masked_tokens=took.get("masked_tokens", math.nan),
        flops=took.get("flops", math.nan),
        claim=claims.get(line.curriculum, NO_CLAIM),
    )


def _protocol(summary: Summary) -> Protocol:
    evaluation = summary.spec.evaluation
    cards = summary.provenance.cards.get(TASKS, {})
    return {
        task.name: {
            "metric": str(evaluation.metric_of(task.name)),
            **task.model_dump(exclude=_NO_PROTOCOL),
            "data": _data(task, evaluation.root, cards.get(task.name)),
        }
        for task in evaluation.tasks
    }


def _data(task: TaskSpec, root: str | None, card: Mapping[str, Any] | None) -> str:
    """Return by what the rows of a task are known: their hashes, or in studies without them where they were."""
    if card is not None:
        return " ".join(f"{split} {digest[:8]}" for split, digest in sorted(card["rows_sha256"].items()))
    files = task.model_dump(include=_FILES) if task.train is not None else {"root": root or "embedded"}
    return " ".join(f"{name} {place}" for name, place in files.items() if place is not None)


def _title(tasks: Sequence[str], metric: str) -> str:
    more = f" and {len(tasks) - _TITLE} more" if len(tasks) > _TITLE else ""
    return f"{', '.join(tasks[:_TITLE])}{more}: {metric}"


def _told_apart(groups: Sequence[Group], protocols: Sequence[Protocol]) -> list[str]:
    """Return the titles; where several are the same, with whatever differs between those groups."""
    titles = []
    for group, protocol in zip(groups, protocols, strict=True):
        alike = [other for one, other in zip(groups, protocols, strict=True) if one.title == group.title]
        own_tasks = [task for task in group.tasks if any(task not in other for other in alike)]
        own, *_ = values = [_values(one) for one in (protocol, *alike)]
        differing = [name for name in own if any(other[name] != own[name] for other in values)]
        apart = [f"with {', '.join(own_tasks)}"] if own_tasks else [f"{name} {own[name]}" for name in differing]
        titles.append(group.title + (f" ({', '.join(apart)})" if apart else ""))
    return titles


def _values(protocol: Protocol) -> dict[str, str]:
    """Return each setting over all tasks in order, one that repeats itself once."""
    names = next(iter(protocol.values()))
    return {name: "/".join(dict.fromkeys(str(protocol[task][name]) for task in sorted(protocol))) for name in names}
