"""What each DDP worker of a trial does: pretrain to a budget, score there, store the rows, report."""

import json
import os
import platform
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import torch

from study import tasks
from study.cluster import notice
from study.cluster.heart import Heart
from study.runs import Run, data_settings, execution
from study.spec.study import StudySpec
from study.store import Store
from study.trials import baselines
from study.trials.group import Report
from study.trials.measures import measures
from study.trials.messages import GO_ON, IN_WORDS, decision_path
from study.trials.scorer import Place, Scorer
from trainers import data
from trainers.files import written
from trainers.models.pretrained import Pretrained
from trainers.pretraining.clock import forget_peak_memory
from trainers.pretraining.compute import autocast_type
from trainers.pretraining.loop import Reached, pretrain
from trainers.workers import Workers

_DECISION_TIMEOUT_S = 600


def work(spec: StudySpec, folder: Path, workers: Workers, heart: Heart, run: Run, report: Report) -> None:
    """Take one run from its first budget to its last, as one rank of a group; report each budget."""
    forget_peak_memory(workers.device)
    if run.role == "baseline":
        report(baselines.score(spec, run, folder, workers) | _group(workers))
        return
    worker = _Worker(spec, run, folder, workers, heart, report)
    try:
        for budget in run.budgets(spec):
            if not worker.reach(budget):
                break
    except FloatingPointError as error:  # every rank sees the same gradient norm, so all of them stop here
        worker.diverged(str(error))
    finally:
        worker.close()


def _group(workers: Workers) -> dict[str, Any]:
    """Return which processes on which nodes a score came from."""
    return {
        "workers": workers.count,
        "pids": workers.gather(os.getpid()),
        "nodes": workers.gather(platform.node()),
        "backend": torch.distributed.get_backend(),
    }


class _Worker:
    """One run on one rank of a group."""

    def __init__(self, spec: StudySpec, run: Run, folder: Path, workers: Workers, heart: Heart, report: Report) -> None:
        self._heart, self._report = heart, report
        self._spec, self._run, self._folder, self._workers = spec, run, folder, workers
        self._store = Store(folder)
        self._data, self._data_sha256 = data.load(data_settings(spec), folder)
        self._scorer = Scorer(spec, run, folder, workers, tasks.read(spec))
        self._training = self._reached()
        self._shown_at = 0.0

    def _reached(self) -> Generator[tuple[int, Reached]]:
        """Yield (horizon, reached) for every budget whose scores are not all stored yet."""
        for horizon, budgets in self._run.legs(self._spec):
            missing = [budget for budget in budgets if not self._scorer.is_finished(budget)]
            if not missing:
                continue
            settings = self._run.settings(self._spec, horizon, self._data_sha256)
            checkpoints = self._folder / "runs" / self._run.key / f"checkpoints-{horizon}"
            how = execution(self._spec)
            for reached in pretrain(
                settings, self._data, missing, checkpoints, self._workers, how, self._on_step, notice.is_given
            ):
                yield horizon, reached

    def _on_step(self, step: int) -> None:
        """Give a sign of life, and let the driver show where this trial is; once a second is enough for people."""
        self._heart.step(step)
        if self._workers.rank == 0 and time.monotonic() - self._shown_at > 1:
            self._shown_at = time.monotonic()
            path = self._folder / "runs" / self._run.key / "progress"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(step))

    def close(self) -> None:
        """Leave the training where it is: its checkpoints are written and its model can go."""
        self._heart.rest()
        self._training.close()

    def reach(self, budget: int) -> bool:
        """Train to the budget and score there, unless that is stored already; report; say whether to go on."""
        if not self._scorer.is_finished(budget):
            with notice.training():
                horizon, reached = next(self._training)
            self._heart.rest()
            self._score(horizon, reached)
        rows = self._store.rows(self._run.key, budget)
        self._report(
            {
                **tasks.reported(self._spec, rows, budget),
                IN_WORDS: tasks.in_words(self._spec, rows, budget),
                "budget": budget,
                "run": self._run.key,
                **_group(self._workers),
            }
        )
        return self._may_go_on(budget)

    def _may_go_on(self, budget: int) -> bool:
        """Wait until the driver says whether ASHA lets this trial train beyond the budget.

        Tune's decision does not reach a Train worker by itself. A stopped trial that trained on until it is
        killed would leave scores that depend on timing, and processes for Ray to clean up.
        """
        if self._run.role != "search" or budget == max(self._run.budgets(self._spec)):
            return True
        decision = decision_path(self._folder, self._run.key, budget)
        waited_until = time.monotonic() + _DECISION_TIMEOUT_S
        while not decision.exists():
            if time.monotonic() > waited_until:
                raise TimeoutError(f"no decision about {self._run.key} after {budget} steps in {_DECISION_TIMEOUT_S} s")
            time.sleep(0.02)
        return decision.read_text() == GO_ON

    def _score(self, horizon: int, reached: Reached) -> None:
        place = Place(reached.state.step, horizon, reached.branch)
        if self._workers.rank == 0:  # memory is read before scoring takes some
            precision = autocast_type(self._run.settings(self._spec, horizon, self._data_sha256), self._workers.device)
            values = measures(reached, self._workers, self._spec.cluster, precision)
            self._scorer.store_pretraining(values, reached.state.seconds, place)
        self._scorer.score(Pretrained(reached.model, self._data.tokenizer), place)

    def diverged(self, reason: str) -> None:
        """Record that this run has no score at its next budgets, and report the worst to the search."""
        if self._workers.rank == 0:
            written(self._folder / "runs" / self._run.key / "failure.json", json.dumps({"reason": reason}))
        longest = max(self._run.budgets(self._spec))
        self._report(
            {
                **tasks.worst(self._spec, self._store.rows()),
                "budget": longest,
                "run": self._run.key,
                "failure": reason,
            }
        )
