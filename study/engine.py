"""Runs a study: controls, search, repetitions of the best; every finished number is on disk before it is used."""

import functools
import json
import os
import uuid
import warnings
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from curricula import InputError
from study import cluster, tasks
from study.progress import Reporter
from study.provenance import LEAKS
from study.runs import Run, baselines, controls, data_settings
from study.spec import StudySpec
from study.spec_files import parse
from study.store import Store
from study.tracking import Tracker
from trainers import data
from trainers.files import replacing
from trainers.genome.intervals import NONE
from trainers.genome.leaks import find_leaks
from trainers.tasks.task import EvaluationTask, tests_of

_SPEC, _ID = "spec.yaml", "study_id"


def create_folder(spec: StudySpec) -> StudySpec:
    """Make the folder of a new study; a name that is taken gets the next free number.

    Raises:
        InputError: the results folder cannot be written.
    """
    number = 0
    while True:
        number += 1
        name = spec.name if number == 1 else f"{spec.name}-{number}"
        numbered = spec.model_copy(update={"name": name})
        folder = numbered.folder()
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise InputError(f"the results folder {folder.parent} cannot be written: {error.strerror}") from error
        (folder / _ID).write_text(uuid.uuid4().hex)
        with replacing(folder / _SPEC) as temporary:
            temporary.write_text(yaml.safe_dump(numbered.model_dump(mode="json"), sort_keys=False))
        return numbered


def saved_spec(name: str, results: str) -> StudySpec:
    """Return the spec of a study that was started before.

    Raises:
        InputError: there is no such study.
    """
    root = Path(results).expanduser().resolve()
    path = root / name / _SPEC
    if not path.exists():
        known = sorted(entry.parent.name for entry in root.glob(f"*/{_SPEC}"))
        raise InputError(f"there is no study `{name}` in {root} (there: {', '.join(known) or 'none'})")
    return parse({**yaml.safe_load(path.read_text()), "results": str(root)}, str(path))


def study_id(folder: Path) -> str:
    """Return the identity of a study: its name may be taken elsewhere, this is not."""
    return (folder / _ID).read_text()


