"""The evaluation tasks of a study: where they come from, and the one number to search by."""

from pathlib import Path
from typing import Any, Literal

import pandas as pd

from study.spec.evaluation import FULL, FidelitySpec, TaskSpec
from study.spec.study import StudySpec
from study.store import PRETRAINING
from study.trials.messages import COST, OBJECTIVE
from trainers import embedded, storage
from trainers.tasks import facts, fingerprints, gue
from trainers.tasks.files import read_files, read_task
from trainers.tasks.task import EvaluationTask, Reading


def read(spec: StudySpec) -> list[EvaluationTask]:
    """Read and check all tasks of a study, as its model can read them.

    Raises:
        InputError: as `read_whole`; or a sequence is too long for the model or too short.
    """
    return fitted(spec, read_whole(spec), Reading.of_preset(spec.model.preset, spec.model.k))


def read_whole(spec: StudySpec) -> list[EvaluationTask]:
    """Read and check all tasks of a study.

    Raises:
        InputError: a task is missing, malformed, too small for its shots, not the published one of its name, or has
            letters that the spec does not allow.
    """
    evaluation = spec.evaluation
    entries = evaluation.tasks
    tasks = [_read_one(spec, entry) for entry in entries]
    if evaluation.root is not None and not evaluation.allow_modified:
        _verify_gue([task for task, entry in zip(tasks, entries, strict=True) if entry.train is None])
    for task, entry in zip(tasks, entries, strict=True):
        task.check_letters(evaluation.unknown_letters == "unknown", evaluation.lower_case == "fold")
        for shots in {entry.shots, *(one.shots for one in evaluation.fidelities.values() if applies(one, entry))} - {0}:
            task.few_shot(shots, 0)
    return tasks


def published_sizes(spec: StudySpec) -> list[EvaluationTask] | None:
    """Return stand-ins, as large as published, for the tasks of a study; None where one is not of GUE."""
    if any(entry.train is not None or entry.name not in gue.TABLE for entry in spec.evaluation.tasks):
        return None
    return [gue.stand_in(entry.name) for entry in spec.evaluation.tasks]


def fitted(spec: StudySpec, tasks: list[EvaluationTask], reading: Reading) -> list[EvaluationTask]:
    """Return the tasks of a study as a model can read them.

    Raises:
        InputError: a sequence is too long, and the spec does not ask for it to be cut; or too short.
    """
    entries = spec.evaluation.tasks
    return [task.fitted(reading, entry.truncate) for task, entry in zip(tasks, entries, strict=True)]


def cards(spec: StudySpec, tasks: list[EvaluationTask]) -> dict[str, Any]:
    """Return where each task is from, and a SHA-256 of the rows of each split as they were read, by name."""
    return {
        task.name: {
            "source": _source(spec, entry),
            "rows": {split: len(examples) for split, examples in task.splits.items()},
            "rows_sha256": {split: fingerprints.sha256(examples) for split, examples in task.splits.items()},
        }
        for task, entry in zip(tasks, spec.evaluation.tasks, strict=True)
    }


def _source(spec: StudySpec, entry: TaskSpec) -> str:
    if entry.train is not None:
        return entry.train if isinstance(entry.train, str) else entry.train[0]
    root = spec.evaluation.root
    return "embedded" if root is None else f"{root.partition('?')[0].rstrip('/')}/{entry.name}"


def applies(fidelity: FidelitySpec, entry: TaskSpec) -> bool:
    """Whether a fidelity reads a task."""
    return not fidelity.tasks or entry.name in fidelity.tasks


def _read_one(spec: StudySpec, entry: TaskSpec) -> EvaluationTask:
    root = spec.evaluation.root
    if entry.train is not None and entry.test is not None:
        columns = (entry.sequence_column, entry.label_column)
        return read_files(entry.name, _local(entry.train), _local(entry.test), _local(entry.dev), columns)
    if root is None:
        return embedded.task(entry.name)
    if storage.is_remote(root):
        address, mark, options = root.partition("?")  # only this task's folder is copied
        return read_task(entry.name, storage.local(f"{address.rstrip('/')}/{entry.name}{mark}{options}"))
    return read_task(entry.name, storage.local(root) / entry.name)


def _local(places: str | list[str] | None) -> list[Path]:
    if places is None:
        return []
    return [storage.local(place) for place in ([places] if isinstance(places, str) else places)]


def _verify_gue(tasks: list[EvaluationTask]) -> None:
    published = [task for task in tasks if task.name in gue.TABLE]
    for task in published:
        gue.verify(task)
    gue.verify_shorter({task.name: facts.shorter(task) for task in published})


def scores(spec: StudySpec, rows: pd.DataFrame, split: str, fidelity: str = FULL) -> pd.DataFrame:
    """Return the rows of each task's own metric on one split, of scores at one fidelity."""
    return own_metric(spec, rows[(rows["split"] == split) & (rows["fidelity"] == fidelity)])


def own_metric(spec: StudySpec, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each task's own metric."""
    scored = rows[rows["task"] != PRETRAINING]
    return scored[scored["metric"] == scored["task"].map(spec.evaluation.metric_of)]


def objective(spec: StudySpec, rows: pd.DataFrame, budget: int) -> float:
    """Return what the search maximises: the mean over tasks of the dev scores at one budget.

    Test scores are reported, never searched by.
    """
    chosen = scores(spec, rows[rows["budget"] == budget], "dev", spec.evaluation.fidelity_at(budget))
    return float(chosen.groupby("task")["value"].mean().mean())


def objectives(spec: StudySpec) -> dict[str, Literal["minimize", "maximize"]]:
    """Return what trials report and the search weighs, and the direction of each."""
    return {OBJECTIVE: "maximize"} if spec.search.cost is None else {OBJECTIVE: "maximize", COST: "minimize"}


def reported(spec: StudySpec, rows: pd.DataFrame, budget: int) -> dict[str, float]:
    """Return what the search weighs of a run at one budget: the objective, and the cost if the spec names one."""
    values = {OBJECTIVE: objective(spec, rows, budget)}
    if spec.search.cost is not None:
        costs = rows[(rows["budget"] == budget) & (rows["metric"] == spec.search.cost)]["value"]
        values[COST] = float(costs.iloc[0])
    return values


def in_words(spec: StudySpec, rows: pd.DataFrame, budget: int) -> str:
    """Return dev and test score at one budget, at the fidelity by which the search goes, and validation loss."""
    at = rows[rows["budget"] == budget]
    evaluation = spec.evaluation
    fidelity = evaluation.fidelity_at(budget)
    test = scores(spec, at, "test", fidelity).groupby("task")["value"].mean().mean()
    metric = evaluation.metric_in_words() + ("" if fidelity == FULL else f" by {fidelity}")
    losses = at[at["metric"] == "validation_loss"]["value"]
    loss = f", validation loss {losses.iloc[0]:.3f}" if len(losses) else ""
    return f"{metric} dev {objective(spec, at, budget):.3f} test {test:.3f}{loss}"


def worst(spec: StudySpec, rows: pd.DataFrame) -> dict[str, float]:
    """Return what a run without a score reports: chance level, at the highest cost of the study, lest it look cheap."""
    if spec.search.cost is None:
        return {OBJECTIVE: 0.0}
    costs = rows[rows["metric"] == spec.search.cost]["value"]
    return {OBJECTIVE: 0.0, COST: float(costs.max()) if len(costs) else 0.0}
