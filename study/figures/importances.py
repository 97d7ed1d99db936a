"""How much of the differences between the trials of a search each searched number explains, by Optuna's fANOVA."""

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

from curricula import Domain, Range
from study.figures.searched import column, complete, domains, trials, widened
from study.spec.study import StudySpec

# In simulated searches of four numbers, of which one explains nearly all, fANOVA names that one in 51 of 60 with ten
# trials, in 44 with six and in 57 with 15. Optuna's PED-ANOVA, which looks at the best tenth, does so in 4 of 20 with
# ten and in 14 of 20 with 30.
FEWEST = 10
_MOST = 100  # the time grows with the square of the trials
_TREES = 16  # as good as 64 there, in a quarter of the time


@dataclass(frozen=True)
class Importances:
    """What matters under one curriculum.

    Attributes:
        budget: Optimiser steps at which all these trials were scored: the longest that enough of them reached.
        used: How many of the trials that reached it were looked at.
        tried: Trials of this curriculum in all.
        shares: Share of the explained variance of the dev score by parameter, the largest first; they add up to 1.
    """

    curriculum: str
    budget: int
    used: int
    tried: int
    shares: dict[str, float]


def importances(spec: StudySpec, rows: pd.DataFrame) -> list[Importances]:
    """Return what matters under each curriculum with two searched numbers and enough trials at one budget.

    The same rows give the same shares.

    Args:
        spec: Of the study.
        rows: As `Store.rows` gives them.
    """
    table, found = trials(spec, rows), []
    for name in spec.curricula:
        space = domains(spec, name)
        own = complete(table[table["curriculum"] == name], space)
        reached = own["budget"].value_counts()
        budgets = reached[reached >= FEWEST].index
        if len(space) < 2 or budgets.empty:
            continue
        at = own[own["budget"] == budgets.max()].sort_values("run").head(_MOST)  # names end in a hash: any of them
        if at["score"].nunique() > 1:
            shares = _shares(space, at)
            found.append(Importances(name, int(budgets.max()), len(at), own["run"].nunique(), shares))
    return found


def _shares(space: dict[str, Domain], at: pd.DataFrame) -> dict[str, float]:
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    values = {name: column(at, name) for name in space}
    known = {name: _distribution(widened(domain, values[name])) for name, domain in space.items()}
    for place, score in enumerate(at["score"]):
        given = {name: _plain(space[name], values[name][place]) for name in space}
        study.add_trial(optuna.trial.create_trial(params=given, distributions=known, value=float(score)))
    shares = get_param_importances(study, evaluator=FanovaImportanceEvaluator(n_trees=_TREES, seed=0))
    return {name: float(share) for name, share in shares.items()}


def _distribution(domain: Domain) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(domain, Range):
        return CategoricalDistribution([json.dumps(option) for option in domain.options])
    if domain.is_integer:
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log)
    return FloatDistribution(domain.low, domain.high, log=domain.log)


def _plain(domain: Domain, value: Any) -> Any:
    """Return a value as Optuna takes it: a choice as text, since a tuple of the code is a list in a row."""
    return value if isinstance(domain, Range) else json.dumps(value)
