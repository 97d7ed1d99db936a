"""The end of a study: a table, a report, the last of MLflow, and where everything is."""

import re
from pathlib import Path

from rich.table import Table

from study import best_model
from study.evidence.summary import Summary, summarise
from study.figures import pictures
from study.progress import Reporter
from study.report import html
from study.report.sentences import scored_at, sentences
from study.report.tables import arguments_in_words, budgets_shown, cells, cost_in_words, places
from study.spec.study import RANDOM_INIT, StudySpec
from study.tracking.tracker import Tracker

_NAMEABLE = re.compile(r"[\w./ -]+")  # what MLflow takes in the name of a metric; a model on the hub may have more


def conclude(spec: StudySpec, folder: Path, reporter: Reporter, tracker: Tracker) -> int:
    """Print the table, write model and report, end the MLflow run; return the exit code: 1 where a trial failed."""
    summary = summarise(spec, folder)
    reporter.show(table(summary))
    for sentence in sentences(summary):
        reporter.say(f"- {sentence}")
    reporter.say(f"- {summary.usage.sentence()}")
    best_model.export_best(summary, folder)
    drawn = pictures.pictures(summary)
    page = html.write(summary, folder, drawn)
    tracker.finish([page, pictures.write(drawn, folder)], key_numbers(summary), key_words(summary))
    reporter.say("")
    for line in places(folder):
        reporter.say(line)
    if tracker.comparison is not None:
        reporter.say(f"comparison   {tracker.comparison}  (then Group by: curriculum)")
    return 1 if reporter.failed or summary.failures else 0


def table(summary: Summary) -> Table:
    """Return curriculum, best arguments, score at each budget, and cost, for the terminal."""
    metric = summary.spec.evaluation.metric_in_words()
    shown = Table(title=f"{summary.spec.name}: test {metric} at each step budget (mean ± SD), {scored_at(summary)}")
    shown.add_column("curriculum", no_wrap=True)
    shown.add_column("best arguments")
    for budget in budgets_shown(summary):
        shown.add_column(f"{budget:,} steps", justify="right")
    for name in ("seeds", "tried", "cost"):
        shown.add_column(name, justify="right", no_wrap=True)
    for line in summary.lines:
        scores = [f"{cell.mean} ± {cell.spread}" if cell.spread else cell.mean for cell in cells(summary, line)]
        counts = (str(len(line.runs)), str(line.trials), cost_in_words(line))
        shown.add_row(line.curriculum, arguments_in_words(summary, line), *scores, *counts)
    return shown


def key_numbers(summary: Summary) -> dict[str, float]:
    """Return the few numbers by which studies are compared in MLflow."""
    best = summary.best
    numbers = {} if best is None else {"best_score": best.at[max(best.at)].mean}
    for line in summary.lines:
        if line.curriculum == RANDOM_INIT:
            numbers["random_init_score"] = line.at[0].mean
    used = summary.usage
    numbers |= {"worker_hours": used.costs.worker_hours, "gpu_hours": used.costs.gpu_hours}
    numbers |= {
        name: value for name, value in (("money", used.costs.money), ("idle_share", used.idle)) if value is not None
    }
    for verdict in summary.findings.verdicts:
        pair = f"{verdict.a.curriculum} over {verdict.b.curriculum}"
        if _NAMEABLE.fullmatch(pair):
            named = f"verdict/{pair}"  # charts are sorted by name: behind those of the scores
            numbers |= {f"{named}: difference": verdict.effect.mean, f"{named}: adjusted p": verdict.p_holm}
    return numbers


def key_words(summary: Summary) -> dict[str, str]:
    """Return what is said of the study in MLflow: its best curriculum, and what may be claimed of each."""
    best = {} if summary.best is None else {"best_curriculum": summary.best.curriculum}
    return best | {f"claim.{claim.arm.curriculum}": claim.sentence for claim in summary.findings.claims}