class Study:
    """One study on disk, and the phases that fill it."""

    def __init__(self, spec: StudySpec, at_once: int, reporter: Reporter, tracker: Tracker) -> None:
        self._spec, self._at_once, self._reporter, self._tracker = spec, at_once, reporter, tracker
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
        self._run_fixed(self._repetitions())

    def _final_objective(self, run: str) -> float:
        rows = self._store.rows(run)
        return tasks.objective(self._spec, rows, int(rows["budget"].max()))

    def _repetitions(self) -> list[Run]:
        """Return the best configuration of the search, by dev score at the longest budget, with every seed.

        The first seed as well: where the search went by cheaper scores, those in full are still missing.
        """
        rows = self._store.rows()
        rows = rows[(rows["seed"] == 0) & (rows["budget"] == max(self._spec.pretraining.budgets))]
        if rows.empty or not self._spec.search.trials:
            return []
        best = max(sorted(set(rows["run"])), key=self._final_objective)
        chosen = json.loads((self._folder / "runs" / best / "run.json").read_text())
        first = 0 if self._spec.evaluation.rungs else 1
        return [Run(**{**chosen, "role": "replicate", "seed": seed}) for seed in range(first, self._spec.seeds)]

    def _run_fixed(self, runs: list[Run]) -> None:
        from ray import tune

        pending = [run for run in runs if not self.is_finished(run)]
        for run in runs:
            if run not in pending:
                self._reporter.skip(run.key)
        if pending:
            self._fit({"run": tune.grid_search([run.to_dict() for run in pending])}, None, None, 1)

    def _search(self, fixed: list[Run]) -> None:
        from ray.tune.search.optuna import OptunaSearch

        from study import search
        from study.messages import OBJECTIVE, rung

        finished = {run.key: self._final_objective(run.key) for run in fixed if self._is_scored(run)}
        study = search.open_study(self._spec, self._folder, finished)
        factor = self._spec.search.reduction_factor
        scheduler = search.BudgetASHA(
            time_attr="rung",
            metric=OBJECTIVE,
            mode="max",
            max_t=factor ** (len(self._spec.pretraining.budgets) - 1),
            grace_period=1,
            reduction_factor=factor,
        )
        for key, rows in self._search_rows():
            budgets = sorted(set(rows["budget"]))
            scores = [(rung(self._spec, int(b)), tasks.objective(self._spec, rows, int(b))) for b in budgets]
            scheduler.remember(key, scores, OBJECTIVE)
        left = self._spec.search.trials - search.trials_done(study)
        for number in range(search.trials_done(study) - len(self._spec.every_seed())):
            self._reporter.skip(f"search-{number}")
        if left > 0:
            searcher = OptunaSearch(
                space=search.space(self._spec),
                metric=OBJECTIVE,
                mode="max",
                sampler=study.sampler,
                study_name=self._spec.name,
                storage=search.storage(self._folder),
            )
            self._fit({}, searcher, scheduler, left)

    def _search_rows(self) -> list[tuple[str, Any]]:
        """Return the rows of every run that the search has finished with."""
        rows = self._store.rows()
        rows = rows[(rows["seed"] == 0) & (rows["budget"] > 0)]
        done = [key for key in sorted(set(rows["run"])) if (self._folder / "runs" / key / "ended").exists()]
        return [(key, rows[rows["run"] == key]) for key in done]

    def _fit(self, space: dict[str, Any], searcher: Any, scheduler: Any, samples: int) -> None:
        """Let Tune run trials.

        They hold no CPU, since their worker groups need it: the head's own resource admits them, and their
        number is bounded by what the cluster can train at once.
        """
        from ray import tune

        from study.trial import run_trial
        from study.tune_callback import StudyCallback

        trainable = functools.partial(run_trial, spec_json=self._spec.model_dump_json(), folder=str(self._folder))
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Tune's hints about its own defaults are not for our users
            tuner.fit()


def check(spec: StudySpec) -> list[EvaluationTask]:
    """Refuse whatever input can be refused before a folder is made or Ray is started; return the tasks.

    Raises:
        InputError: a task, the genome or the cluster does not fit the spec.
    """
    if "RAY_ADDRESS" in os.environ:
        cluster.check_address(os.environ["RAY_ADDRESS"])
    else:
        cluster.trials_at_once(spec.cluster, cluster.capacity())
    return check_inputs(spec)


def check_inputs(spec: StudySpec) -> list[EvaluationTask]:
    """Refuse tasks, models and a genome that do not fit the spec, wherever it will run; return the tasks.

    Raises:
        InputError: one does not.
    """
    read = tasks.read(spec)
    if spec.evaluation.baselines:
        from study import baselines as compared  # opening models takes torch

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
    tests = tests_of(read or tasks.read(spec))
    leaks = find_leaks(corpus, data.divided(corpus, settings)[0], tests)
    excluded = leaks.places if spec.data.exclude_test_windows else NONE
    data.prepare(corpus, settings, spec.folder(), excluded, {LEAKS: leaks.card(spec.data.exclude_test_windows)})


def run(spec: StudySpec, reporter: Reporter, tracker: Tracker) -> None:
    """Run a study whose folder and data are prepared, or what is left of it.

    Raises:
        InputError: a trial does not fit the cluster, or another process runs this study.
    """
    try:
        with FileLock(spec.folder() / ".lock", timeout=0), cluster.connected(spec.cluster) as at_once:
            tracker.start()
            with reporter.shown(), tracker.watching():
                Study(spec, at_once, reporter, tracker).run_all()
    except Timeout as error:
        raise InputError(f"the study {spec.name} is being run by another process") from error
