"""Which trials may train beyond a budget: asynchronous successive halving, by score alone or by score and cost.

Ray's own ASHA forgets its rungs when a study is interrupted and knows one objective only; this one is a function of
the scores that are stored, and ranks several objectives by non-dominated sorting.
"""

import hashlib
import random
from collections import defaultdict
from typing import Any

import numpy as np
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from study.search.fronts import Points, crowding_of, fronts_of
from study.spec.study import StudySpec
from study.tasks import objectives


class Halving(FIFOScheduler):  # type: ignore[misc]  # Ray has no types for mypy
    """Lets a trial go on while it is among the best 1/factor of those that reached the same budget before.

    The rule is that of ASHA (Li et al., arXiv 1810.05934, section 3). By several objectives it is that of its extension
    (Schmucker et al., arXiv 2106.12639): trials are ordered by non-dominated front, then by crowding distance, and what
    nothing dominates goes on, as the best one does by a single objective. With more than one bracket (Hyperband, Li et
    al., arXiv 1603.06560) some trials are spared the first budgets' cuts.
    """

    def __init__(self, spec: StudySpec) -> None:
        super().__init__()
        self._budgets = spec.pretraining.budgets[:-1]  # behind the longest there is nothing to go on to
        self._factor = spec.search.reduction_factor
        self._seed = spec.seed
        self._weights = bracket_weights(spec)
        self._objectives = list(objectives(spec))
        self._rungs: dict[tuple[int, int], dict[str, list[float]]] = defaultdict(dict)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Say whether the trial goes on; see ray.tune.schedulers.TrialScheduler."""
        goes_on = self.reached(result["run"], result["budget"], [result[name] for name in self._objectives])
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

    def reached(self, run: str, budget: int, values: list[float]) -> bool:
        """Remember what a run scored at a budget, and, if asked for, cost; return whether it may train beyond."""
        bracket = self.bracket(run)
        if budget not in self._budgets[bracket:]:
            return True
        rung = self._rungs[bracket, budget]
        if run in rung:  # a trial that was started again
            return True
        score, *costs = values
        earlier = list(rung.values())
        rung[run] = [score, *(-cost for cost in costs)]
        ahead = _ahead(np.array([*earlier, rung[run]]))
        return ahead < max(1.0, (len(earlier) + 1) / self._factor)

    def bracket(self, run: str) -> int:
        """Return how many budgets a run passes uncut; drawn by its name, so that a restart draws the same."""
        seed = hashlib.sha256(f"{self._seed}/{run}".encode()).hexdigest()
        return random.Random(seed).choices(range(len(self._weights)), self._weights)[0]


def bracket_weights(spec: StudySpec) -> list[float]:
    """Return the share of the trials in each bracket: Hyperband's, by which all brackets cost about the same."""
    search, last = spec.search, len(spec.pretraining.budgets) - 1
    shares = [search.reduction_factor ** (last - first) / (last - first + 1) for first in range(search.brackets)]
    return [share / sum(shares) for share in shares]


def _ahead(points: Points) -> int:
    """Return how many of the points rank before the last one; none where nothing dominates it."""
    if points.shape[1] == 1:
        return int((points > points[-1]).sum())
    fronts = fronts_of(points)
    if fronts[-1] == 0:
        return 0
    own = np.flatnonzero(fronts == fronts[-1])
    crowding = crowding_of(points[own])
    return int((fronts < fronts[-1]).sum() + (crowding > crowding[-1]).sum())
