"""Writes the report of a study from its stored rows: `python -m study.report NAME`."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from curricula import InputError
from study import (
    figures_tasks,
    leaderboard_formats,
    report_figures,
    report_formats,
    report_pdf,
    report_rows,
    report_tables,
    report_verdict,
)
from study.importances import FEWEST
from study.leaderboard import leaderboard
from study.progress import plain_console
from study.reading import copies_of, opened
from study.report_tables import REPORT
from study.sentences import scored_at, sentences
from study.summary import Summary
from study.verdict import WORTH


def write(summary: Summary, folder: Path, pictures: Mapping[str, Any] | None = None) -> Path:
    """Write `report.html`, one file that needs no network.

    Args:
        summary: What it shows.
        folder: Where to.
        pictures: As `report_figures.pictures` draws them; none: they are drawn.
    """
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    def drawn(figure: Any) -> Markup:
        options = {"responsive": True, "displaylogo": False}
        return Markup(figure.to_html(full_html=False, include_plotlyjs=False, config=options))

    spec = summary.spec
    pictures = report_figures.pictures(summary) if pictures is None else pictures
    html = report_formats.rendered(
        "report.html.j2",
        spec=spec,
        genome=summary.provenance.genome,
        leaks=summary.provenance.leaks,
        leaks_excluded=summary.provenance.excluded,
        sentences=sentences(summary),
        notes=summary.notes,
        scored_at=scored_at(summary),
        metric=spec.evaluation.metric_in_words(),
        tasks=[task.name for task in spec.evaluation.tasks],
        budgets=report_tables.budgets_shown(summary),
        by_task=report_tables.by_task(summary),
        published=[(line.label, f"{line.mean:.3f}", line.source) for line in report_tables.published_lines(summary)],
        costs=[{"name": line.curriculum, **report_tables.cost_row(summary, line)} for line in summary.lines],
        usage=summary.usage.sentence(),
        runs=[report_tables.run_row(summary, line) for line in summary.runs],
        lines=[report_tables.row(summary, line) for line in summary.lines],
        verdicts=report_verdict.verdict_table(summary.findings),
        worth=WORTH,
        times=report_verdict.time_tables(summary.findings),
        apart=report_verdict.apart_table(summary.findings),
        task_by_task=report_formats.TASK_BY_TASK.replace("`", ""),
        ranks=summary.findings.ranks,
        figures={name: drawn(figure) for name, figure in pictures.items()},
        fewest=FEWEST,
        table_width=figures_tasks.width(pictures["tasks"]) if "tasks" in pictures else 0,
        searches=[name for name in pictures if name.startswith(report_figures.SEARCH_OF)],
        places="\n".join(report_tables.places(folder)),
        spec_yaml=yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False),
        provenance=json.dumps(summary.provenance.cards, indent=1),
        plotly_js=Markup(get_plotlyjs()),
    )
    return report_formats.written(folder / REPORT, html)


WRITERS: dict[str, Callable[[Summary, Path], Path]] = {
    "html": write,
    "md": report_formats.write_markdown,
    "json": report_formats.write_json,
    "pdf": lambda summary, folder: report_pdf.printed(write(summary, folder)),
}


def main(arguments: list[str] | None = None) -> int:
    """Write the report again; return 0, or 2 for wrong input."""
    parser = argparse.ArgumentParser(
        prog="python -m study.report", description="Write a study's report again, or a leaderboard of all studies."
    )
    parser.add_argument("name", nargs="?", help="name of the study, a folder under --results")
    parser.add_argument("--all", action="store_true", help="all studies of the results folder, as a leaderboard")
    parser.add_argument("--results", default="results", metavar="DIR", help="folder of all studies (default: results)")
    parser.add_argument(
        "--format",
        choices=report_rows.WRITERS,
        default="html",
        help="html: a page with pictures; pdf: the page, printed by Chromium or Chrome; md: its words and tables; "
        "json: its numbers; parquet: every score, one a row (default: html)",
    )
    options = parser.parse_args(arguments)
    results = Path(options.results).expanduser().resolve()
    try:
        if options.all == (options.name is not None):
            raise InputError("give either the name of a study, or --all for every study of the results folder")
        if options.all:
            print(_all(results, options.format))
        else:
            print(_one(options.name, results, options.format))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _one(name: str, results: Path, form: str) -> Path:
    study = opened(name, results, copies_of(name, results))
    _say(study.notes)
    if study.summary is None or form not in WRITERS:  # every score, one a row, is the same with and without a summary
        return report_rows.WRITERS[form](study)
    return WRITERS[form](study.summary, study.folder)


def _say(notes: list[str]) -> None:
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


def _all(results: Path, form: str) -> Path:
    board = leaderboard(results)
    _say(board.notes)
    console = plain_console()
    for group in board.groups:
        console.print(leaderboard_formats.terminal(group))
    return leaderboard_formats.WRITERS[form](board, results)


if __name__ == "__main__":
    sys.exit(main())
