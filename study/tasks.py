"""The evaluation tasks of a study: where they come from, and the one number to search by."""

from pathlib import Path

import pandas as pd

from study.spec import StudySpec
from study.spec_evaluation import TaskSpec
from study.store import PRETRAINING
from trainers import embedded, storage
from trainers.tasks import facts, gue
from trainers.tasks.files import read_files, read_task
from trainers.tasks.task import EvaluationTask


def read(spec: StudySpec) -> list[EvaluationTask]:
    """Read and check all tasks of a study.

    Raises:
        InputError: a task is missing, malformed, too long for the model, too small for its shots, or not the published
            one of its name.
    """
    entries = spec.evaluation.tasks
    tasks = [_read_one(spec, entry) for entry in entries]
    for task, entry in zip(tasks, entries, strict=True):
        task.check_fits(spec.model.preset, spec.model.k)
        if entry.shots:
            task.few_shot(entry.shots, 0)
    if spec.evaluation.root is not None and not spec.evaluation.allow_modified:
        _verify_gue([task for task, entry in zip(tasks, entries, strict=True) if entry.train is None])
    return tasks


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


def scores(rows: pd.DataFrame, metric: str, split: str) -> pd.DataFrame:
    """Return the rows of one metric on one split of the evaluation tasks."""
    return rows[(rows["task"] != PRETRAINING) & (rows["metric"] == metric) & (rows["split"] == split)]


def objective(spec: StudySpec, rows: pd.DataFrame, budget: int) -> float:
    """Return what the search maximises: the mean over tasks of the dev scores at one budget.

    Test scores are reported, never searched by.
    """
    chosen = scores(rows[rows["budget"] == budget], spec.evaluation.metric, "dev")
    return float(chosen.groupby("task")["value"].mean().mean())
