"""Scores one model on several tasks: by every worker of a group, each score known is never computed again."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch

from trainers.evaluation.cache import Score, ScoreCache, content_of, identity, key_of
from trainers.evaluation.finetune import finetune
from trainers.evaluation.metrics import TaskScores
from trainers.evaluation.protocol import Protocol
from trainers.models.pretrained import Pretrained
from trainers.tasks.task import EvaluationTask
from trainers.workers import Workers

_READING = {"probe", "counts"}  # methods that pass over the examples once


@dataclass(frozen=True)
class Job:
    """What one worker does in one go: a task, how, and the repetitions (seeds; with few shots, draws)."""

    task: EvaluationTask
    protocol: Protocol
    repetitions: tuple[int, ...]

    def cost(self) -> int:
        """Bases read, forward passes counted once and training passes three times; good enough to share out."""
        splits, protocol = self.task.splits, self.protocol
        length = max(map(len, splits["test"].sequences[:1]))
        examples = protocol.shots * self.task.classes or round(protocol.share * len(splits["train"]))
        read = len(splits["dev"]) + len(splits["test"])
        if protocol.method in _READING:
            return length * (examples + read) * len(self.repetitions)
        trained = examples * protocol.epochs
        if protocol.max_steps:
            trained = min(trained, protocol.max_steps * protocol.batch)
        return length * (3 * trained + read) * len(self.repetitions)


def jobs_of(task: EvaluationTask, protocol: Protocol, repetitions: Iterable[int], device: torch.device) -> list[Job]:
    """Return the jobs of a task's repetitions: one each on a CPU, one of all on a GPU, which one leaves mostly idle."""
    wanted = tuple(repetitions)
    if device.type == "cpu" or protocol.method != "finetune":
        return [Job(task, protocol, (repetition,)) for repetition in wanted]
    return [Job(task, protocol, wanted)] if wanted else []


OnScore = Callable[[Job, int, Score], None]


def score(
    pretrained: Pretrained | None,
    jobs: Sequence[Job],
    workers: Workers,
    on_score: OnScore,
    cache: ScoreCache | None = None,
) -> None:
    """Do the jobs with all workers of the group, each taking the longest that is left; return when all are done.

    Args:
        pretrained: The same model on every worker; None where no job reads one.
        jobs: The same on every worker.
        workers: The group.
        on_score: Called on the worker that did a job, with each repetition and its score, the moment it is known.
        cache: Where scores are looked up first, and stored.
    """
    known = _Known(pretrained, workers.device, cache)
    queue = workers.queue(len(jobs))
    ordered = sorted(jobs, key=lambda job: (-job.cost(), job.task.name, repr(job.protocol), job.repetitions))
    for number in queue:
        job = ordered[number]
        for repetition, found in known.scores(job):
            on_score(job, repetition, found)


class _Known:
    """Scores that are looked up before they are computed."""

    def __init__(self, pretrained: Pretrained | None, device: torch.device, cache: ScoreCache | None) -> None:
        self._pretrained, self._device, self._cache = pretrained, device, cache
        self._model = "" if pretrained is None or cache is None else identity(pretrained)
        self._tasks: dict[int, str] = {}  # hashing the rows of a task takes longer than reading a score

    def scores(self, job: Job) -> list[tuple[int, Score]]:
        keys = {repetition: self._key(job, repetition) for repetition in job.repetitions}
        found = {one: self._cache.get(key) if self._cache else None for one, key in keys.items()}
        missing = tuple(one for one, score in found.items() if score is None)
        if missing:
            started = time.perf_counter()
            computed = compute(self._pretrained, replace(job, repetitions=missing), self._device)
            seconds = (time.perf_counter() - started) / len(missing)
            for repetition, scores in zip(missing, computed, strict=True):
                found[repetition] = Score(scores, seconds)
                if self._cache:
                    self._cache.put(keys[repetition], Score(scores, seconds))
        return [(repetition, score) for repetition, score in found.items() if score is not None]

    def _key(self, job: Job, repetition: int) -> str:
        if self._cache is None:
            return ""
        content = self._tasks.setdefault(id(job.task), "") or content_of(job.task)
        self._tasks[id(job.task)] = content
        return key_of(self._model, content, job.protocol, repetition, self._device)


def compute(pretrained: Pretrained | None, job: Job, device: torch.device) -> list[TaskScores]:
    """Return the scores of a job's repetitions, whatever its method."""
    method = job.protocol.method
    if method == "counts":
        from trainers.evaluation.counts import kmer_counts

        return [kmer_counts(job.task, job.protocol, repetition) for repetition in job.repetitions]
    if method == "cnn":
        from trainers.evaluation.cnn import small_cnn

        return [small_cnn(job.task, job.protocol, repetition, device) for repetition in job.repetitions]
    if pretrained is None:
        raise ValueError(f"the method `{method}` reads a pretrained model, but there is none")
    if method == "probe":
        from trainers.evaluation.probe import linear_probe

        return [linear_probe(pretrained, job.task, job.protocol, one, device) for one in job.repetitions]
    return finetune(pretrained, job.task, job.protocol, job.repetitions, device)
