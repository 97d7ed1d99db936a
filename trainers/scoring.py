"""Scores one checkpoint on several tasks, shared out over the workers that trained it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trainers.finetune import TaskScores, finetune
from trainers.models.pretrained import Pretrained
from trainers.settings import Protocol
from trainers.tasks.task import EvaluationTask
from trainers.workers import Workers


@dataclass(frozen=True)
class Job:
    """One fine-tuning: a task, how, and the repetition (a seed; with few shots, a draw)."""

    task: EvaluationTask
    protocol: Protocol
    repetition: int

    @property
    def key(self) -> tuple[str, int]:
        """What tells this job from the others of one checkpoint."""
        return self.task.name, self.repetition

    def cost(self) -> int:
        """Bases read, forward passes counted once and training passes three times; good enough to share out."""
        splits = self.task.splits
        length = max(map(len, splits["test"].sequences[:1]))
        trained = self.protocol.shots * self.task.classes or len(splits["train"])
        return length * (3 * self.protocol.epochs * trained + len(splits["dev"]) + len(splits["test"]))


@dataclass(frozen=True)
class Score:
    """The result of one job and the seconds it took."""

    job: Job
    scores: TaskScores
    seconds: float


def share_of(jobs: Sequence[Job], rank: int, count: int) -> list[Job]:
    """Return the jobs of one worker: longest first, each to the worker that has least to do."""
    load = [0] * count
    mine = []
    for job in sorted(jobs, key=lambda job: (-job.cost(), job.key)):
        idlest = load.index(min(load))
        load[idlest] += job.cost()
        if idlest == rank:
            mine.append(job)
    return mine


def score(pretrained: Pretrained, jobs: Sequence[Job], workers: Workers, on_score: Callable[[Score], None]) -> None:
    """Run this worker's share of the jobs, handing over each score the moment it is known; wait for the others."""
    for job in share_of(jobs, workers.rank, workers.count):
        started = time.perf_counter()
        scores = finetune(pretrained, job.task, job.protocol, job.repetition, workers.device)
        on_score(Score(job, scores, time.perf_counter() - started))
    workers.barrier()
