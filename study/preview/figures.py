"""The pictures of a preview, as plotly figures: one panel a curriculum, all panels of a figure on the same axes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from curricula import Strategy
from study.figures.style import COLOURS
from study.preview.lines import Line, Preview
from study.schedule import even_steps, label, rate, shares

_COLUMNS = 2
_PANEL, _GAP, _TOP, _BOTTOM = 190, 62, 80, 52  # pixels; the legend is in the top margin
_NO_LEGEND = 30
_BLUE, _SKY = COLOURS[0], COLOURS[5]
_INK, _GREY = "#1a1a1a", "#888888"
_FIRING = {"color": _INK, "dash": "dash", "width": 1.5}
_AGES = {"start": _SKY, "middle": _BLUE, "end": _INK}  # light to dark, so that grey prints keep the order
_POSITION_BINS = 48
_TAIL = 0.98  # longer runs than this share of all are not drawn


def _panels(titles: Sequence[str], columns: int = _COLUMNS, top: int = _TOP) -> go.Figure:
    """Return a grid of panels of one size, however many there are; `titles` may be fewer than cells."""
    rows = -(-len(titles) // columns)
    height = top + _BOTTOM + rows * _PANEL + (rows - 1) * _GAP
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=titles,
        vertical_spacing=_GAP / (height - top - _BOTTOM),
        horizontal_spacing=0.09,
    )
    figure.update_layout(
        template="plotly_white",
        font={"family": "system-ui, sans-serif", "size": 13},
        height=height,
        margin={"l": 62, "r": 20, "t": top, "b": _BOTTOM},
        legend={"orientation": "h", "yref": "container", "y": 1, "yanchor": "top", "x": 0, "xanchor": "left"},
    )
    figure.update_annotations(font_size=14)
    return figure


def _cell(number: int, columns: int = _COLUMNS) -> dict[str, int]:
    return {"row": number // columns + 1, "col": number % columns + 1}


def _label_axes(figure: go.Figure, panels: int, x: str, y: str, columns: int = _COLUMNS) -> None:
    """Name the outer axes only: x of the lowest panel of each column, y of the first column."""
    for number in range(panels):
        if number + columns >= panels:
            figure.update_xaxes(title_text=x, **_cell(number, columns))
        if number % columns == 0:
            figure.update_yaxes(title_text=y, **_cell(number, columns))


def _names(preview: Preview) -> list[str]:
    return [line.schedule.name for line in preview.lines]


def _without_repeats(values: Mapping[int, Any]) -> list[int]:
    """Return the steps that a line needs: none between two that have the same value."""
    steps = list(values)
    return [
        step
        for number, step in enumerate(steps)
        if number in (0, len(steps) - 1) or not values[steps[number - 1]] == values[step] == values[steps[number + 1]]
    ]


def _mark_firings(figure: go.Figure, preview: Preview, most: int = 20) -> None:
    for number, line in enumerate(preview.lines):
        for firing in line.firings[:most]:
            figure.add_vline(x=firing.step, line=_FIRING, **_cell(number))


def rates(preview: Preview) -> go.Figure:
    """Draw the masking rate asked for, and that of real rows."""
    figure = _panels(_names(preview))
    for number, line in enumerate(preview.lines):
        asked = {step: rate(asked) for step, asked in line.traced.items()}
        steps = _without_repeats(asked)
        common = {"showlegend": number == 0}
        figure.add_trace(
            go.Scatter(
                x=steps,
                y=[asked[step] for step in steps],
                name="asked",
                legendgroup="asked",
                mode="lines",
                line={"color": _BLUE, "width": 2.5},
                **common,
            ),
            **_cell(number),
        )
        figure.add_trace(
            go.Scatter(
                x=[measured.step for measured in line.measured],
                y=[measured.tally.rate for measured in line.measured],
                name="realised on real rows",
                legendgroup="realised",
                mode="markers",
                marker={"color": _INK, "size": 5, "symbol": "circle-open"},
                **common,
            ),
            **_cell(number),
        )
    highest = max(measured.tally.rate for line in preview.lines for measured in line.measured)
    asked_most = max(rate(asked) for line in preview.lines for asked in line.traced.values())
    figure.update_yaxes(range=[0, min(1.0, 1.15 * max(highest, asked_most))], tickformat=".0%")
    return _over_steps(figure, preview, "masked tokens")


def _over_steps(figure: go.Figure, preview: Preview, y: str) -> go.Figure:
    figure.update_xaxes(range=[0, preview.horizon], tickformat="~s", nticks=6)
    _label_axes(figure, len(preview.lines), "pretraining steps", y)
    _mark_firings(figure, preview)
    return figure


def strategies(preview: Preview) -> go.Figure:
    """Draw which share of the batches each strategy masks."""
    figure = _panels(_names(preview))
    order = [label(masking) for line in preview.lines for asked in line.traced.values() for _, masking in asked.parts]
    seen: set[str] = set()
    for number, line in enumerate(preview.lines):
        by_step = {step: shares(asked) for step, asked in line.traced.items()}
        steps = _without_repeats(by_step)
        for name in dict.fromkeys(order):
            if not any(name in share for share in by_step.values()):
                continue
            figure.add_trace(
                go.Scatter(
                    x=steps,
                    y=[by_step[step].get(name, 0.0) for step in steps],
                    name=name,
                    legendgroup=name,
                    showlegend=name not in seen,
                    mode="lines",
                    stackgroup="shares",
                    line={"width": 0.5, "color": _colour(name)},
                ),
                **_cell(number),
            )
            seen.add(name)
    figure.update_yaxes(range=[0, 1], tickformat=".0%")
    figure.update_layout(showlegend=True)
    return _over_steps(figure, preview, "batches")


def _colour(strategy: str) -> str:
    return COLOURS[[entry.value for entry in Strategy].index(strategy.split(maxsplit=1)[0]) % len(COLOURS)]


def difficulty(preview: Preview) -> go.Figure:
    """Draw the NPMI of the masked tokens, median and the middle 80 %, beside that of all tokens."""
    figure = _panels(_names(preview))
    for number, line in enumerate(preview.lines):
        steps = [measured.step for measured in line.measured]
        low, middle, high = np.array([measured.npmi for measured in line.measured]).T
        common = {"x": steps, "showlegend": False}
        edge = {"mode": "lines", "line": {"width": 0}}
        figure.add_trace(go.Scatter(y=high, hoverinfo="skip", **edge, **common), **_cell(number))
        band = {"fill": "tonexty", "fillcolor": "rgba(86, 180, 233, 0.35)", "name": "hidden: 10 to 90 %"}
        figure.add_trace(
            go.Scatter(y=low, **edge, **{**common, "showlegend": number == 0}, **band),
            **_cell(number),
        )
        figure.add_trace(
            go.Scatter(
                y=middle,
                name="hidden: median",
                mode="lines+markers",
                line={"color": _BLUE, "width": 2.5},
                marker={"size": 5},
                **{**common, "showlegend": number == 0},
            ),
            **_cell(number),
        )
        for value, dash, name in zip(
            preview.npmi_of_all, ("dot", "solid", "dot"), ("", "all tokens: median, 10 and 90 %", ""), strict=True
        ):
            figure.add_trace(
                go.Scatter(
                    x=[0, preview.horizon],
                    y=[value, value],
                    name=name,
                    mode="lines",
                    line={"color": _GREY, "dash": dash, "width": 1.2},
                    showlegend=bool(name) and number == 0,
                ),
                **_cell(number),
            )
    figure.update_yaxes(matches="y")
    return _over_steps(figure, preview, "NPMI")


def spans(preview: Preview) -> go.Figure:
    """Draw how long runs of masked tokens are, and how many bases each hides, at start, middle and end."""
    titles = [f"{name}: {what}" for name in _names(preview) for what in ("tokens in a run", "bases it hides")]
    figure = _panels(titles, columns=2)
    for number, line in enumerate(preview.lines):
        for age, step in zip(_AGES, _ages(line), strict=False):
            tally = next(measured.tally for measured in line.measured if measured.step == step)
            for place, runs in ((2 * number, tally.run_tokens), (2 * number + 1, tally.run_bases)):
                widths, share = _shown_widths(runs, first=1 if place % 2 == 0 else 0)
                figure.add_trace(
                    go.Bar(
                        x=widths,
                        y=share,
                        name=age,
                        legendgroup=age,
                        marker_color=_AGES[age],
                        showlegend=place == 0,
                    ),
                    **_cell(place),
                )
    figure.update_layout(barmode="group", bargap=0.25)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero", matches="y")
    for column in (1, 2):
        figure.update_xaxes(tickformat="d", matches="x" if column == 1 else "x2", col=column)
    _label_axes(figure, len(titles), "", "masked runs")
    figure.update_xaxes(title_text="tokens", row=len(preview.lines), col=1)
    figure.update_xaxes(title_text="bases", row=len(preview.lines), col=2)
    return figure


def _ages(line: Line) -> list[int]:
    """Return the steps of start, middle and end; a horizon of one or two steps has fewer."""
    return even_steps(line.schedule, 2)


def _shown_widths(runs: NDArray[np.float64], first: int) -> tuple[list[int], list[float]]:
    share = runs / max(runs.sum(), 1e-12)
    last = int(np.searchsorted(share.cumsum(), _TAIL))
    widths = list(range(first, max(first, min(last, len(share) - 1)) + 1))
    return widths, [float(share[width]) for width in widths]


def positions(preview: Preview) -> go.Figure:
    """Draw the masked share of the rows by position and progress; darker is more."""
    figure = _panels(_names(preview), top=_NO_LEGEND)
    for number, line in enumerate(preview.lines):
        rows = [_binned(measured.tally.by_position_T) for measured in line.measured]
        figure.add_trace(
            go.Heatmap(
                x=_binned(np.arange(preview.spec.pretraining.length)),
                y=[100 * measured.step / preview.horizon for measured in line.measured],
                z=rows,
                coloraxis="coloraxis",
                hovertemplate="token %{x:.0f}, %{y:.0f} % of the horizon: %{z:.1%}<extra></extra>",
            ),
            **_cell(number),
        )
    figure.update_layout(
        coloraxis={
            "colorscale": [[0, "#ffffff"], [0.5, _SKY], [1, "#00395a"]],
            "cmin": 0,
            "colorbar": {"tickformat": ".0%", "thickness": 12, "title": {"text": "masked", "side": "top"}},
        }
    )
    figure.update_yaxes(autorange="reversed")
    _label_axes(figure, len(preview.lines), "token position in the row", "progress (%)")
    return figure


def _binned(by_position_T: NDArray[Any]) -> list[float]:
    pieces = np.array_split(by_position_T, min(_POSITION_BINS, len(by_position_T)))
    return [float(piece.mean()) for piece in pieces]


def curve(preview: Preview) -> go.Figure:
    """Draw the perplexity that the curricula were shown, and where it changes what they ask for."""
    figure = _panels([""], columns=1, top=_NO_LEGEND)
    figure.add_trace(
        go.Scatter(
            x=[evaluation.step for evaluation in preview.curve.evaluations],
            y=[evaluation.perplexity for evaluation in preview.curve.evaluations],
            mode="lines+markers",
            line={"color": _BLUE, "width": 2},
            marker={"size": 5},
            showlegend=False,
        )
    )
    fired: dict[int, list[str]] = {}
    for line in preview.lines:
        for firing in line.firings[:1]:
            fired.setdefault(firing.step, []).append(line.schedule.name)
    for step, names in fired.items():
        figure.add_vline(x=step, line=_FIRING, annotation={"text": ", ".join(names), "font": {"size": 12}})
    figure.update_xaxes(range=[0, preview.horizon], title_text="pretraining steps", tickformat="~s")
    figure.update_yaxes(title_text="perplexity (log)", type="log", nticks=5)
    return figure
