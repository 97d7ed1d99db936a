"""The report as a page with pictures: one file that needs no network."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from study.evidence.summary import Summary
from study.evidence.verdict import WORTH
from study.figures import pictures, task_map
from study.figures.importances import FEWEST
from study.report import formats, tables, verdict_tables
from study.report.sentences import scored_at, sentences
from study.report.tables import REPORT
from trainers.files import written


def write(summary: Summary, folder: Path, drawn: Mapping[str, Any] | None = None) -> Path:
    """Write `report.html`, one file that needs no network.

    Args:
        summary: What it shows.
        folder: Where to.
        drawn: As `figures.pictures.pictures` draws them; none: they are drawn.
    """
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    def embedded(figure: Any) -> Markup:
        options = {"responsive": True, "displaylogo": False}
        return Markup(figure.to_html(full_html=False, include_plotlyjs=False, config=options))

    spec = summary.spec
    drawn = pictures.pictures(summary) if drawn is None else drawn
    page = formats.rendered(
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
        budgets=tables.budgets_shown(summary),
        by_task=tables.by_task(summary),
        published=[(line.label, f"{line.mean:.3f}", line.source) for line in tables.published_lines(summary)],
        costs=[{"name": line.curriculum, **tables.cost_row(summary, line)} for line in summary.lines],
        usage=summary.usage.sentence(),
        runs=[tables.run_row(summary, line) for line in summary.runs],
        lines=[tables.row(summary, line) for line in summary.lines],
        verdicts=verdict_tables.verdict_table(summary.findings),
        worth=WORTH,
        times=verdict_tables.time_tables(summary.findings),
        apart=verdict_tables.apart_table(summary.findings),
        task_by_task=formats.TASK_BY_TASK.replace("`", ""),
        ranks=summary.findings.ranks,
        figures={name: embedded(figure) for name, figure in drawn.items()},
        fewest=FEWEST,
        table_width=task_map.width(drawn["tasks"]) if "tasks" in drawn else 0,
        searches=[name for name in drawn if name.startswith(pictures.SEARCH_OF)],
        places="\n".join(tables.places(folder)),
        spec_yaml=yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False),
        provenance=json.dumps(summary.provenance.cards, indent=1),
        plotly_js=Markup(get_plotlyjs()),
    )
    return written(folder / REPORT, page)
