"""Pictures over the steps of a training, and of its time: losses, schedules as they ran, where the seconds went."""

import math
from collections.abc import Iterable

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from curricula import Evaluation, Strategy
from study.costs import REST
from study.evidence.summary import CurriculumLine, Summary
from study.figures.style import COLOURS, LAYOUT, style_numbers, style_of
from study.schedule import Schedule, even_steps, rate, switches
from trainers.pretraining.checkpoint import evaluations


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
