"""What a study is compared with and does not pretrain: k-mer counts, a small CNN, and published models."""

from pathlib import Path
from typing import Any

from study import tasks
from study.runs import Run
from study.spec.evaluation import CONTROLS
from study.spec.study import StudySpec
from study.store import Store
from study.trials.messages import IN_WORDS, OBJECTIVE
from study.trials.scorer import Place, Scorer
from trainers.models.opened import opened, reading_of
from trainers.tasks.task import EvaluationTask
from trainers.workers import Workers


def reads_letters(run: Run) -> bool:
    """Whether a run needs no pretrained model, and so no group of workers."""
    return run.role == "baseline" and run.curriculum in CONTROLS


def check(spec: StudySpec, read: list[EvaluationTask]) -> None:
    """Open every model that a study is compared with, and see whether it can read the tasks.

    Raises:
        InputError: there is no such model, or a sequence does not fit it.
    """
    for place in spec.evaluation.baselines:
        if place not in CONTROLS:
            tasks.fitted(spec, read, reading_of(opened(place), place))


def score(spec: StudySpec, run: Run, folder: Path, workers: Workers) -> dict[str, Any]:
    """Score a baseline unless that is stored already; return what Tune hears of it."""
    pretrained, read = None, tasks.read_whole(spec)
    if not reads_letters(run):
        pretrained = opened(run.curriculum)
        pretrained.model.to(workers.device)
        read = tasks.fitted(spec, read, reading_of(pretrained, run.curriculum))
    scorer = Scorer(spec, run, folder, workers, read)
    if not scorer.is_finished(0):
        scorer.score(pretrained, Place(budget=0, horizon=0, branch="none"))
    rows = Store(folder).rows(run.key, 0)
    told = {OBJECTIVE: tasks.objective(spec, rows, 0), IN_WORDS: tasks.in_words(spec, rows, 0)}
    return {**told, "budget": 0, "run": run.key}
