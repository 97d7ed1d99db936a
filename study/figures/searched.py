"""The trials of a search as a table: what each tried, how far it came, and the dev score that it was judged by."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from curricula import Domain, Range
from study import tasks
from study.spec.study import StudySpec

_SPLIT = "dev"


def domains(spec: StudySpec, curriculum: str) -> dict[str, Domain]:
    """Return what a search tries of a curriculum: the numbers that all share, then its own arguments."""
    numbers = {name: Range(found.low, found.high, found.log) for name, found in spec.search.space.items()}
    return {**numbers, **spec.space(curriculum)}


def shared_domains(spec: StudySpec) -> dict[str, Domain]:
    """Return what a search tries whatever the curriculum."""
    every = [domains(spec, name) for name in spec.curricula]
    return {name: domain for name, domain in every[0].items() if all(one.get(name) == domain for one in every)}


def trials(spec: StudySpec, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the score of each trial at each budget that it reached, a row each; none where there was no search.

    A trial is the first seed of a configuration, since the search runs no other. Columns: `run`, `curriculum`,
    `parameters` (a dictionary), `budget`, `score` (dev, by the fidelity by which the search goes there), and `last`:
    whether it came no further.

    Args:
        spec: Of the study.
        rows: As `Store.rows` gives them.
    """
    is_trial = (rows["seed"] == 0) & (rows["budget"] > 0) & rows["curriculum"].isin(spec.curricula)
    own = rows[is_trial & (rows["split"] == _SPLIT)] if spec.search.trials else rows.iloc[:0]
    own = tasks.own_metric(spec, own[own["fidelity"] == own["budget"].map(spec.evaluation.fidelity_at)])
    by = ["run", "curriculum", "parameters", "budget"]
    scores = own.groupby([*by, "task"])["value"].mean().groupby(by).mean().rename("score").reset_index()
    read = {text: json.loads(text) for text in scores["parameters"].unique()}
    last = scores["budget"] == scores.groupby("run")["budget"].transform("max")
    return scores.assign(parameters=scores["parameters"].map(read), last=last)


def complete(table: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Return the trials whose parameters have all these names: an older study may have searched others."""
    wanted = set(names)
    return table[table["parameters"].map(lambda parameters: wanted <= parameters.keys()).astype(bool)]


def widened(domain: Domain, values: Iterable[Any]) -> Domain:
    """Return a domain that has these values too: a default or an earlier study's trial may lie beside a range."""
    if not isinstance(domain, Range):
        return domain
    known = [domain.low, domain.high, *values]
    return Range(min(known), max(known), domain.log)


def column(table: pd.DataFrame, name: str) -> list[Any]:
    """Return what each trial had for one parameter."""
    parameters: Iterable[Mapping[str, Any]] = table["parameters"]
    return [one[name] for one in parameters]
