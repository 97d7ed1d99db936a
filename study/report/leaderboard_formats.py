"""A leaderboard as a page, Markdown, JSON, Parquet, and a table in the terminal."""

import dataclasses
import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote

import pandas as pd
from rich.table import Table

from study.report.formats import listed, rendered, table
from study.report.leaderboard import Entry, Group, Leaderboard
from study.report.numbers import FORMAT, finite
from study.report.pdf import printed
from study.report.tables import REPORT
from trainers.files import replacing, written

NAME = "leaderboard"


@dataclasses.dataclass(frozen=True)
class Column:
    """A column as a reader sees it."""

    name: str
    is_number: bool
    of: Callable[[Entry], str]


def columns(entries: Iterable[Entry]) -> list[Column]:
    """Return the columns of some entries: GPU-hours where there are any, else worker-hours."""
    has_gpus = any(entry.gpu_hours for entry in entries)
    return [
        Column("study", False, lambda entry: entry.study),
        Column("curriculum", False, lambda entry: entry.curriculum),
        Column("score", True, _score),
        Column("steps", True, lambda entry: f"{entry.budget:,}"),
        Column("seeds", True, lambda entry: str(entry.seeds)),
        Column("GPU-hours", True, lambda entry: f"{entry.gpu_hours:.3g}")
        if has_gpus
        else Column("worker-hours", True, lambda entry: f"{entry.worker_hours:.3g}"),
        Column("masked tokens", True, lambda entry: _counted(entry.masked_tokens)),
        Column("model FLOPs", True, lambda entry: _counted(entry.flops)),
        Column("claim", False, lambda entry: entry.claim.replace("`", "")),
    ]


def _score(entry: Entry) -> str:
    return f"{entry.score:.3f}" + ("" if math.isnan(entry.spread) else f" ± {entry.spread:.3f}")


def _counted(value: float) -> str:
    """Return a large count in few digits; nothing where it is unknown, or where there was no training."""
    return "" if math.isnan(value) or not value else f"{value:.2e}"


def _lines(group: Group) -> list[dict[str, str]]:
    shown = columns(group.entries)
    return [{column.name: column.of(entry) for column in shown} for entry in group.entries]


def terminal(group: Group) -> Table:
    """Return a group for the terminal."""
    shown = Table(title=f"{group.title} (test, mean ± SD)")
    for column in columns(group.entries):
        shown.add_column(column.name, justify="right" if column.is_number else "left", no_wrap=column.name != "claim")
    for line in _lines(group):
        shown.add_row(*line.values())
    return shown


def write_page(board: Leaderboard, results: Path) -> Path:
    """Write `leaderboard.html`, one file that needs no network; links lead to the reports that are there."""
    studies = {entry.study for group in board.groups for entry in group.entries}
    html = rendered(
        f"{NAME}.html.j2",
        results=results.name,
        notes=board.notes,
        groups=[
            {"title": group.title, "columns": columns(group.entries), "lines": _lines(group)} for group in board.groups
        ],
        pages={name: f"{quote(name)}/{REPORT}" for name in studies if (results / name / REPORT).exists()},
    )
    return written(results / f"{NAME}.html", html)


def write_markdown(board: Leaderboard, results: Path) -> Path:
    """Write `leaderboard.md`."""
    parts = [f"# All studies of {results.name}", *([listed(board.notes)] if board.notes else [])]
    for group in board.groups:
        lines = _lines(group)
        parts += [f"## {group.title}", table(list(lines[0]), [list(line.values()) for line in lines], words=2)]
    return written(results / f"{NAME}.md", "\n\n".join(parts) + "\n")


def write_json(board: Leaderboard, results: Path) -> Path:
    """Write `leaderboard.json`, whose keys are the fields of `Leaderboard`; null is what is not known."""
    content = finite({"format": FORMAT, **dataclasses.asdict(board)})
    return written(results / f"{NAME}.json", json.dumps(content, indent=1, allow_nan=False) + "\n")


def write_parquet(board: Leaderboard, results: Path) -> Path:
    """Write `leaderboard.parquet`: a row for each `Entry`, and the title of its group."""
    lines = [
        {"group": group.title, "metric": group.metric, **dataclasses.asdict(entry)}
        for group in board.groups
        for entry in group.entries
    ]
    with replacing(results / f"{NAME}.parquet") as temporary:
        pd.DataFrame(lines).to_parquet(temporary, index=False)
    return results / f"{NAME}.parquet"


WRITERS: dict[str, Callable[[Leaderboard, Path], Path]] = {
    "html": write_page,
    "md": write_markdown,
    "json": write_json,
    "parquet": write_parquet,
    "pdf": lambda board, results: printed(write_page(board, results)),
}
