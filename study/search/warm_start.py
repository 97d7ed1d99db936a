"""What a search can know before it begins: the trials of earlier studies in the same results folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from curricula import Domain, InputError, Range, registry
from study.folder import saved_spec, search_path
from study.runs import Run
from study.search.journal import storage
from study.spec.search import SEARCHABLE
from study.spec.study import StudySpec

_OWN_CHOICE = {"evaluation": {"baselines", "also"}, "pretraining": {*SEARCHABLE}}  # change no trial's score


@dataclass(frozen=True)
class Earlier:
    """What one earlier study offers.

    Attributes:
        name: The study.
        differs: Keys of the spec by which its scores are other ones; none where they can be learnt from.
        trials: What it tried and this study could have proposed, with its objectives; the best come first.
    """

    name: str
    differs: list[str]
    trials: list[tuple[Run, list[float]]]

    def known(self) -> list[tuple[Run, list[float]]]:
        """Return trials whose scores stand in this study as well."""
        return [] if self.differs else self.trials

    def again(self) -> list[Run]:
        """Return what is to be tried again since its score is another one: the best of each curriculum."""
        best = {run.curriculum: run for run, _ in reversed(self.trials)}
        return list(reversed(best.values())) if self.differs else []

    def sentence(self) -> str:
        """Say what is made of it."""
        if self.differs:
            what = f"{len(self.again())} configurations are tried again; its scores are not, for it differs in "
            return f"the search learns from `{self.name}`: {what}{', '.join(self.differs)}"
        return f"the search learns from `{self.name}`: {len(self.trials)} trials with their scores"


def earlier(spec: StudySpec) -> list[Earlier]:
    """Read the studies that `search.warm_start` names.

    Raises:
        InputError: one is not there, searched nothing, or tried nothing that this study could propose.
    """
    return [_read(spec, saved_spec(name, spec.results)) for name in spec.search.warm_start]


def _read(spec: StudySpec, other: StudySpec) -> Earlier:
    if not search_path(other.folder()).exists():
        raise InputError(f"search.warm_start must name studies with a search, but `{other.name}` had none")
    study = optuna.load_study(study_name=other.name, storage=storage(other.folder()))
    trials = sorted(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)), key=_first_value, reverse=True)
    found = [(run, trial.values) for trial in trials if (run := _as_proposed(trial.params, other, spec)) is not None]
    if not found:
        raise InputError(
            f"search.warm_start: none of the {len(trials)} trials of `{other.name}` is in the space of this study"
        )
    return Earlier(other.name, _differences(spec, other), found)


def _first_value(trial: FrozenTrial) -> float:
    return float(trial.values[0])


def _as_proposed(parameters: Mapping[str, Any], other: StudySpec, spec: StudySpec) -> Run | None:
    """Return the run that one study's parameters stand for, if another study could propose it."""
    name = parameters["curriculum"]
    if name not in spec.curricula or spec.behind(name)[0] != other.behind(name)[0]:
        return None
    own = {key.removeprefix(f"{name}/"): value for key, value in parameters.items() if key.startswith(f"{name}/")}
    arguments = registry.arguments_of(other.make(name, own))
    numbers = {number: parameters.get(number, getattr(other.pretraining, number)) for number in SEARCHABLE}
    fixed = {number: getattr(spec.pretraining, number) for number in SEARCHABLE if number not in spec.search.space}
    space: dict[str, Domain] = {
        number: Range(values.low, values.high, values.log) for number, values in spec.search.space.items()
    }
    fits = _fits(arguments, spec.behind(name)[1], spec.space(name)) and _fits(numbers, fixed, space)
    return Run("search", name, arguments, {n: numbers[n] for n in spec.search.space}, 0) if fits else None


def _fits(values: Mapping[str, Any], fixed: Mapping[str, Any], space: Mapping[str, Domain]) -> bool:
    return all(values[name] == value for name, value in fixed.items()) and all(
        domain.low <= values[name] <= domain.high if isinstance(domain, Range) else values[name] in domain.options
        for name, domain in space.items()
    )


def _differences(spec: StudySpec, other: StudySpec) -> list[str]:
    """Return the keys on which a trial's scores depend, besides its own parameters, and which differ."""
    found = [] if spec.search.cost == other.search.cost else ["search.cost"]
    for section in ("data", "model", "pretraining", "evaluation"):
        ours, theirs = (getattr(one, section).model_dump() for one in (spec, other))
        ignored = _OWN_CHOICE.get(section, set())
        found += [f"{section}.{key}" for key in ours if key not in ignored and ours[key] != theirs[key]]
    return found
