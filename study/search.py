"""What Optuna proposes and how ASHA cuts: a conditional space over curricula, reproducible and resumable."""

import functools
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState
from ray.tune.schedulers import ASHAScheduler

from curricula import Domain, Range
from study.runs import Run, default_run
from study.spec import StudySpec

_DONE = (TrialState.COMPLETE, TrialState.PRUNED)


def suggest(trial: Any, spec_json: str) -> None:
    """Ask Optuna for a curriculum, for that curriculum's own arguments, and for the searched numbers."""
    spec = StudySpec.model_validate_json(spec_json)
    name = trial.suggest_categorical("curriculum", sorted(spec.curricula))
    for argument, domain in spec.space(name).items():
        _suggest_from(trial, f"{name}/{argument}", domain)
    for number, values in spec.search.space.items():
        trial.suggest_float(number, values.low, values.high, log=values.log)


def _suggest_from(trial: Any, name: str, domain: Domain) -> None:
    if not isinstance(domain, Range):
        trial.suggest_categorical(name, list(domain.options))
    elif domain.is_integer:
        trial.suggest_int(name, int(domain.low), int(domain.high), log=domain.log)
    else:
        trial.suggest_float(name, domain.low, domain.high, log=domain.log)


def space(spec: StudySpec) -> Callable[[Any], None]:
    """Return the define-by-run space; it pickles, since Tune saves its searcher."""
    return functools.partial(suggest, spec_json=spec.model_dump_json())


def parameters_of(run: Run, spec: StudySpec) -> dict[str, Any]:
    """Return the Optuna parameters that would propose this run."""
    own = {f"{run.curriculum}/{name}": run.arguments[name] for name in spec.space(run.curriculum)}
    return {"curriculum": run.curriculum, **own, **run.numbers}


class TrialSeededTPE(BaseSampler):
    """TPE whose draws depend on the study's seed and on how many trials are done, not on its own past.

    A sampler that carries its generator along would, after a crash, go on differently from an undisturbed study.
    """

    def __init__(self, seed: int, random_trials: int) -> None:
        self._seed = seed
        self._random_trials = random_trials
        self._current: tuple[int, TPESampler] | None = None

    def _of(self, study: optuna.Study, trial: FrozenTrial) -> TPESampler:
        if self._current is None or self._current[0] != trial.number:
            done = len(study.get_trials(deepcopy=False, states=_DONE))
            sampler = TPESampler(
                seed=self._seed * 100_003 + done, n_startup_trials=self._random_trials, multivariate=True, group=True
            )
            self._current = (trial.number, sampler)
        return self._current[1]

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """See optuna.samplers.BaseSampler."""
        return self._of(study, trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """See optuna.samplers.BaseSampler."""
        return self._of(study, trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """See optuna.samplers.BaseSampler."""
        return self._of(study, trial).sample_independent(study, trial, param_name, param_distribution)


def storage(folder: Path) -> optuna.storages.RDBStorage:
    """Return the study's own Optuna storage; optuna-dashboard opens it too."""
    return optuna.storages.RDBStorage(f"sqlite:///{folder / 'optuna.db'}")


def open_study(spec: StudySpec, folder: Path, finished: Mapping[str, float]) -> optuna.Study:
    """Open the Optuna study, new or interrupted, and queue what has to be tried first.

    New: each curriculum's defaults; those that ran under every seed come first, with their scores. Interrupted: trials
    that were running are marked failed and queued again with the same parameters.

    Args:
        spec: The study.
        folder: Where it lives.
        finished: Final objective of runs that need not run again, by run key.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)  # TPE's `group` is one
    study = optuna.create_study(
        storage=storage(folder),
        study_name=spec.name,
        sampler=TrialSeededTPE(spec.seed, spec.search.random_trials),
        direction="maximize",
        load_if_exists=True,
    )
    defaults = {
        name: default_run(spec, name, "search") for name in dict.fromkeys([*spec.every_seed(), *spec.curricula])
    }
    _queue(study, [parameters_of(run, spec) for run in defaults.values()])
    if not trials_done(study):
        for name in spec.every_seed():
            if defaults[name].key not in finished:
                break  # it failed: the queue is at this one, and the search tries it again
            known = study.ask()
            space(spec)(known)
            study.tell(known, finished[defaults[name].key])
    return study


def _queue(study: optuna.Study, defaults: list[dict[str, Any]]) -> None:
    """Queue the trials that an interruption cut off, then the defaults that were not tried; drop any older queue.

    The interrupted ones must come first: a study that was never interrupted would have finished them first.
    """
    done = [trial.params for trial in study.get_trials(deepcopy=False, states=_DONE)]
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in running:
        study.tell(trial.number, state=TrialState.FAIL)
    for _ in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.tell(study.ask(), state=TrialState.FAIL)
    interrupted = [trial.params for trial in running if trial.params]
    for parameters in [*interrupted, *(known for known in defaults if known not in interrupted)]:
        if parameters not in done:
            study.enqueue_trial(parameters)


def trials_done(study: optuna.Study) -> int:
    """Return how many trials Optuna counts as done."""
    return len(study.get_trials(deepcopy=False, states=_DONE))


class BudgetASHA(ASHAScheduler):  # type: ignore[misc]  # Ray has no types for mypy
    """ASHA over step budgets that can be told what earlier trials scored.

    Tune saves no scheduler state, so after a restart the rungs would be empty and every trial would pass them.
    """

    def remember(self, run: str, scores: list[tuple[float, float]], metric: str) -> None:
        """Put the (rung, score) pairs of a finished run where `on_trial_result` would have put them."""
        trial: Any = SimpleNamespace(trial_id=run)
        controller: Any = None
        self.on_trial_add(controller, trial)
        for rung, value in scores:
            self.on_trial_result(controller, trial, {self._time_attr: rung, metric: value})
        self.on_trial_remove(controller, trial)
