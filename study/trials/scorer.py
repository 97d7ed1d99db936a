"""Scores one model on the tasks of a study at some fidelity, and stores each row the moment it is known."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from study import tasks
from study.runs import Run
from study.spec.evaluation import CNN, FULL, KMER_COUNTS
from study.spec.study import StudySpec
from study.store import PRETRAINING, Row, Store
from trainers.evaluation.cache import Score, ScoreCache
from trainers.evaluation.protocol import Protocol
from trainers.evaluation.scoring import Job, jobs_of, score
from trainers.models.pretrained import Pretrained
from trainers.tasks.task import EvaluationTask
from trainers.workers import Workers

CACHE = ".scores"  # in the results folder, for all its studies
_METHODS = {KMER_COUNTS: "counts", CNN: "cnn"}


@dataclass(frozen=True)
class Place:
    """Where on the way of a training a score comes from."""

    budget: int
    horizon: int
    branch: str


class Scorer:
    """Scores the models of one run, as one rank of its group."""

    def __init__(self, spec: StudySpec, run: Run, folder: Path, workers: Workers, read: list[EvaluationTask]) -> None:
        self._spec, self._run, self._workers, self._tasks = spec, run, workers, read
        self._store = Store(folder)
        self._cache = ScoreCache(folder.parent / CACHE)

    def missing(self, budget: int) -> list[str]:
        """Return the fidelities at which this run is not scored yet at a budget."""
        wanted = self._run.fidelities(self._spec, budget)
        return [one for one in wanted if not self._store.is_finished(self._run.key, budget, one)]

    def is_finished(self, budget: int) -> bool:
        """Whether all rows of this run at a budget are stored."""
        has_costs = self._run.role == "baseline" or self._store.is_finished(self._run.key, budget, PRETRAINING)
        return has_costs and not self.missing(budget)

    def score(self, pretrained: Pretrained | None, place: Place) -> None:
        """Score a model at every fidelity that is missing, with all workers of the group."""
        for fidelity in self.missing(place.budget):
            self._score(pretrained, place, fidelity)
        self._workers.barrier()

    def store_pretraining(self, values: dict[str, float], seconds: float, place: Place) -> None:
        """Store the losses and costs of the training itself; by one rank."""
        common = {"fidelity": PRETRAINING, "task": PRETRAINING, "repetition": 0, "split": "validation"}
        rows = [
            self._row(place, **common, metric=metric, value=value, seconds=seconds) for metric, value in values.items()
        ]
        self._store.write_part(self._run.key, place.budget, PRETRAINING, PRETRAINING, rows)
        self._store.finish(self._run.key, place.budget, PRETRAINING)

    def _score(self, pretrained: Pretrained | None, place: Place, fidelity: str) -> None:
        key, budget = self._run.key, place.budget

        def has(job: Job, repetition: int) -> bool:
            return self._store.has_part(key, budget, fidelity, _part(job.task, repetition))

        def on_score(job: Job, repetition: int, found: Score) -> None:
            rows = self._task_rows(place, fidelity, job.task.name, repetition, found)
            self._store.write_part(key, budget, fidelity, _part(job.task, repetition), rows)

        jobs = self._jobs(fidelity, has)
        self._workers.barrier()  # every rank has looked what is stored before any rank stores more
        score(pretrained, jobs, self._workers, on_score, self._cache)
        if self._workers.rank == 0:
            self._store.finish(key, budget, fidelity)

    def _jobs(self, fidelity: str, is_stored: Callable[[Job, int], bool]) -> list[Job]:
        """Return every job of one model at one fidelity whose rows are not stored."""
        found: list[Job] = []
        for task, protocol, repetitions in protocols(self._spec, self._tasks, self._run, fidelity):
            whole = Job(task, protocol, tuple(repetitions))
            wanted = [one for one in repetitions if not is_stored(whole, one)]
            found += jobs_of(task, protocol, wanted, self._workers.device)
        return found

    def _row(self, place: Place, **fields: Any) -> Row:
        run = self._run
        return Row(
            study=self._spec.name,
            run=run.key,
            role=run.role,
            curriculum=run.curriculum,
            parameters=json.dumps(run.parameters(), sort_keys=True),
            seed=run.seed,
            budget=place.budget,
            horizon=place.horizon,
            branch=place.branch,
            **fields,
        )

    def _task_rows(self, place: Place, fidelity: str, task: str, repetition: int, found: Score) -> list[Row]:
        common = {"fidelity": fidelity, "task": task, "repetition": repetition, "seconds": found.seconds}
        return [
            self._row(place, **common, split=split, metric=metric, value=value)
            for split, values in (("dev", found.scores.dev), ("test", found.scores.test))
            for metric, value in values.items()
        ]


def protocols(
    spec: StudySpec, read: Iterable[EvaluationTask], run: Run, fidelity: str
) -> list[tuple[EvaluationTask, Protocol, range]]:
    """Return each task that a fidelity reads, how it is scored there, and its repetitions."""
    evaluation = spec.evaluation
    cheaper = None if fidelity == FULL else evaluation.fidelities[fidelity]
    found = []
    for task, entry in zip(read, evaluation.tasks, strict=True):
        if cheaper is not None and not tasks.applies(cheaper, entry):
            continue
        protocol, repetitions = entry.protocol(), entry.repetitions
        if cheaper is not None:
            protocol, repetitions = cheaper.protocol(protocol), cheaper.repetitions or repetitions
        if run.role == "baseline":  # it has no seeds: its repetitions stand for them
            repetitions *= spec.seeds
            protocol = Protocol(**{**vars(protocol), "method": _METHODS.get(run.curriculum, "finetune")})
        found.append((task, protocol, range(repetitions)))
    return found


def _part(task: EvaluationTask, repetition: int) -> str:
    return f"{task.name}-{repetition}"


def set_threads(spec: StudySpec) -> None:
    """Let a worker on CPUs use the cores that are its own; the number of threads changes the last bits."""
    if not spec.cluster.gpus_per_worker:
        torch.set_num_threads(max(1, int(spec.cluster.cpus_per_worker)))
