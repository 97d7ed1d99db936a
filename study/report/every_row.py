"""What is reported of a study whose spec this version cannot use, or whose rows do not fit it: rows alone."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from study.report.formats import JSON, MARKDOWN, listed, rendered, table, write_scores
from study.report.numbers import FORMAT, finite
from study.report.pdf import printed
from study.report.reading import Opened
from study.report.tables import REPORT
from trainers.files import written

NO_VERDICT = (
    "Rows are all that can be used, and they alone do not say what was to be compared with which controls. So there is "
    "no verdict; these are means of the test scores of each configuration."
)
_EACH = ["curriculum", "parameters", "budget", "fidelity", "task", "metric"]


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """Return test scores by configuration, budget, fidelity, task and metric.

    Further columns: mean and spread (standard deviation; not a number of one value) over seeds and repetitions; how
    many seeds, and how many values.
    """
    test = rows[rows["split"] == "test"].groupby(_EACH)
    found = test.agg(
        mean=("value", "mean"), spread=("value", "std"), seeds=("seed", "nunique"), values=("value", "size")
    )
    return found.reset_index()


def _cells(rows: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    found = means(rows)
    header = [str(name) for name in found.columns]
    lines = [
        [*map(str, own[: len(_EACH)]), f"{own[6]:.3f}", "" if pd.isna(own[7]) else f"{own[7]:.3f}", *map(str, own[8:])]
        for own in found.itertuples(index=False)
    ]
    return header, lines


def write_page(study: Opened) -> Path:
    """Write `report.html`."""
    header, lines = _cells(study.rows)
    html = rendered(
        "report_rows.html.j2",
        name=study.folder.name,
        notes=study.notes,
        why=NO_VERDICT,
        header=header,
        lines=lines,
        words=len(_EACH),
    )
    return written(study.folder / REPORT, html)


def write_markdown(study: Opened) -> Path:
    """Write `report.md`."""
    header, lines = _cells(study.rows)
    parts = [f"# {study.folder.name}", listed(study.notes), NO_VERDICT, table(header, lines, words=len(_EACH))]
    return written(study.folder / MARKDOWN, "\n\n".join(parts) + "\n")


def write_json(study: Opened) -> Path:
    """Write `report.json`: format, study, notes, and a list of `means`; it has none of the other keys of a report."""
    content = {
        "format": FORMAT,
        "study": study.folder.name,
        "notes": study.notes,
        "means": means(study.rows).to_dict("records"),
    }
    return written(study.folder / JSON, json.dumps(finite(content), indent=1, allow_nan=False) + "\n")


WRITERS: dict[str, Callable[[Opened], Path]] = {
    "html": write_page,
    "md": write_markdown,
    "json": write_json,
    "pdf": lambda study: printed(write_page(study)),
    "parquet": lambda study: write_scores(study.rows, study.folder),
}
