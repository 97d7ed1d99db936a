"""A report in other forms than a page: Markdown to read or paste, JSON and Parquet for machines."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from study.evidence.controls import in_words
from study.evidence.summary import Summary
from study.report import tables, verdict_tables
from study.report.in_json import numbers
from study.report.sentences import scored_at, sentences
from study.store import SCHEMA, score_rows
from trainers.files import replacing, written

MARKDOWN, JSON, PARQUET = "report.md", "report.json", "report.parquet"
TASK_BY_TASK = (
    "Difference to `constant` at the longest budget, with 95 % intervals: of a task over seeds, of a group over both. "
    "It describes: among many tasks some differ by chance"
)


def write_markdown(summary: Summary, folder: Path) -> Path:
    """Write `report.md`: what is said in words, then the tables behind it."""
    return written(folder / MARKDOWN, markdown(summary, folder))


def write_json(summary: Summary, folder: Path) -> Path:
    """Write `report.json`, whose keys are the fields of `report_numbers.Numbers`."""
    return written(folder / JSON, numbers(summary, folder).json() + "\n")


def write_scores(rows: pd.DataFrame, folder: Path) -> Path:
    """Write `report.parquet`: every score of every trial, a row each, with the columns of `store.Row`."""
    table = pa.Table.from_pandas(score_rows(rows), SCHEMA, preserve_index=False)
    with replacing(folder / PARQUET) as temporary:
        pq.write_table(table, temporary)
    return folder / PARQUET


def rendered(template: str, **values: Any) -> str:
    """Return a page: one of the templates beside this file, with its values."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(loader=PackageLoader("study.report", "."), autoescape=True, undefined=StrictUndefined)
    return pages.get_template(template).render(**values)


def markdown(summary: Summary, folder: Path) -> str:
    """Return the report as Markdown, its claims first."""
    spec = summary.spec
    leaks = summary.provenance.leak_sentence()
    tasks = ", ".join(task.name for task in spec.evaluation.tasks)
    metric = spec.evaluation.metric_in_words()
    parts = [
        f"# {spec.name}",
        *([spec.about] if spec.about else []),
        *(["## Read with care", listed(summary.notes)] if summary.notes else []),
        "## What this study shows",
        listed(sentence for sentence in sentences(summary) if sentence != leaks),
        "## Score at each budget",
        f"Mean test {metric} ± SD over {tasks}: {scored_at(summary)}.",
        _scores(summary),
        *_verdict(summary),
        "## Controls",
        _controls(summary) or "No curriculum but controls came to the longest budget.",
        "## Costs",
        f"Hours and FLOPs of all trials of a curriculum. In the study as a whole, {summary.usage.sentence()}.",
        _costs(summary),
        "## Test sequences in the training DNA",
        leaks or "They were not looked for.",
        "## Where everything is",
        "```\n" + "\n".join(tables.places(folder)) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _scores(summary: Summary) -> str:
    budgets = [f"{budget:,} steps" for budget in tables.budgets_shown(summary)]
    lines = []
    for line in summary.lines:
        shown = [f"{cell.mean} ± {cell.spread}" if cell.spread else cell.mean for cell in tables.cells(summary, line)]
        arguments = tables.arguments_in_words(summary, line)
        lines.append([line.curriculum, arguments, *shown, str(len(line.runs)), str(line.trials)])
    return table(["curriculum", "best arguments", *budgets, "seeds", "tried"], lines, words=2)


def _verdict(summary: Summary) -> list[str]:
    """Return the comparisons, and what it costs to reach the control's score; nothing where nothing was compared."""
    compared = verdict_tables.verdict_table(summary.findings)
    if not compared:
        return []
    parts = [
        "## Verdict",
        f"Tasks and seeds are paired; p is adjusted (Holm) for all {len(compared)} comparisons here. "
        "“?”: too few to tell.",
        table(list(compared[0]), [list(line.values()) for line in compared], words=2),
    ]
    for number, (target, times) in enumerate(verdict_tables.time_tables(summary.findings)):
        parts += [
            *([] if number else ["## Cost to target"]),
            f"To reach {target}, with 95 % intervals. “≤”: reached before the first budget, “>”: not reached.",
            _with_limits(times),
        ]
    apart = verdict_tables.apart_table(summary.findings)
    if apart:
        parts += ["## Task by task", f"{TASK_BY_TASK}.", _with_limits(apart)]
    return parts


def _with_limits(lines: Sequence[Mapping[str, tuple[str, str]]]) -> str:
    """Return a table of values with their intervals."""
    cells = [[f"{value} ({limits})" if limits else value for value, limits in line.values()] for line in lines]
    return table(list(lines[0]), cells)


def _controls(summary: Summary) -> str:
    k = summary.spec.model.k
    lines = [
        [f"`{claim.arm.curriculum}`", *("; ".join(in_words(one, k) for one in side) or "none" for side in sides)]
        for claim in summary.findings.claims
        for sides in [(claim.there, claim.missing)]
    ]
    return table(["curriculum", "has", "lacks"], lines, words=3) if lines else ""


def _costs(summary: Summary) -> str:
    lines = [{"curriculum": line.curriculum, **tables.cost_row(summary, line)} for line in summary.lines]
    return table(list(lines[0]), [list(line.values()) for line in lines]) if lines else ""


def listed(lines: Iterable[str]) -> str:
    """Return a Markdown list."""
    return "\n".join(f"- {line}" for line in lines)


def table(header: Sequence[str], lines: Iterable[Sequence[str]], words: int = 1) -> str:
    """Return a Markdown table.

    Args:
        header: Names of the columns.
        lines: As many cells each.
        words: Columns from the left that hold words; the others are numbers, which stand to the right.
    """
    marks = [":--" if column < words else "--:" for column in range(len(header))]
    escaped = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in (header, *lines)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (escaped[0], marks, *escaped[1:]))
