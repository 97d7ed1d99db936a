"""The pictures of a report, as plotly figures."""

from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from curricula import Strategy
from study.costs import REST
from study.schedule import Schedule, rate
from study.summary import CurriculumLine, Summary
from trainers.pretraining.checkpoint import evaluations

# Okabe and Ito's palette: told apart with every kind of colour vision; dashes tell lines apart in grey
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")
MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star")
LAYOUT: dict[str, Any] = {
    "template": "plotly_white",
    "font": {"family": "system-ui, sans-serif", "size": 14},
    "margin": {"l": 60, "r": 44, "t": 20, "b": 50},
    "modebar": {"orientation": "v", "bgcolor": "rgba(0,0,0,0)"},  # beside the picture: above it is the legend
    "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
    "height": 420,
}


def style_numbers(summary: Summary) -> dict[str, int]:
    """Return the number of each curriculum's style, the same in every picture."""
    return {name: number for number, name in enumerate(sorted(summary.spec.curricula))}


def style_of(number: int) -> dict[str, dict[str, object]]:
    """Return colour, dashes and marker."""
    shape = number % len(COLOURS)
    return {
        "line": {"color": COLOURS[shape], "dash": DASHES[shape], "width": 2.5},
        "marker": {"symbol": MARKERS[shape], "size": 9},
    }


def scores(summary: Summary) -> go.Figure:
    """Draw the test score at each step budget; bars are one standard deviation."""
    figure = go.Figure()
    styles = style_numbers(summary)
    budgets = summary.spec.pretraining.budgets
    flat = 0
    for line in summary.lines:
        if not line.is_pretrained:
            figure.add_traces(_level(line, max(budgets), flat))
            flat += 1
            continue
        figure.add_trace(
            go.Scatter(
                x=list(line.at),
                y=[score.mean for score in line.at.values()],
                error_y={"type": "data", "array": [score.spread for score in line.at.values()], "thickness": 1},
                name=line.curriculum,
                mode="lines+markers",
                **style_of(styles[line.curriculum]),
            )
        )
    metric = summary.spec.evaluation.metric_in_words()
    figure.update_layout(**LAYOUT, xaxis_title="pretraining steps", yaxis_title=f"test {metric}")
    figure.update_xaxes(tickvals=[0, *budgets])
    return figure


def _level(line: CurriculumLine, longest: int, number: int) -> list[go.Scatter]:
    """Draw what no pretraining of this study changes, with a band of one standard deviation."""
    score, grey = line.at[0], ("#333", "#777", "#555", "#999")[number % 4]
    low, high = score.mean - score.spread, score.mean + score.spread
    band = go.Scatter(
        x=[0, longest, longest, 0],
        y=[low, low, high, high],
        fill="toself",
        fillcolor=grey,
        opacity=0.08,
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        mode="lines",
    )
    level = go.Scatter(
        x=[0, longest],
        y=[score.mean] * 2,
        name=f"{line.curriculum} (band: 1 SD)",
        mode="lines",
        line={"color": grey, "dash": DASHES[1 + number % (len(DASHES) - 2)], "width": 1.5},
    )
    return [band, level]


def losses(summary: Summary) -> go.Figure:
    """Draw validation loss on the fixed masks at each budget, beside the loss of token frequencies alone."""
    figure = go.Figure()
    styles = style_numbers(summary)
    for line in summary.lines:
        if line.is_pretrained:
            figure.add_trace(
                go.Scatter(
                    x=list(line.loss),
                    y=list(line.loss.values()),
                    name=line.curriculum,
                    mode="lines+markers",
                    **style_of(styles[line.curriculum]),
                )
            )
    if summary.provenance.unigram_loss is not None:
        figure.add_hline(
            y=summary.provenance.unigram_loss,
            line={"color": "#555", "dash": "dash"},
            annotation={"text": "token frequencies alone", "font": {"size": 13}},
        )
    figure.update_layout(**LAYOUT, xaxis_title="pretraining steps", yaxis_title="validation loss (nats a masked token)")
    figure.update_xaxes(tickvals=summary.spec.pretraining.budgets)
    return figure


