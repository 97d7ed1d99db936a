"""The pictures of a report, as plotly figures."""

import math
from collections.abc import Iterable
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from curricula import Evaluation, Strategy
from study.costs import REST
from study.evidence.summary import CurriculumLine, Summary
from study.schedule import Schedule, even_steps, rate, switches
from trainers.pretraining.checkpoint import evaluations

# Okabe and Ito's palette: told apart with every kind of colour vision; dashes tell lines apart in grey
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")
MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star")
_FAR_APART = 20  # times the first budget: from there on the others would lie on top of each other at the left
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
    colour = number % len(COLOURS)
    shape = (number + number // len(COLOURS)) % len(COLOURS)  # the eighth has the first one's colour, another shape
    return {
        "line": {"color": COLOURS[colour], "dash": DASHES[shape], "width": 2.5},
        "marker": {"symbol": MARKERS[shape], "size": 9},
    }


def scores(summary: Summary) -> go.Figure:
    """Draw the test score at each step budget, and small the single seeds.

    Bars and grey bands are 95 % intervals over seeds, from three seeds on.
    """
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


def losses(summary: Summary) -> go.Figure:
    """Draw validation loss on the fixed masks, beside the loss of token frequencies alone.

    A mark is the loss at a budget, the mean over seeds; the line is what the first run measured on its way, where its
    checkpoints are still there.
    """
    figure = go.Figure()
    styles = style_numbers(summary)
    for line in summary.lines:
        if line.is_pretrained:
            style = {**style_of(styles[line.curriculum]), "name": line.curriculum, "legendgroup": line.curriculum}
            measured = _thinned(_measured(summary, line))
            marks = go.Scatter(x=list(line.loss), y=list(line.loss.values()), mode="lines+markers", **style)
            if measured:
                steps, losses = [one.step for one in measured], [math.log(one.perplexity) for one in measured]
                figure.add_trace(go.Scatter(x=steps, y=losses, mode="lines", showlegend=False, **style))
                figure.add_trace(go.Scatter(x=[None], y=[None], mode="lines+markers", **style))  # for the legend
                marks.update(mode="markers", showlegend=False)
            figure.add_trace(marks)
    if summary.provenance.unigram_loss is not None:
        figure.add_hline(
            y=summary.provenance.unigram_loss,
            line={"color": "#555", "dash": "dash"},
            annotation={"text": "token frequencies alone", "font": {"size": 13}},
        )
    figure.update_layout(**LAYOUT, xaxis_title="pretraining steps", yaxis_title="validation loss (nats)")
    figure.update_xaxes(tickvals=summary.spec.pretraining.budgets)
    return figure


def _measured(summary: Summary, line: CurriculumLine) -> tuple[Evaluation, ...]:
    """Return what the first run of a line measured on its way to the longest budget, as far as it is still there."""
    longest = max(summary.spec.pretraining.budgets)
    return evaluations(summary.spec.folder() / "runs" / line.runs[0] / f"checkpoints-{longest}")


def _thinned(measured: tuple[Evaluation, ...]) -> list[Evaluation]:
    """Return no more of a curve than a picture shows, its end included; what overflowed is no point of it."""
    every = 1 + len(measured) // _POINTS
    return [one for one in reversed(measured[::-1][::every]) if math.isfinite(one.perplexity)]


def schedules(summary: Summary) -> go.Figure:
    """Draw masking rate, NPMI quantile and share of `global` batches for the best configuration of each curriculum.

    Curricula that react to perplexity are shown with what their first run measured. A mark is a step at which one
    switches. A panel without any line, such as the quantile where no curriculum has one, is left out.
    """
    horizon = max(summary.spec.pretraining.budgets)
    planned = {line.curriculum: _schedule(summary, line, horizon) for line in summary.lines if line.is_pretrained}
    jumps = {name: {jump.step: jump.words for jump in switches(schedule)} for name, schedule in planned.items()}
    curves = {name: _curves(schedule, jumps[name]) for name, schedule in planned.items()}
    titles = [title for title in _SCHEDULED if any(title in curve for curve in curves.values())] or [_RATE]
    figure = make_subplots(rows=len(titles), cols=1, subplot_titles=titles, vertical_spacing=0.13)
    styles = style_numbers(summary)
    for name, curve in curves.items():
        style = {**style_of(styles[name]), "name": name, "legendgroup": name}
        for row, title in enumerate(titles, start=1):
            own = curve.get(title, {})
            line = go.Scatter(x=list(own), y=list(own.values()), mode="lines", showlegend=row == 1, **style)
            marks = go.Scatter(x=list(jumps[name]), y=[own.get(step) for step in jumps[name]], mode="markers", **style)
            marks.update(text=list(jumps[name].values()), hovertemplate="%{text}", showlegend=False)
            marks.update(marker={"size": 11, "line": {"width": 1, "color": "#222"}}, cliponaxis=False)
            figure.add_traces([trace for trace in (line, marks) if own and trace.x], rows=row, cols=1)
    figure.update_layout(**{**LAYOUT, "height": 130 + 230 * len(titles)})
    figure.update_layout(margin_t=70, legend_y=1 + 0.12 / len(titles))
    figure.update_annotations(font_size=14)
    figure.update_xaxes(range=[0, horizon])
    figure.update_xaxes(title_text="pretraining steps", row=len(titles), col=1)
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


_POINTS = 200  # of a line
_RATE, _QUANTILE, _GLOBAL = _SCHEDULED = (
    "masking rate",
    "NPMI quantile from which tokens may be centres",
    "batches masked around the best k-mers",
)


def _schedule(summary: Summary, line: CurriculumLine, horizon: int) -> Schedule:
    """Return what one curriculum asked for, given what it measured."""
    arguments = {name: value for name, value in line.parameters.items() if name not in summary.spec.search.space}
    return Schedule(line.curriculum, summary.spec.make(line.curriculum, arguments), horizon, _measured(summary, line))


def _curves(schedule: Schedule, jumps: Iterable[int]) -> dict[str, dict[int, float]]:
    """Return the curves of one curriculum by step, upright where it switches; others are left out."""
    edges = {step for jump in jumps for step in (jump - 1, jump)}
    asked = {step: schedule.at(step) for step in sorted({*even_steps(schedule, _POINTS), *edges})}
    used = {masking.strategy for one in asked.values() for weight, masking in one.parts if weight > 0}
    curves = {_RATE: {step: rate(one) for step, one in asked.items()}}
    if Strategy.PMI_THRESHOLD in used:
        curves[_QUANTILE] = {step: max(m.min_quantile for _, m in one.parts) for step, one in asked.items()}
    if used & {Strategy.GLOBAL, Strategy.GLOBAL_AS_RELEASED}:
        curves[_GLOBAL] = {
            step: sum(w for w, m in one.parts if m.strategy.startswith("global")) for step, one in asked.items()
        }
    return curves
