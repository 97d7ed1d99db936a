"""Who proposes the trials of a search, so that a restarted search proposes what an undisturbed one does."""

import functools
from collections.abc import Callable
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from study.spec.study import StudySpec

DONE = (TrialState.COMPLETE, TrialState.PRUNED)


class TrialSeeded(BaseSampler):
    """A sampler whose draws depend on the study's seed and on how many trials came before, not on its own past.

    One that carries its generator along would, after a crash, go on differently from an undisturbed study.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        self._make, self._seed = make, seed
        self._current: tuple[int, BaseSampler] | None = None

    def _of(self, study: optuna.Study, trial: FrozenTrial) -> BaseSampler:
        if self._current is None or self._current[0] != trial.number:
            # trials at work count, or several that start together would all be the same
            earlier = study.get_trials(deepcopy=False, states=(*DONE, TrialState.RUNNING))
            position = sum(one.number < trial.number for one in earlier)
            self._current = (trial.number, self._make(self._seed * 100_003 + position))
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


def sampler(spec: StudySpec) -> TrialSeeded:
    """Return who proposes the trials of a study; it pickles, since Tune saves its searcher."""
    return TrialSeeded(functools.partial(_made, spec.search.sampler, spec.search.random_trials), spec.seed)


def _made(name: str, startup: int, seed: int) -> BaseSampler:
    if name == "random":
        return RandomSampler(seed=seed)
    if name == "gp":
        return GPSampler(seed=seed, n_startup_trials=startup, warn_independent_sampling=False)
    return TPESampler(
        seed=seed,
        n_startup_trials=startup,
        multivariate=True,
        group=True,  # each curriculum has arguments of its own
        constant_liar=True,  # keeps trials at once apart
    )
