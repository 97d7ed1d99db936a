"""The evaluation tasks of a study: where they come from, and the one number to search by."""

from pathlib import Path

import pandas as pd

from study.spec import StudySpec, TaskSpec
from study.store import PRETRAINING
from trainers import embedded
from trainers.tasks.task import EvaluationTask, read_task


def read(spec: StudySpec) -> list[EvaluationTask]:
    """Read and check all tasks of a study.

    Raises:
        InputError: a task is missing, malformed, too long for the model or too small for its shots.
    """
    tasks = [_read_one(spec, entry) for entry in spec.evaluation.tasks]
    for task, entry in zip(tasks, spec.evaluation.tasks, strict=True):
        task.check_fits(spec.model.preset, spec.model.k)
        if entry.shots:
            task.few_shot(entry.shots, 0)
    return tasks


def _read_one(spec: StudySpec, entry: TaskSpec) -> EvaluationTask:
    if spec.evaluation.root is None:
        return embedded.task(entry.name)
    return read_task(entry.name, Path(spec.evaluation.root).expanduser() / entry.name)


def scores(rows: pd.DataFrame, metric: str, split: str) -> pd.DataFrame:
    """Return the rows of one metric on one split of the evaluation tasks."""
    return rows[(rows["task"] != PRETRAINING) & (rows["metric"] == metric) & (rows["split"] == split)]


def objective(spec: StudySpec, rows: pd.DataFrame, budget: int) -> float:
    """Return what the search maximises: the mean over tasks of the dev scores at one budget.

    Test scores are reported, never searched by.
    """
    chosen = scores(rows[rows["budget"] == budget], spec.evaluation.metric, "dev")
    return float(chosen.groupby("task")["value"].mean().mean())
