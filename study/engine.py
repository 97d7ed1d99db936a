"""Runs a study: controls, search, repetitions of the best; every finished number is on disk before it is used."""

import functools
import itertools
import logging
import os
import uuid
import warnings
from collections.abc import Iterator
from typing import Any, Protocol

from filelock import FileLock, Timeout

from curricula import InputError
from study import replication, sessions, tasks
from study.cluster import connection, head
from study.folder import resume_line
from study.progress import Reporter
from study.provenance import LEAKS, TASKS
from study.runs import Run, baselines, controls, data_settings, repeated_seeds
from study.search import warm_start
from study.spec.study import StudySpec
from study.store import Store
from study.tracking.tracker import Tracker
from study.trials.trial import run_trial
from trainers import data
from trainers.genome.intervals import NONE
from trainers.genome.leaks import find_leaks
from trainers.tasks.task import EvaluationTask, tests_of


class Trial(Protocol):
    """What a trial does: reports, by Tune, what it scored at each budget."""

    def __call__(self, config: dict[str, Any], spec_json: str, folder: str) -> None:
        """Do it, given Tune's configuration, the study's spec as JSON, and its folder."""


class Study:
    """One study on disk, and the phases that fill it."""

    def __init__(
        self, spec: StudySpec, at_once: int, reporter: Reporter, tracker: Tracker, trial: Trial = run_trial
    ) -> None:
        self._spec, self._at_once, self._reporter, self._tracker = spec, at_once, reporter, tracker
        self._trial = trial
        self._folder = spec.folder()
        self._store = Store(self._folder)

    def is_finished(self, run: Run) -> bool:
        """Whether all budgets of a run are stored, or it failed for good."""
        return (self._folder / "runs" / run.key / "failure.json").exists() or self._is_scored(run)

    def _is_scored(self, run: Run) -> bool:
        return all(
            self._store.is_finished(run.key, budget, fidelity)
            for budget in run.budgets(self._spec)
            for fidelity in run.fidelities(self._spec, budget)
        )

    def run_all(self) -> None:
        """Run whatever of the study is not finished yet."""
        fixed = controls(self._spec)
        self._run_fixed([*baselines(self._spec), *fixed])
        if self._spec.search.trials:
            self._search(fixed)
        self._replicate()

    def _replicate(self) -> None:
        """Repeat what the search found best with other seeds, as many as the spec asks for."""
        spec = self._spec
        chosen = replication.promising(spec, self._store.rows(), self._folder)
        self._run_fixed(replication.repeated(chosen, repeated_seeds(spec)))
        compared = replication.compared(spec, chosen)
        for seed in itertools.count(spec.seeds):
            runs, why = replication.further(spec, self._store.rows(), compared, seed)
            if why:
                self._reporter.say(why)
            if not runs:
                return
            self._reporter.expect(len(runs))
            self._run_fixed(runs)

    def _run_fixed(self, runs: list[Run]) -> None:
        from ray import tune

        pending = [run for run in runs if not self.is_finished(run)]
        for run in runs:
            if run not in pending:
                self._reporter.skip(run.key)
        if pending:
            self._fit({"run": tune.grid_search([run.to_dict() for run in pending])}, None, None, 1)

    def _search(self, fixed: list[Run]) -> None:
        from study.search import proposals
        from study.search.asha import Halving

        finished = {run.key: self._final(run.key) for run in fixed if self._is_scored(run)}
        earlier = warm_start.earlier(self._spec)
        study = proposals.open_study(self._spec, self._folder, finished, earlier)
        done = proposals.trials_done(study)
        for one in earlier:
            self._reporter.say(one.sentence())
        for number in range(done - len(self._spec.every_seed())):
            self._reporter.skip(f"search-{number}")
        if done < self._spec.search.trials:
            scheduler = Halving(self._spec)
            for key, budget, values in self._reached_by_search():
                scheduler.reached(key, budget, list(values.values()))
            self._fit({}, proposals.searcher(self._spec, self._folder), scheduler, self._spec.search.trials - done)

    def _final(self, run: str) -> dict[str, float]:
        """Return what a finished run reported at its last budget."""
        rows = self._store.rows(run)
        return tasks.reported(self._spec, rows, int(rows["budget"].max()))

    def _reached_by_search(self) -> Iterator[tuple[str, int, dict[str, float]]]:
        """Yield (run, budget, what it reported) of every run that the search has finished with."""
        rows = self._store.rows()
        rows = rows[(rows["seed"] == 0) & (rows["budget"] > 0)]
        for (run, budget), own in rows.groupby(["run", "budget"]):
            if (self._folder / "runs" / str(run) / "ended").exists():
                yield str(run), int(str(budget)), tasks.reported(self._spec, own, int(str(budget)))

    def _fit(self, space: dict[str, Any], searcher: Any, scheduler: Any, samples: int) -> None:
        """Let Tune run trials.

        They hold no CPU, since their worker groups need it: the head's own resource admits them, and their
        number is bounded by what the cluster can train at once.
        """
        from ray import tune
        from ray.air._internal import usage

        from study.trials.tune_callback import StudyCallback

        usage.tag_callbacks = lambda callbacks: False  # it counts them for Ray's makers, and loads MLflow for that
        trainable = functools.partial(self._trial, spec_json=self._spec.model_dump_json(), folder=str(self._folder))
        placed = tune.with_resources(trainable, {"cpu": 0, "node:__internal_head__": 0.001})
        tuner = tune.Tuner(
            placed,
            param_space=space,
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=scheduler,
                num_samples=samples,
                max_concurrent_trials=self._at_once,
                reuse_actors=True,  # a fresh trial process costs some seconds of imports
            ),
            run_config=tune.RunConfig(
                name=f"tune-{uuid.uuid4().hex[:8]}",
                storage_path=str(self._folder / "scratch"),
                callbacks=[StudyCallback(self._spec, self._folder, self._reporter, self._tracker)],
                failure_config=tune.FailureConfig(max_failures=self._spec.cluster.max_failures),
                verbose=0,
            ),
        )
        for noisy in ("ray.tune", "ray.train"):  # what befalls a trial is said in our words, and is in Ray's own logs
            logging.getLogger(noisy).setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Tune's hints about its own defaults are not for our users
            tuner.fit()


