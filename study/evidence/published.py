"""Published GUE scores, to stand beside those of a study. They are facts of others' papers, not results of ours.

`published.csv` has them as they were printed: MCC x 100, by CM-GEMS (arXiv 2408.07180), Tables 2 and B.2. It has no
figure for virus/covid, which that paper leaves out.
"""

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

import pandas as pd

from trainers.tasks import gue

Group = Literal["all", "human", "non_human"]

_ALL = frozenset(name for name, task in gue.TABLE.items() if task.organism != "virus")
_HUMAN = frozenset(name for name in _ALL if gue.TABLE[name].organism == "human")
_GROUPS: Mapping[Group, frozenset[str]] = {"all": _ALL, "human": _HUMAN, "non_human": _ALL - _HUMAN}


@dataclass(frozen=True)
class PublishedLine:
    """One published model on the tasks that were asked for.

    Attributes:
        label: Model, masking and pretraining steps, where they are known.
        source: Paper and table.
        mcc: Test MCC by task, from -1 to 1.
        mean: Over these tasks.
    """

    label: str
    source: str
    mcc: Mapping[str, float]
    mean: float


@functools.cache
def _read() -> pd.DataFrame:
    with resources.files("study.evidence").joinpath("published.csv").open() as file:
        return pd.read_csv(file, dtype={"steps": "Int64"}, keep_default_na=False, na_values={"steps": [""]})


def published() -> pd.DataFrame:
    """Return the published figures.

    Columns: source, model, masking (empty: the model's own), steps (of pretraining; missing where unknown), task,
    metric (`mcc_x100`), value.
    """
    return _read().copy()


def mean_of(task_scores: Mapping[str, float], group: Group) -> float | None:
    """Return the mean over the tasks of a group as the paper takes it; None where a score is missing.

    Args:
        task_scores: By task; others than the group's are left out.
        group: `all`: the 27 tasks of GUE without virus/covid; `human`: 12 of them; `non_human`: the other 15.
    """
    names = _GROUPS[group]
    if not names <= task_scores.keys():
        return None
    return sum(task_scores[name] for name in names) / len(names)


def group_of(task: str) -> Group | None:
    """Return whether a task is among the paper's 12 of human DNA or its other 15; None where it is in neither."""
    return next((group for group, names in _GROUPS.items() if group != "all" and task in names), None)


def published_for(tasks: Collection[str]) -> list[PublishedLine]:
    """Return the published models that have a figure for every GUE task among these, the best mean first.

    Tasks outside GUE, and virus/covid, have no published figure and are left out; without any other the list is empty.
    """
    asked = _ALL.intersection(tasks)
    rows = _read()
    rows = rows[rows["task"].isin(asked)]
    lines = []
    for _, own in rows.groupby(["source", "model", "masking", "steps"], dropna=False):
        mcc = {str(task): value / 100 for task, value in zip(own["task"], own["value"], strict=True)}
        if mcc.keys() == asked:
            label, source = _label(own.iloc[0]), str(own["source"].iloc[0])
            lines.append(PublishedLine(label, source, mcc, sum(mcc.values()) / len(mcc)))
    return sorted(lines, key=lambda line: line.mean, reverse=True)


def _label(row: "pd.Series[Any]") -> str:
    steps = "" if pd.isna(row["steps"]) else f"{row['steps']:,} steps"
    return f"{', '.join(part for part in (row['model'], row['masking'], steps) if part)} (published)"
