"""The picture of score against cost: what each configuration took and reached, and what nothing dominates."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from study import tasks
from study.evidence.summary import Summary
from study.evidence.time_to_target import COSTS
from study.figures.style import DASHES, LAYOUT, style_numbers, style_of
from study.figures.ticks import round_numbers, short
from study.search.fronts import fronts_of
from study.store import PRETRAINING

_INK = "#222"
_CLOSE = 0.5  # of the width: names that are closer would touch on a telephone
_FIRST = "flops"  # the one cost that does not depend on the machine
_CONFIGURATION = ["curriculum", "parameters", "budget"]


def points(summary: Summary) -> pd.DataFrame:
    """Return what every configuration that was scored in full reached and took at each budget, a row each.

    Columns: `curriculum`, `parameters`, `budget`; `score`, its mean test score over tasks, each the mean of its seeds
    and repetitions; `seeds`; `chosen`, whether it is the configuration of its curriculum that dev scores chose; and
    each cost of one training up to there, the mean over seeds, that is known and above 0 of all rows.
    """
    spec = summary.spec
    rows = summary.rows[(summary.rows["budget"] > 0) & summary.rows["curriculum"].isin(spec.curricula)]
    test = tasks.scores(spec, rows, "test")
    recorded = rows[(rows["task"] == PRETRAINING) & rows["metric"].isin(list(COSTS))]
    costs = recorded.pivot_table("value", _CONFIGURATION, "metric", aggfunc="mean")
    chosen = [run for line in summary.lines for run in line.runs]
    by = test.groupby(_CONFIGURATION)
    found = pd.DataFrame(
        {
            "score": test.groupby([*_CONFIGURATION, "task"])["value"].mean().groupby(_CONFIGURATION).mean(),
            "seeds": by["seed"].nunique(),
            "chosen": by["run"].first().isin(chosen),
        }
    ).join(costs)
    known = [name for name in costs.columns if (found[name] > 0).all()]
    return found[["score", "seeds", "chosen", *known]].reset_index()


def score_and_cost(summary: Summary) -> go.Figure | None:
    """Draw the test score against what one training took; None where no cost is known.

    Where several costs are known, a menu chooses one. A front of the best among hundreds of trials would be one of
    lucky test scores, so it is drawn through what dev scores chose; the other trials are there as small marks.
    """
    found = points(summary)
    costs = [name for name in (_FIRST, *COSTS) if name in found.columns]
    costs = list(dict.fromkeys(costs)) if len(found) else []
    if not costs:
        return None
    figure, owners = go.Figure(), list[str]()
    for cost in costs:
        drawn = _traces(summary, found, cost)
        figure.add_traces([trace.update(visible=cost == costs[0]) for trace in drawn])
        owners += [cost] * len(drawn)
    layouts = {cost: _layout(found, cost) for cost in costs}
    levels = [line.at[0].mean for line in summary.lines if not line.is_pretrained]
    low, high = min([*found["score"], *levels]), max([*found["score"], *levels])
    room = 0.06 + 0.06 * max(len(layout["annotations"]) for layout in layouts.values())  # for the names
    figure.update_layout(**{**LAYOUT, "height": 580, "margin": {**LAYOUT["margin"], "b": 110}}, **layouts[costs[0]])
    figure.update_yaxes(title_text=f"test {summary.spec.evaluation.metric_in_words()}")
    figure.update_yaxes(range=[low - 0.05 * (high - low or 1), high + min(room, 0.3) * (high - low or 1)])
    figure.update_xaxes(type="log")
    if len(costs) > 1:
        place = {"x": 0, "xanchor": "left", "y": 0, "yanchor": "top", "pad": {"t": 62}, "direction": "up"}
        menu = [
            {
                "label": f"cost: {COSTS[cost]}",
                "method": "update",
                "args": [{"visible": [owner == cost for owner in owners]}, layouts[cost]],
            }
            for cost in costs
        ]
        figure.update_layout(updatemenus=[{"buttons": menu, **place, "bgcolor": "white"}])
    return figure


def _layout(found: pd.DataFrame, cost: str) -> dict[str, Any]:
    """Return what of the layout belongs to one cost, with keys as a menu takes them."""
    ticks = round_numbers(float(found[cost].min()), float(found[cost].max()), is_log=True)
    return {
        "xaxis.title.text": f"{COSTS[cost]} of one pretraining",
        "xaxis.tickvals": ticks,
        "xaxis.ticktext": [short(tick) for tick in ticks],
        "annotations": _names(_front(found[found["chosen"]], cost), cost),
    }


def _traces(summary: Summary, found: pd.DataFrame, cost: str) -> list[go.Scatter]:
    """Return all that is drawn of one cost."""
    unit, drawn = COSTS[cost], list[go.Scatter]()
    others, chosen = found[~found["chosen"]], found[found["chosen"]]
    for name, number in style_numbers(summary).items():
        style = style_of(number)
        symbol, colour = style["marker"]["symbol"], style["line"]["color"]
        for own, marker in (
            (others, {"symbol": f"{symbol}-open", "size": 5, "opacity": 0.6}),
            (chosen, {"symbol": symbol, "size": 11, "line": {"width": 0.8, "color": _INK}}),
        ):
            at = own[own["curriculum"] == name]
            drawn.append(
                go.Scatter(
                    x=at[cost].to_list(),
                    y=at["score"].round(4).to_list(),
                    mode="markers",
                    name=name,
                    legendgroup=name,
                    showlegend=own is chosen,
                    marker={**marker, "color": colour},
                    customdata=at[["budget", "seeds"]].to_numpy().tolist(),
                    hovertemplate=f"%{{y:.3f}}, %{{x:.3g}} {unit}<br>%{{customdata[0]:,}} steps, "
                    "%{customdata[1]} seed(s)",
                )
            )
    return [
        *_levels(summary, found[cost]),
        *[trace for trace in drawn if trace.x],
        _step_line(_front(chosen, cost), cost),
    ]


def _front(chosen: pd.DataFrame, cost: str) -> pd.DataFrame:
    """Return what nothing dominates, the cheapest first."""
    is_front = fronts_of(np.column_stack([chosen["score"], -chosen[cost]])) == 0
    front: pd.DataFrame = chosen[is_front].drop_duplicates([cost, "score"]).sort_values(cost)
    return front


def _step_line(front: pd.DataFrame, cost: str) -> go.Scatter:
    return go.Scatter(
        x=front[cost].to_list(),
        y=front["score"].round(4).to_list(),
        mode="lines+markers",
        line={"shape": "hv", "color": _INK, "width": 1.5},
        marker={"symbol": "circle-open", "size": 17, "color": _INK, "line": {"width": 1.5}},
        hoverinfo="skip",
        name="nothing dominates",
    )


def _names(front: pd.DataFrame, cost: str) -> list[dict[str, Any]]:
    """Return the names along the front where each first stands, above it, where nothing lies.

    Of close points each name is above the last one.
    """
    at = np.log10(front[cost].to_numpy(dtype=np.float64))
    extent = (at.max() - at.min()) or 1.0
    found, level, named = list[dict[str, Any]](), 0, set[str]()
    for place, (x, name) in enumerate(zip(at, front["curriculum"], strict=True)):
        if name in named:
            continue
        level = level + 1 if found and x - found[-1]["x"] < _CLOSE * extent else 0
        part = (x - at.min()) / extent
        anchor = "left" if part < 0.3 else "right" if part > 0.7 else "center"
        arrow = {"ax": 0, "ay": -24 - 17 * level, "arrowhead": 0, "arrowwidth": 0.8, "arrowcolor": "#999"}
        y = float(front["score"].iloc[place])
        found.append({"x": float(x), "y": y, "text": name, "xanchor": anchor, "font": {"size": 13}, **arrow})
        named.add(name)
    return found


def _levels(summary: Summary, costs: "pd.Series[float]") -> list[go.Scatter]:
    """Return what needs no pretraining of this study, from the least cost to the most."""
    ends = [float(costs.min()) / 1.3, float(costs.max()) * 1.3]
    lines = [line for line in summary.lines if not line.is_pretrained]
    return [
        go.Scatter(
            x=ends,
            y=[line.at[0].mean] * 2,
            mode="lines",
            name=line.curriculum,
            line={"color": "#666", "width": 1.5, "dash": DASHES[1 + number % (len(DASHES) - 2)]},
        )
        for number, line in enumerate(lines)
    ]