def check(spec: StudySpec) -> list[EvaluationTask]:
    """Refuse whatever input can be refused before a folder is made or Ray is started; return the tasks.

    Raises:
        InputError: a task, the genome or the cluster does not fit the spec.
    """
    if "RAY_ADDRESS" in os.environ:
        connection.check_address(os.environ["RAY_ADDRESS"])
    else:
        connection.trials_at_once(spec.cluster, connection.capacity())
    return check_inputs(spec)


def check_inputs(spec: StudySpec) -> list[EvaluationTask]:
    """Refuse tasks, models and a genome that do not fit the spec, wherever it will run; return the tasks.

    Raises:
        InputError: one does not.
    """
    read = tasks.read(spec)
    warm_start.earlier(spec)
    if spec.evaluation.baselines:
        from study.trials import baselines as compared  # opening models takes torch

        compared.check(spec, tasks.read_whole(spec))
    corpus = data.open_genome(spec.data.genome)
    data.windows(corpus, data_settings(spec))
    if spec.data.difficulty is not None:
        data.difficulty_of(corpus, data_settings(spec))
    return read


def prepare(spec: StudySpec, read: list[EvaluationTask] | None = None) -> None:
    """Write corpus, difficulty table, leak check and provenance cards, unless an earlier session did; cards last.

    Args:
        spec: The study.
        read: Its tasks, where `check` has read them already.

    Raises:
        InputError: what is there is of another genome; or the test windows leave no room for training.
    """
    if (spec.folder() / "provenance.json").exists():
        return
    settings = data_settings(spec)
    corpus = data.open_genome(spec.data.genome)
    read = read or tasks.read(spec)
    leaks = find_leaks(corpus, data.divided(corpus, settings)[0], tests_of(read))
    excluded = leaks.places if spec.data.exclude_test_windows else NONE
    cards = {LEAKS: leaks.card(spec.data.exclude_test_windows), TASKS: tasks.cards(spec, read)}
    data.prepare(corpus, settings, spec.folder(), excluded, cards)


def run(spec: StudySpec, reporter: Reporter, tracker: Tracker, trial: Trial = run_trial) -> None:
    """Run a study whose folder and data are prepared, or what is left of it.

    Args:
        spec: The study.
        reporter: What its user sees.
        tracker: Its MLflow.
        trial: What a trial does.

    Raises:
        InputError: a trial does not fit the cluster, or another process runs this study.
    """
    try:
        with FileLock(spec.folder() / ".lock", timeout=0), connection.connected(spec.cluster, reporter.say) as at_once:
            tracker.start()
            held = sessions.recorded(
                spec.folder(), lambda: min(at_once * spec.cluster.workers, connection.room(spec.cluster))
            )
            watched = head.watched(connection.head(), lambda: _lost(spec, reporter))
            with held, watched, reporter.shown(), tracker.watching():
                Study(spec, at_once, reporter, tracker, trial).run_all()
    except Timeout as error:
        raise InputError(f"the study {spec.name} is being run by another process") from error


def _lost(spec: StudySpec, reporter: Reporter) -> None:
    reporter.say(
        f"Ray's head at {connection.head()} does not answer any more. If it stays away, Ray ends this process within a "
        f"minute; nothing finished is lost, go on with: {resume_line(spec.folder())}"
    )
