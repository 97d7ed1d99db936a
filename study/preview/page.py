"""Writes a preview as one page that needs no network."""

import itertools
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from study.preview import figures
from study.preview.lines import Line, Preview
from study.preview.replay import Example
from study.preview.tally import HIDDEN, READABLE
from study.preview.text import (
    COLUMNS,
    LEFT_ALIGNED,
    arguments_in_words,
    cells,
    example_in_words,
    facts,
    notes,
    table_rows,
    trigger_lines,
)
from trainers.files import written

_CLASSES = {HIDDEN: "hidden", READABLE: "readable"}


def write(preview: Preview, page: Path) -> None:
    """Write the page; it appears whole or not at all."""

    def drawn(figure: Any) -> Markup:
        options = {"responsive": True, "displaylogo": False, "displayModeBar": False}
        return Markup(figure.to_html(full_html=False, include_plotlyjs=False, config=options))

    environment = Environment(loader=PackageLoader("study.preview", "."), autoescape=True, undefined=StrictUndefined)
    html = environment.get_template("page.html.j2").render(
        name=preview.spec.name,
        facts=facts(preview),
        columns=COLUMNS,
        left_aligned=LEFT_ALIGNED,
        rows=[_row(preview, line, group) for line, group in itertools.groupby(table_rows(preview), lambda row: row[0])],
        notes=notes(preview),
        triggers=trigger_lines(preview),
        curve_source=preview.curve.source,
        figures={
            "curve": drawn(figures.curve(preview)) if preview.curve.evaluations else "",
            "rates": drawn(figures.rates(preview)),
            "strategies": drawn(figures.strategies(preview)),
            "difficulty": drawn(figures.difficulty(preview)),
            "spans": drawn(figures.spans(preview)),
            "positions": drawn(figures.positions(preview)),
        },
        examples=[_examples(preview, line) for line in preview.lines],
        plotly_js=Markup(get_plotlyjs()),
    )
    written(page, html)


def _row(preview: Preview, line: Line, group: Any) -> dict[str, Any]:
    return {
        "name": line.schedule.name,
        "arguments": arguments_in_words(line),
        "moments": [list(zip(COLUMNS, cells(preview, measured), strict=True)) for _, measured in group],
    }


def _examples(preview: Preview, line: Line) -> dict[str, Any]:
    return {
        "name": line.schedule.name,
        "stretches": [(example_in_words(preview, example), _pieces(example)) for example in line.examples],
    }


def _pieces(example: Example) -> list[tuple[str, str]]:
    """Return (class, letters) of neighbouring bases that look alike."""
    pairs = zip((_CLASSES.get(int(state), "") for state in example.states), example.letters, strict=True)
    return [
        (kind, "".join(letter for _, letter in run)) for kind, run in itertools.groupby(pairs, lambda pair: pair[0])
    ]
