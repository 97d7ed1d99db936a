"""Pictures of a search: every trial as a line through what it tried, and which of the searched numbers mattered."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from curricula import Choice, Domain, Range
from study.evidence.summary import Summary
from study.figures.importances import importances
from study.figures.searched import column, complete, domains, shared_domains, trials, widened
from study.figures.style import COLOURS, LAYOUT
from study.figures.ticks import round_numbers, short

FEWEST = 3  # trials, for a picture of them
_SHADES = 6
_AXIS = 78  # pixels from one axis to the next
_ONE_LINE = 45  # letters below an axis that have room beside each other on a telephone
_INK, _GREY = "#222", "#777"


@dataclass(frozen=True)
class _Axis:
    """One axis: where each trial lies, from 0 to 1, and what is written below."""

    title: str
    places: list[float]
    words: list[str]
    ticks: dict[float, str]


def searches(summary: Summary) -> dict[str, go.Figure]:
    """Draw the trials of the search: what all curricula share under the name ``, then each curriculum's own arguments.

    Left out is what has fewer than 3 trials, and a curriculum of which nothing but the shared numbers is searched.
    """
    spec = summary.spec
    table = trials(spec, summary.rows)
    table = table[table["last"]]
    spaces = {name: domains(spec, name) for name in spec.curricula if spec.space(name)}
    found = {}
    for name, space in {"": shared_domains(spec), **spaces}.items():
        own = complete(table[table["curriculum"] == name] if name else table, space)
        if len(own) >= FEWEST:
            axes = [_axis(key, domain, column(own, key)) for key, domain in space.items()]
            found[name] = _parallel(summary, own, axes if name else [_curricula(summary, own), *axes])
    return found


def _curricula(summary: Summary, table: pd.DataFrame) -> _Axis:
    return _axis("curriculum", Choice(tuple(sorted(summary.spec.curricula))), table["curriculum"].to_list())


def _axis(title: str, domain: Domain, values: Sequence[Any]) -> _Axis:
    domain = widened(domain, values)
    if not isinstance(domain, Range):
        options = [_listed(option) for option in domain.options]
        place = {str(option): (number + 0.5) / len(options) for number, option in enumerate(options)}
        words = [str(_listed(value)) for value in values]
        return _Axis(title, [place[word] for word in words], words, {at: word for word, at in place.items()})
    scale = math.log if domain.log else float
    low, high = scale(domain.low), scale(domain.high)
    extent = (high - low) or 1.0

    def place_of(value: float) -> float:
        return (scale(value) - low) / extent

    round_ones = round_numbers(domain.low, domain.high, domain.log)
    if domain.is_integer:
        round_ones = [value for value in round_ones if value == int(value)]
    ticks = {place_of(value): short(value) for value in round_ones}
    return _Axis(title, [place_of(value) for value in values], [f"{value:.3g}" for value in values], ticks)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _parallel(summary: Summary, table: pd.DataFrame, axes: list[_Axis]) -> go.Figure:
    """Draw axes one below the other, which a narrow screen has room for, and each trial as a line through them.

    Drawn as plain lines, in as many shades as a reader can tell apart: plotly's own parallel coordinates have no
    logarithmic axes, cut long names, and take a part of a graphics card each, of which a browser gives a page few.
    """
    scores = table["score"].to_list()
    budgets = Choice(tuple(f"{budget:,}" for budget in summary.spec.pretraining.budgets))
    score = f"dev {summary.spec.evaluation.metric_in_words()}"
    steps = _axis("pretraining steps it came to", budgets, [f"{budget:,}" for budget in table["budget"]])
    axes = [*axes, steps, _axis(score, Range(min(scores), max(scores)), scores)]
    shades = sample_colorscale("Cividis_r", [0.1 + 0.9 * number / (_SHADES - 1) for number in range(_SHADES)])
    number = [min(_SHADES - 1, int(place * _SHADES)) for place in axes[-1].places]
    ended = (table["budget"] == max(summary.spec.pretraining.budgets)).to_list()
    figure = go.Figure()
    for shade in range(_SHADES):  # the best ones last, over the others
        for is_ended in (False, True):
            own = [at for at in range(len(table)) if number[at] == shade and ended[at] is is_ended]
            figure.add_trace(_lines(axes, own, shades[shade], is_ended))
    figure.add_traces([_kind("came to the longest budget", "solid"), _kind("was stopped before", "dot")])
    figure.update_layout(**{**LAYOUT, "height": 110 + _AXIS * len(axes), "hovermode": "closest"})
    figure.update_layout(
        margin={"l": 20, "r": 44, "t": 20, "b": 10},
        annotations=[words for number, axis in enumerate(axes) for words in _words(axis, -number)],
        shapes=[*(line for number, axis in enumerate(axes) for line in _rule(axis, -number)), *_key(axes, shades)],
    )
    figure.update_xaxes(visible=False, range=[-0.02, 1.02], fixedrange=True)
    figure.update_yaxes(visible=False, range=[-len(axes) + 0.4, 0.45], fixedrange=True)
    return figure


def _lines(axes: list[_Axis], own: list[int], colour: str, is_ended: bool) -> go.Scatter:
    """Return some trials as one trace, parted by gaps."""
    score = axes[-1]
    xs: list[float | None] = []
    words: list[str] = []
    for at in own:
        xs += [*(round(axis.places[at], 4) for axis in axes), None]
        words += [*(f"{axis.words[at]} (dev {score.words[at]})" for axis in axes), ""]
    return go.Scatter(
        x=xs,
        y=[*(-number for number in range(len(axes))), None] * len(own),
        text=words,
        hovertemplate="%{text}<extra></extra>",
        mode="lines+markers",
        line={"color": colour, "width": 2.2 if is_ended else 1.4, "dash": "solid" if is_ended else "dot"},
        marker={"size": 5},
        opacity=0.9,
        showlegend=False,
    )


def _kind(name: str, dash: str) -> go.Scatter:
    return go.Scatter(x=[None], y=[None], mode="lines", name=name, line={"color": _GREY, "dash": dash, "width": 2})


def _words(axis: _Axis, y: float) -> list[dict[str, Any]]:
    """Return the title of an axis and what stands below it; long names take turns on four lines."""
    box = {"showarrow": False, "bgcolor": "rgba(255,255,255,0.8)", "borderpad": 1, "y": y}
    title = {"text": f"<b>{axis.title}</b>", "x": 0, "xanchor": "left", "yanchor": "bottom", "yshift": 4}
    found = [{**box, **title, "font": {"size": 13}}]
    lines, edge = (4, 0.2) if sum(map(len, axis.ticks.values())) > _ONE_LINE else (1, 0.03)
    for number, (place, text) in enumerate(axis.ticks.items()):
        anchor = "left" if place < edge else "right" if place > 1 - edge else "center"
        below = {"text": text, "x": place, "xanchor": anchor, "yanchor": "top", "yshift": -3 - 15 * (number % lines)}
        found.append({**box, **below, "font": {"size": 12}})
    return found


def _rule(axis: _Axis, y: float) -> list[dict[str, Any]]:
    """Return the line of an axis and its ticks."""
    line = {"type": "line", "line": {"color": _INK, "width": 1.2}, "layer": "below"}
    ticks = [{**line, "x0": place, "x1": place, "y0": y - 0.05, "y1": y + 0.05} for place in axis.ticks]
    return [{**line, "x0": 0, "x1": 1, "y0": y, "y1": y}, *ticks]


def _key(axes: list[_Axis], shades: list[str]) -> list[dict[str, Any]]:
    """Return the last axis in colour: which shade is which score."""
    y, step = 1 - len(axes), 1 / len(shades)
    bar = {"type": "line", "layer": "below", "y0": y, "y1": y}
    return [
        {**bar, "x0": number * step, "x1": (number + 1) * step, "line": {"color": colour, "width": 8}}
        for number, colour in enumerate(shades)
    ]


def importance(summary: Summary) -> go.Figure | None:
    """Draw how much each searched number explains, a panel a curriculum; None where none has enough trials."""
    found = importances(summary.spec, summary.rows)
    if not found:
        return None
    bars = [len(one.shares) for one in found]
    titles = [f"<b>{one.curriculum}</b><br>{one.used} of {one.tried} trials, at {one.budget:,} steps" for one in found]
    gap = 62  # pixels: a title of two lines
    height = sum(26 * bar + gap for bar in bars)
    figure = make_subplots(
        rows=len(found),
        cols=1,
        subplot_titles=titles,
        row_heights=bars,
        vertical_spacing=gap / (height + gap) if len(found) > 1 else 0,
        shared_xaxes=True,
    )
    for row, one in enumerate(found, start=1):
        shares = np.array(list(one.shares.values()))
        figure.add_trace(
            go.Bar(
                x=shares.round(3).tolist(),
                y=list(one.shares),
                orientation="h",
                text=[f"{share:.0%}" for share in shares],
                textposition="outside",
                cliponaxis=False,
                marker={"color": COLOURS[0]},
                showlegend=False,
                hovertemplate="%{y}: %{text}<extra></extra>",
            ),
            row=row,
            col=1,
        )
    figure.update_annotations(x=0, xanchor="left", font={"size": 14})
    figure.update_layout(**{**LAYOUT, "height": height + 70, "margin": {**LAYOUT["margin"], "t": 56}})
    figure.update_xaxes(range=[0, 1.12], tickformat=".0%", tickvals=[0, 0.25, 0.5, 0.75, 1])
    figure.update_xaxes(title_text="share of the explained variance", row=len(found), col=1)
    figure.update_yaxes(autorange="reversed", automargin=True)
    return figure
