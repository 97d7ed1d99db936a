"""The first picture of a report: what was scored, with single seeds and intervals."""

import plotly.graph_objects as go

from study.evidence.summary import CurriculumLine, Summary
from study.figures.style import DASHES, LAYOUT, style_numbers, style_of

_FAR_APART = 20  # times the first budget: from there on the others would lie on top of each other at the left


def scores(summary: Summary) -> go.Figure:
    """Draw the test score at each step budget, and small the single seeds; of one budget, a line a curriculum.

    Bars and grey bands are 95 % intervals over seeds, from three seeds on.
    """
    return _over_budgets(summary) if len(summary.spec.pretraining.budgets) > 1 else _side_by_side(summary)


def _side_by_side(summary: Summary) -> go.Figure:
    """Draw what no budgets spread out: over their one step, the curricula would lie on top of each other."""
    figure = go.Figure()
    styles = style_numbers(summary)
    for line in summary.lines:
        score = line.at[max(line.at)]
        style = style_of(styles[line.curriculum])["marker"] if line.is_pretrained else {"symbol": "circle-open"}
        colour = style_of(styles[line.curriculum])["line"]["color"] if line.is_pretrained else "#555"
        each = score.by_seed if len(score.by_seed) > 1 else ()
        seeds = {"size": 8, "opacity": 0.45, "color": colour}
        figure.add_scatter(x=each, y=[line.curriculum] * len(each), mode="markers", marker=seeds, hoverinfo="x")
        figure.add_scatter(
            x=[score.mean],
            y=[line.curriculum],
            error_x={"type": "data", "array": [score.half_width or 0.0], "visible": bool(score.half_width)},
            marker={**style, "size": 11, "color": colour},
            mode="markers",
            name=line.curriculum,
        )
    metric = summary.spec.evaluation.metric_in_words()
    height = 110 + 34 * len(summary.lines)
    figure.update_layout(**{**LAYOUT, "height": height}, xaxis_title=f"test {metric}", showlegend=False)
    figure.update_yaxes(autorange="reversed", automargin=True)
    return figure


def _over_budgets(summary: Summary) -> go.Figure:
    figure = go.Figure()
    styles = style_numbers(summary)
    budgets = summary.spec.pretraining.budgets
    is_log = max(budgets) > _FAR_APART * min(budgets)
    start = min(budgets) if is_log else 0
    flat = 0
    for line in summary.lines:
        if not line.is_pretrained:
            figure.add_traces(_level(line, start, max(budgets), flat))
            flat += 1
            continue
        figure.add_traces(_curve(line, style_of(styles[line.curriculum])))
    metric = summary.spec.evaluation.metric_in_words()
    height = LAYOUT["height"] + 20 * max(0, len(summary.lines) - 5)  # on a phone each has a line of the legend
    figure.update_layout(**{**LAYOUT, "height": height}, xaxis_title="pretraining steps", yaxis_title=f"test {metric}")
    ticks = [*([] if is_log else [0]), *budgets]
    figure.update_xaxes(
        type="log" if is_log else "linear", tickvals=ticks, ticktext=[f"{budget:,}" for budget in ticks]
    )
    return figure


def _curve(line: CurriculumLine, style: dict[str, dict[str, object]]) -> list[go.Scatter]:
    """Draw the scores of one curriculum, and its seeds below them."""
    widths = [score.half_width or 0.0 for score in line.at.values()]
    seeds = [(budget, value) for budget, score in line.at.items() for value in score.by_seed if len(score.by_seed) > 1]
    each = go.Scatter(
        x=[budget for budget, _ in seeds],
        y=[value for _, value in seeds],
        mode="markers",
        marker={**style["marker"], "size": 5, "opacity": 0.45, "color": style["line"]["color"]},
        legendgroup=line.curriculum,
        showlegend=False,
        hoverinfo="y",
    )
    curve = go.Scatter(
        x=list(line.at),
        y=[score.mean for score in line.at.values()],
        error_y={"type": "data", "array": widths, "thickness": 1, "visible": any(widths)},
        name=line.curriculum,
        legendgroup=line.curriculum,
        mode="lines+markers",
        **style,
    )
    return [each, curve]


def _level(line: CurriculumLine, start: int, longest: int, number: int) -> list[go.Scatter]:
    """Draw what no pretraining of this study changes."""
    score, grey = line.at[0], ("#333", "#777", "#555", "#999")[number % 4]
    low, high = score.mean - (score.half_width or 0.0), score.mean + (score.half_width or 0.0)
    band = go.Scatter(
        x=[start, longest, longest, start],
        y=[low, low, high, high],
        fill="toself",
        fillcolor=grey,
        opacity=0.08,
        line={"width": 0},
        legendgroup=line.curriculum,
        hoverinfo="skip",
        showlegend=False,
        mode="lines",
    )
    level = go.Scatter(
        x=[start, longest],
        y=[score.mean] * 2,
        name=line.curriculum,
        legendgroup=line.curriculum,
        mode="lines",
        line={"color": grey, "dash": DASHES[1 + number % (len(DASHES) - 2)], "width": 1.5},
    )
    return [band, level]
