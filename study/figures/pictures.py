"""All pictures of a report, by name: those that have nothing to show are left out."""

from collections.abc import Callable, Mapping
from pathlib import Path

import plotly.graph_objects as go

from study.evidence.summary import Summary
from study.figures import cost, curves, ranking, scores, searches, task_map
from trainers.files import written

FOLDER = "figures"
SEARCH = "search"
SEARCH_OF = "search of "  # before the name of a curriculum
_ALWAYS: dict[str, Callable[[Summary], go.Figure]] = {
    "scores": scores.scores,
    "schedules": curves.schedules,
    "losses": curves.losses,
    "time": curves.time,
}
_WHERE_SHOWN: dict[str, Callable[[Summary], go.Figure | None]] = {
    "costs": cost.score_and_cost,
    "tasks": task_map.heat_map,
    "importances": searches.importance,
}


def pictures(summary: Summary) -> dict[str, go.Figure]:
    """Return every picture by name; one of a single curriculum's trials is called `search of`, then its name."""
    shown = {name: draw(summary) for name, draw in _WHERE_SHOWN.items()}
    searched = {f"{SEARCH_OF}{name}" if name else SEARCH: one for name, one in searches.searches(summary).items()}
    return {
        **{name: draw(summary) for name, draw in _ALWAYS.items()},
        **{name: one for name, one in shown.items() if one is not None},
        **searched,
        **ranking.ranks_and_profiles(summary),
    }


def write(pictures: Mapping[str, go.Figure], folder: Path) -> Path:
    """Write each picture as a page of its own, for MLflow's list of artifacts; return the folder of the pages.

    They fetch plotly's code from its network, as pictures that MLflow itself logs do, or each would have 4.7 MB; the
    report has the same pictures and needs no network.
    """
    pages = {f"{name.replace(' ', '_')}.html": one for name, one in pictures.items()}
    for old in (folder / FOLDER).glob("*.html"):
        if old.name not in pages:  # of a search that went on, say
            old.unlink()
    for name, one in pages.items():
        written(folder / FOLDER / name, one.to_html(include_plotlyjs="cdn"))
    return folder / FOLDER
