"""Pictures of many curricula over many tasks: average ranks and performance profiles."""

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from study.evidence.ranks import Ranks
from study.evidence.summary import Summary
from study.figures.style import COLOURS, LAYOUT, style_numbers, style_of


def ranks_and_profiles(summary: Summary) -> dict[str, go.Figure]:
    """Return the pictures of ranks and profiles, where there are several curricula and tasks."""
    found = summary.findings
    if found.ranks is None or found.profiles is None:
        return {}
    return {"ranks": _critical_difference(found.ranks), "profiles": _profiles(found.profiles, style_numbers(summary))}


def _critical_difference(ranks: Ranks) -> go.Figure:
    """Draw average ranks on a line, and a bar over each set that lies within the critical difference."""
    names, values = list(ranks.average), list(ranks.average.values())
    figure = go.Figure(
        go.Scatter(x=values, y=names, mode="markers+text", text=[f"{value:.2f}" for value in values], showlegend=False)
    )
    figure.update_traces(textposition="middle right", marker={"size": 11, "color": COLOURS[0]}, cliponaxis=False)
    for number, bar in enumerate(ranks.alike):
        ends = [ranks.average[bar[0]], ranks.average[bar[-1]]]
        figure.add_trace(
            go.Scatter(
                x=ends,
                y=[1 + number] * 2,
                yaxis="y2",
                mode="lines",
                line={"width": 6, "color": COLOURS[1]},
                name=f"not told apart: {', '.join(bar)}",
                showlegend=False,
                hoverinfo="name",
            )
        )
    bars = len(ranks.alike)
    figure.update_layout(
        **{**LAYOUT, "height": 170 + 34 * len(names)},
        xaxis={"title": "average rank over tasks (1 is best)", "range": [0.9, len(names) + 0.2]},
        yaxis={"autorange": "reversed", "automargin": True, "domain": [0, 0.75]},
        yaxis2={"visible": False, "domain": [0.8, 1], "range": [0, bars + 1]},
    )
    return figure


def _profiles(profiles: pd.DataFrame, numbers: Mapping[str, int]) -> go.Figure:
    figure = go.Figure()
    for name in profiles:
        line = {**style_of(numbers[str(name)])["line"], "shape": "hv"}
        shares = profiles[name].to_list()
        figure.add_trace(go.Scatter(x=profiles.index.to_list(), y=shares, name=str(name), line=line, mode="lines"))
    figure.update_layout(**{**LAYOUT, "margin": {**LAYOUT["margin"], "t": 60}})
    figure.update_xaxes(title_text="distance to the best of a task")
    figure.update_yaxes(title_text="share of the tasks", range=[0, 1.02])
    return figure
