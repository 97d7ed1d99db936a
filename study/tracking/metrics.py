"""Which numbers of a run MLflow shows: few names, the same for every study; step = budget.

They are in groups, which MLflow's charts sort by name: `score` comes first of what runs have.
"""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd

from study.spec.evaluation import FULL
from study.spec.study import StudySpec
from study.store import PRETRAINING
from study.tasks import own_metric
from study.tracking.address import without_secrets

if TYPE_CHECKING:
    from mlflow.entities import Metric

_SHOWN = {
    "validation_loss": "validation/loss",
    "validation_perplexity": "validation/perplexity",
    "validation_accuracy": "validation/accuracy",
    "validation_loss_wide": "validation/loss_wide",
    "tokens_per_second": "speed/tokens_per_second",
    "mfu": "speed/mfu",
    "flops": "use/flops",
    "worker_hours": "use/worker_hours",
    "gpu_hours": "use/gpu_hours",
    "money": "use/money",
    "peak_memory_bytes": "use/peak_memory_bytes",
}
_PART = "seconds_"  # of the training's time


def metrics(spec: StudySpec, rows: pd.DataFrame, stored_at: Callable[[int], float]) -> list["Metric"]:
    """Return what is shown of one run, by budget.

    Args:
        spec: The study.
        rows: All rows of the run.
        stored_at: When the rows of a budget were complete, in seconds since 1970: the time of its metrics, so that a
            server which gets one twice keeps it once.
    """
    from mlflow.entities import Metric

    found = []
    scores = _scores(spec, rows)
    recorded: dict[int, dict[str, float]] = {}
    pretraining = rows[rows["task"] == PRETRAINING]
    for budget, metric, value in zip(
        *(pretraining[name].tolist() for name in ("budget", "metric", "value")), strict=True
    ):
        recorded.setdefault(budget, {})[metric] = value
    for budget, values in recorded.items():
        scores.setdefault(budget, {}).update(_costs(values))
    for budget in sorted(scores):
        at = int(stored_at(budget) * 1000)
        found += [Metric(name, value, at, budget) for name, value in scores[budget].items()]
    return found


def _scores(spec: StudySpec, rows: pd.DataFrame) -> dict[int, dict[str, float]]:
    """Return by budget the dev score by which a search goes, and test scores: of all tasks, and of each."""
    means = own_metric(spec, rows).groupby(["budget", "fidelity", "split", "task"])["value"].mean()
    by_task: dict[tuple[int, str, str], dict[str, float]] = {}
    for (budget, fidelity, split, task), mean in zip(means.index, means.tolist(), strict=True):
        by_task.setdefault((budget, fidelity, split), {})[task] = mean
    found: dict[int, dict[str, float]] = {}
    for (budget, fidelity, split), tasks in by_task.items():
        values = found.setdefault(budget, {})
        mean = sum(tasks.values()) / len(tasks)
        if split == "dev" and fidelity == spec.evaluation.fidelity_at(budget):
            values["score/dev"] = mean
        elif split == "test":
            cheap = "" if fidelity == FULL else f"_by_{fidelity}"
            values |= {f"score/test{cheap}": mean, **{f"task{cheap}/{name}": score for name, score in tasks.items()}}
    return found


def _costs(recorded: dict[str, float]) -> dict[str, float]:
    parts = {name: f"time/{name.removeprefix(_PART)}" for name in recorded if name.startswith(_PART)}
    return {shown: recorded[name] for name, shown in {**_SHOWN, **parts}.items() if name in recorded}


def parameters(rows: pd.DataFrame) -> dict[str, str]:
    """Return what a run was given, without secrets."""
    first = rows.iloc[0]
    common = {name: first[name] for name in ("curriculum", "seed", "horizon", "branch")}
    shown = {**common, **json.loads(first["parameters"])}
    return {name: without_secrets(str(value)) for name, value in shown.items()}