def schedules(summary: Summary) -> go.Figure:
    """Draw masking rate, NPMI quantile and share of `global` batches for the best configuration of each curriculum.

    Curricula that react to perplexity are shown with what their first run measured. A picture without any line, such
    as the quantile where no curriculum has one, is left out.
    """
    horizon = max(summary.spec.pretraining.budgets)
    steps = sorted({round(horizon * part / 200) for part in range(201)})
    lines = [line for line in summary.lines if line.is_pretrained]
    curves = {line.curriculum: _schedule(summary, line, horizon, steps) for line in lines}
    titles = [title for title in _SCHEDULED if any(title in curve for curve in curves.values())] or [_RATE]
    figure = make_subplots(rows=1, cols=len(titles), subplot_titles=titles)
    styles = style_numbers(summary)
    for name, curve in curves.items():
        style = {**style_of(styles[name]), "mode": "lines", "legendgroup": name}
        for column, title in enumerate(titles, start=1):
            if title in curve:
                shown = go.Scatter(x=steps, y=curve[title], name=name, showlegend=column == 1, **style)
                figure.add_trace(shown, row=1, col=column)
    figure.update_layout(
        **{**LAYOUT, "margin": {**LAYOUT["margin"], "t": 80}, "legend": {**LAYOUT["legend"], "y": 1.16}}
    )
    figure.update_xaxes(title_text="pretraining steps", range=[0, horizon])
    figure.update_yaxes(rangemode="tozero")
    return figure


def time(summary: Summary) -> go.Figure:
    """Draw the seconds of each curriculum's best run, stacked by part."""
    trained = {line.curriculum: line.speed for line in summary.lines if line.speed is not None}
    parts = dict.fromkeys(part for speed in trained.values() for part in speed.parts)
    figure = go.Figure()
    for number, part in enumerate(parts):
        seconds = [speed.parts.get(part, 0.0) for speed in trained.values()]
        colour = "#BBB" if part == REST else COLOURS[number % len(COLOURS)]
        figure.add_trace(
            go.Bar(x=seconds, y=list(trained), name=part, orientation="h", marker={"color": colour}, width=0.6)
        )
    figure.update_layout(**{**LAYOUT, "height": 180 + 45 * len(trained)}, barmode="stack", xaxis_title="seconds")
    figure.update_layout(legend_traceorder="normal")
    figure.update_yaxes(autorange="reversed", automargin=True)
    return figure


_RATE, _QUANTILE, _GLOBAL = _SCHEDULED = (
    "masking rate",
    "NPMI quantile from which<br>tokens may be centres",
    "share of batches masked around<br>the best k-mers of each row",
)


def _schedule(summary: Summary, line: CurriculumLine, horizon: int, steps: list[int]) -> dict[str, list[float]]:
    """Return the curves of one curriculum over these steps; those that do not concern it are left out."""
    arguments = {name: value for name, value in line.parameters.items() if name not in summary.spec.search.space}
    curriculum = summary.spec.make(line.curriculum, arguments)
    measured = evaluations(summary.spec.folder() / "runs" / line.runs[0] / f"checkpoints-{horizon}")
    schedule = Schedule(line.curriculum, curriculum, horizon, measured)
    asked = [schedule.at(step) for step in steps]
    used = {masking.strategy for one in asked for weight, masking in one.parts if weight > 0}
    curves = {_RATE: [rate(one) for one in asked]}
    if Strategy.PMI_THRESHOLD in used:
        curves[_QUANTILE] = [max(masking.min_quantile for _, masking in one.parts) for one in asked]
    if used & {Strategy.GLOBAL, Strategy.GLOBAL_AS_RELEASED}:
        curves[_GLOBAL] = [sum(w for w, m in one.parts if m.strategy.startswith("global")) for one in asked]
    return curves
