"""What Optuna proposes: a conditional space over curricula, reproducible and resumable."""

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from ray.tune.search.optuna import OptunaSearch

from curricula import Domain, Range
from study.runs import Run, default_run
from study.search import journal
from study.search.samplers import DONE, sampler
from study.search.warm_start import Earlier
from study.spec.study import StudySpec
from study.tasks import objectives
from study.trials.messages import OBJECTIVE

_FROM = "from"  # marks trials of earlier studies


def suggest(trial: Any, spec: StudySpec) -> None:
    """Ask Optuna for a curriculum, for that curriculum's own arguments, and for the searched numbers."""
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
    return functools.partial(suggest, spec=spec)


def parameters_of(run: Run, spec: StudySpec) -> dict[str, Any]:
    """Return the Optuna parameters that would propose this run."""
    own = {f"{run.curriculum}/{name}": run.arguments[name] for name in spec.space(run.curriculum)}
    return {"curriculum": run.curriculum, **own, **run.numbers}


def open_study(
    spec: StudySpec, folder: Path, finished: Mapping[str, Mapping[str, float]], earlier: Sequence[Earlier] = ()
) -> optuna.Study:
    """Open the Optuna study, new or interrupted, and queue what has to be tried first.

    New: each curriculum's defaults; those that ran under every seed come first, with their scores; then what earlier
    studies found. Interrupted: trials that were running are marked failed and queued again with the same parameters.

    Args:
        spec: The study.
        folder: Where it lives.
        finished: Final objectives of runs that need not run again, by run key.
        earlier: What earlier studies offer.
    """
    journal.mend(folder)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)  # TPE's `group` is one
    study = optuna.create_study(
        storage=journal.storage(folder),
        study_name=spec.name,
        sampler=sampler(spec),
        directions=[*objectives(spec).values()],
        load_if_exists=True,
    )
    defaults = {
        name: default_run(spec, name, "search") for name in dict.fromkeys([*spec.every_seed(), *spec.curricula])
    }
    first = [*defaults.values(), *(run for one in earlier for run in one.again())]
    _queue(study, [parameters_of(run, spec) for run in first])
    if not trials_done(study):
        for name in spec.every_seed():
            if defaults[name].key not in finished:
                break  # it failed: the queue is at this one, and the search tries it again
            known = study.ask()
            space(spec)(known)
            study.tell(known, [finished[defaults[name].key][objective] for objective in objectives(spec)])
    for one in earlier:
        _learn(study, spec, one)
    return study


def _learn(study: optuna.Study, spec: StudySpec, earlier: Earlier) -> None:
    """Add the trials of an earlier study as if this one had proposed them, unless they are there."""
    there = [trial.params for trial in study.get_trials(deepcopy=False) if trial.user_attrs.get(_FROM) == earlier.name]
    for run, values in earlier.known():
        parameters = parameters_of(run, spec)
        if parameters not in there:
            proposed = optuna.trial.FixedTrial(parameters)
            space(spec)(proposed)
            known = optuna.trial.create_trial(
                params=parameters,
                distributions=proposed.distributions,
                values=values,
                user_attrs={_FROM: earlier.name},
            )
            study.add_trial(known)


def _queue(study: optuna.Study, first: list[dict[str, Any]]) -> None:
    """Queue the trials that an interruption cut off, then what is tried first and was not; drop any older queue.

    The interrupted ones must come first: a study that was never interrupted would have finished them first.
    """
    done = [trial.params for trial in _done(study)]
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in running:
        study.tell(trial.number, state=TrialState.FAIL)
    for _ in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.tell(study.ask(), state=TrialState.FAIL)
    queued: list[dict[str, Any]] = []
    for parameters in [*(trial.params for trial in running if trial.params), *first]:
        if parameters not in [*done, *queued]:
            queued.append(parameters)
            study.enqueue_trial(parameters)


def _done(study: optuna.Study) -> list[FrozenTrial]:
    own = study.get_trials(deepcopy=False, states=DONE)
    return [trial for trial in own if _FROM not in trial.user_attrs]


def trials_done(study: optuna.Study) -> int:
    """Return how many trials of its own Optuna counts as done."""
    return len(_done(study))


def searcher(spec: StudySpec, folder: Path) -> OptunaSearch:
    """Return what hands Optuna's proposals to Tune; `open_study` comes before it."""
    directions = objectives(spec)
    modes = [direction[:3] for direction in directions.values()]
    return OptunaSearch(
        space=space(spec),
        metric=list(directions) if len(directions) > 1 else OBJECTIVE,
        mode=modes if len(modes) > 1 else modes[0],
        sampler=sampler(spec),
        study_name=spec.name,
        storage=journal.storage(folder),
    )
