"""Writes the report of a study from its stored rows: `python -m study.report NAME`."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from curricula import InputError
from study.evidence.summary import Summary
from study.progress import plain_console
from study.report import every_row, formats, html, leaderboard_formats, pdf
from study.report.leaderboard import leaderboard
from study.report.reading import copies_of, opened

WRITERS: dict[str, Callable[[Summary, Path], Path]] = {
    "html": html.write,
    "md": formats.write_markdown,
    "json": formats.write_json,
    "pdf": lambda summary, folder: pdf.printed(html.write(summary, folder)),
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
        choices=every_row.WRITERS,
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
        return every_row.WRITERS[form](study)
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
