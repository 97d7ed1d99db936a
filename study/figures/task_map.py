"""The picture of tasks against curricula: on which tasks each is above the control, and on which below."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from study.evidence.published import group_of
from study.evidence.summary import Summary
from study.figures.style import LAYOUT
from study.spec.evaluation import FULL
from study.spec.study import CONTROL

# told apart with every kind of colour vision; in grey the sign stands in the cell
_SCALE = [[0.0, "#D55E00"], [0.25, "#F0B98D"], [0.5, "#FFFFFF"], [0.75, "#8DBEDD"], [1.0, "#0072B2"]]
_APART = "#E4E4E4"
_GROUPS = {"human": "human", "non_human": "other species", None: "further tasks"}
_ROW, _COLUMN, _LABELS = 25, 58, 190  # pixels


@dataclass(frozen=True)
class Cells:
    """Differences of the mean test score to the control's, over the seeds and repetitions that both have.

    Attributes:
        budget: Optimiser steps.
        differences: (tasks, curricula); not a number where there is none.
        collapsed: (tasks, curricula): whether a fine-tuning behind a cell collapsed, the control's included.
    """

    budget: int
    differences: pd.DataFrame
    collapsed: pd.DataFrame


def cells(summary: Summary) -> Cells | None:
    """Return the cells at the longest budget that any curriculum reached; None without two tasks or a comparison."""
    spec, compared = summary.spec, {one.arm.curriculum: one for one in summary.findings.apart}
    if not compared:
        return None
    found = {name: compared[name].tasks.set_index("task")["difference"] for name in spec.curricula if name in compared}
    differences = pd.DataFrame(found).reindex([task.name for task in spec.evaluation.tasks])
    budget = next(iter(compared.values())).control.budget
    runs = {run for line in summary.lines for run in line.runs}
    failed = {
        (one.task, one.curriculum)
        for one in summary.collapses
        if one.run in runs and one.budget == budget and one.fidelity == FULL
    }
    collapsed = pd.DataFrame(
        {name: [(task, name) in failed or (task, CONTROL) in failed for task in differences.index] for name in found},
        index=differences.index,
    )
    return Cells(budget, differences, collapsed)


def heat_map(summary: Summary) -> go.Figure | None:
    """Draw the difference of each curriculum to the control on each task; None where `cells` has none.

    What collapsed is no effect of a curriculum, and a missing score is no score of 0: both are grey, and do not stretch
    the scale of the others.
    """
    found = cells(summary)
    if found is None:
        return None
    means, rows = _with_means(found.differences)
    apart = found.collapsed.reindex(means.index, fill_value=False) | means.isna()
    limit = float(np.nanmax(means.mask(apart).abs().to_numpy(), initial=0.001))
    words = [
        [_number(value, is_apart) for value, is_apart in zip(*line, strict=True)]
        for line in zip(means.to_numpy(), apart.to_numpy(), strict=True)
    ]
    common = {"x": list(means.columns), "y": rows, "text": words, "texttemplate": "%{text}", "xgap": 2, "ygap": 1}
    common["hovertemplate"] = f"%{{y}}<br>%{{x}}: %{{text}} against {CONTROL}<extra></extra>"
    shown = means.mask(apart)
    figure = go.Figure(
        [
            go.Heatmap(
                z=apart.astype(float).where(apart).to_numpy(), showscale=False, colorscale=[[0, _APART], [1, _APART]]
            ),
            go.Heatmap(z=shown.round(4).to_numpy(), zmid=0, zmin=-limit, zmax=limit, colorscale=_SCALE),
        ]
    )
    figure.update_traces(textfont={"size": 12}, **common)
    bar = {"orientation": "h", "y": 0, "yanchor": "top", "ypad": 12, "thickness": 12, "tickformat": "+.2~f"}
    metric = summary.spec.evaluation.metric_in_words()
    figure.data[1].colorbar = {**bar, "title": {"text": f"test {metric} above `{CONTROL}`", "side": "top"}, "nticks": 5}
    figure.update_layout(**{**LAYOUT, "height": 210 + _ROW * len(rows), "plot_bgcolor": "white"})
    figure.update_xaxes(side="top", tickangle=-40 if len(means.columns) > 1 else 0, showgrid=False, fixedrange=True)
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True, fixedrange=True, tickfont={"size": 13})
    return figure


def width(figure: go.Figure) -> int:
    """Return how many pixels a heat map needs at least for its numbers to be read."""
    return _LABELS + _COLUMN * len(figure.data[0].x)


def _number(value: float, is_apart: bool) -> str:
    if pd.isna(value):
        return "none"
    return f"{round(value, 3) + 0.0:+.3f}".replace("0.", ".", 1) + ("†" if is_apart else "")


def _with_means(differences: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the tasks in groups, a line with the mean before each group, and what each line is called.

    A mean stands only where no task of the group is missing; those that collapsed are in it, as in every mean here.
    """
    groups: dict[str | None, list[str]] = {group: [] for group in _GROUPS}
    for task in differences.index:
        groups[group_of(task)].append(task)
    parts, labels = [], []
    for group, names in groups.items():
        if names:
            own = differences.loc[names]
            title = "all tasks" if len(names) == len(differences) else _GROUPS[group]
            parts += [own.mean(skipna=False).to_frame(title).T, own]
            labels += [f"<b>{title}: mean of {len(names)}</b>", *names]
    return pd.concat(parts), labels
